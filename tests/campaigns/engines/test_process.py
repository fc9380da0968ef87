"""External programs that are missing, hang, die or are killed; children that outlive us."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from campaigns.engines import disk, memory, process
from campaigns.engines.job import EngineFailed


def python(code):
    return [sys.executable, "-c", code]


def test_its_output_goes_to_the_log(tmp_path):
    assert process.run(python("print('hello')"), tmp_path, "log") == 0
    assert process.tail(tmp_path / "log") == "hello"


def test_a_missing_program_says_what_to_do():
    with pytest.raises(EngineFailed, match="run the set-up again") as caught:
        process.program("no-such-engine")
    assert caught.value.cause == "engine_missing"
    assert caught.value.permanent


def test_a_program_that_dies_leaves_its_last_words(tmp_path):
    with pytest.raises(EngineFailed, match="status 7") as caught:
        process.run(python("print('last words'); raise SystemExit(7)"), tmp_path, "log")
    assert "last words" in caught.value.log_tail
    assert not caught.value.permanent


def test_a_full_disk_is_named_and_may_pass(tmp_path):
    words = "OSError: [Errno 28] No space left on device"
    with pytest.raises(EngineFailed, match="free some space") as caught:
        process.run(python(f"print({words!r}); raise SystemExit(1)"), tmp_path, "log")
    assert (caught.value.cause, caught.value.permanent) == ("disk_full", False)
    with pytest.raises(EngineFailed, match="status 1") as caught:  # what an earlier try wrote is not said of this one
        process.run(python("raise SystemExit(1)"), tmp_path, "log")
    assert caught.value.cause == "engine_died"


def test_a_program_that_dies_on_a_full_disk_without_a_word_is_the_disks(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MIN_FREE_BYTES", 2**62)
    with pytest.raises(EngineFailed) as caught:
        process.run(python("raise SystemExit(1)"), tmp_path, "log")
    assert caught.value.cause == "disk_full"


@pytest.mark.parametrize(
    "code", ["import os; os.kill(os.getpid(), 9)", "raise SystemExit(137)", "print('KILLED BY SIGNAL: 9'); raise SystemExit(9)"]
)
def test_a_killed_program_is_named_so_with_what_to_do(tmp_path, code):
    with pytest.raises(EngineFailed, match=r"SIGKILL.*most probably.*out of memory.*smaller cell or fewer ranks") as caught:
        process.run(python(code), tmp_path, "log")
    assert (caught.value.cause, caught.value.permanent) == ("engine_died", False)


def test_a_program_that_the_kernel_killed_for_memory_is_told_from_others(tmp_path, monkeypatch):
    """By the kernel's own count, which rises while the program runs."""
    monkeypatch.setattr(memory, "VMSTAT", tmp_path / "vmstat")
    memory.VMSTAT.write_text("pgfault 12\noom_kill 3\n")
    killed = f"import os, pathlib; pathlib.Path({str(memory.VMSTAT)!r}).write_text('oom_kill 4'); os.kill(os.getpid(), 9)"
    with pytest.raises(EngineFailed, match="by the kernel: the machine ran out of memory") as caught:
        process.run(python(killed), tmp_path, "log")
    assert (caught.value.cause, caught.value.permanent) == ("out_of_memory", False)


def test_another_signal_is_not_taken_for_memory(tmp_path):
    with pytest.raises(EngineFailed, match="killed by SIGSEGV") as caught:
        process.run(python("import os; os.kill(os.getpid(), 11)"), tmp_path, "log")
    assert "memory" not in str(caught.value)


def test_a_program_that_hangs_is_stopped(tmp_path):
    with pytest.raises(EngineFailed, match="it hangs") as caught:
        process.run(python("import time; time.sleep(60)"), tmp_path, "log", silence_limit_s=1.0)
    assert caught.value.cause == "timeout"


def test_a_watcher_can_stop_it(tmp_path):
    def watch():
        raise EngineFailed("enough", cause="unphysical", permanent=True)

    began = time.monotonic()
    with pytest.raises(EngineFailed, match="enough"):
        process.run(python("import time; time.sleep(60)"), tmp_path, "log", watch=watch)
    assert time.monotonic() - began < 10


def test_it_dies_with_us(tmp_path):
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    code = (
        "from pathlib import Path; import sys; from campaigns.engines import process; "
        f"process.run([sys.executable, '-c', {child!r}], Path({str(tmp_path)!r}), 'log')"
    )
    parent = subprocess.Popen(python(code), cwd=os.getcwd())
    deadline = time.monotonic() + 20
    while not process.tail(tmp_path / "log") and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(process.tail(tmp_path / "log"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
