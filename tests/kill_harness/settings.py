"""An installation that runs the stand-in executables and falls at the kill point that is armed."""

from tests.stand_ins.settings import *  # noqa: F403
from tests.stand_ins.settings import INSTALLED_APPS as _APPS
from tests.stand_ins.settings import STAGE_MODULES as _KINDS

INSTALLED_APPS = [*_APPS, "tests.kill_harness.apps.KillPoints"]
STAGE_MODULES = dict.fromkeys(_KINDS, "tests.kill_harness.engine")
# A child that is killed is a failed try. Here they are killed far more often than three times.
STAGE_MAX_TRIES = 50
