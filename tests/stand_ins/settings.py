"""An installation of its own whose stages run the stand-in executables: for tests that start every process for real."""

import os

from sseweb.settings import *  # noqa: F403
from sseweb.settings import STAGE_MODULES as _KINDS

STAGE_MODULES = dict.fromkeys(_KINDS, "tests.stand_ins.engine")
assert os.environ["SSEWEB_DATA_DIR"], "never on an installation's data"
