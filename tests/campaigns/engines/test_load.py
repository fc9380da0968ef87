"""How busy others kept the machine: their work counts, one's own does not."""

import subprocess
import sys
import time

from campaigns.engines.load import Load

BURN = "import time; end = time.time() + 1.5\nwhile time.time() < end: pass"


def test_own_work_is_not_that_of_others_and_a_child_counts_as_own():
    load = Load()
    process = subprocess.Popen([sys.executable, "-c", BURN])
    time.sleep(1.0)
    while_it_runs = load.others_cores()  # it has not been waited for yet: it may as well be somebody else's
    process.wait()
    assert load.others_cores() < while_it_runs
