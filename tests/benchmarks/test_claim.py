"""How long a stage waits, on an installation as users start it with stand-in engines: from its creation until a worker has claimed it, and
from the claim until its engine, a new Python, says that it is there.

python -m pytest -s tests/benchmarks/test_claim.py       (a minute, on a machine with nothing else to do)
"""

import json
import os
from statistics import median

import pytest

from tests.stand_ins.installation import CREATE, Up

LIMIT_S = 1.0
ROWS = """
import json
import django; django.setup()
from campaigns.models import Stage
rows = [(stage.created_at.timestamp(), stage.started_at.timestamp(), (stage.folder / "child.json").stat().st_mtime)
        for stage in Stage.objects.filter(state="done")]
print(json.dumps(rows))
"""


@pytest.fixture
def rows(tmp_path):
    """Of every stage of a campaign when it was created, claimed, and its engine there, in seconds since the epoch."""
    up = Up(tmp_path)
    up.start()
    try:
        up.python(CREATE)
        up.wait_for(lambda: up.state()[0] == "converged", 300)
        return json.loads(up.python(ROWS))
    finally:
        up.stop()


def test_a_stage_starts_within_a_second_of_its_claim(rows):
    claims_s = [claimed - created for created, claimed, _ in rows]
    starts_s = [started - claimed for _, claimed, started in rows]
    for what, found in (("from creation to claim (with waiting for cores)", claims_s), ("from claim to engine", starts_s)):
        print(f"\n{what}: median {median(found):.2f} s, worst {max(found):.2f} s of {len(found)}, load {os.getloadavg()[0]:.1f}", end="")
    assert len(rows) > 10
    assert median(starts_s) < LIMIT_S
