"""How busy other work kept the machine while an engine ran: what was measured meanwhile says little of a machine that is free."""

import os
import time

import psutil

IDLE = ("idle", "iowait", "guest", "guest_nice")  # the last two are counted in user and nice as well


class Load:
    """From its making to `others_cores()`: cores that were busy and not with this process or with what it started, on average."""

    def __init__(self) -> None:
        self._began, self._busy_s, self._own_s = time.monotonic(), _busy_s(), _own_s()

    def others_cores(self) -> float:
        elapsed_s = max(time.monotonic() - self._began, 1e-3)
        return max(0.0, (_busy_s() - self._busy_s) - (_own_s() - self._own_s)) / elapsed_s


def _busy_s() -> float:
    """Of all cores of the machine, since it was started."""
    return sum(seconds for name, seconds in psutil.cpu_times()._asdict().items() if name not in IDLE)


def _own_s() -> float:
    """Of this process and of its children that have ended."""
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system
