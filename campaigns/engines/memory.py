"""Memory that ran out: the kernel kills a program without a word; what is left is its signal and the kernel's own count of such kills."""

from pathlib import Path

VMSTAT = Path("/proc/vmstat")
WHAT_TO_DO = "take a smaller cell or fewer ranks (SSEWEB_CORES), or end other programs; then retry. What is finished is kept."
TOO_LITTLE = f"The machine had not enough memory for this stage: {WHAT_TO_DO}"
# What mpiexec says of a rank that was killed, where its own status is another.
KILLED_WORDS = ("KILLED BY SIGNAL: 9", "exited on signal 9", "Exit code: 137")


def kernel_kills() -> int:
    """How many programs the kernel of this machine has killed for memory since it started; 0 where it does not say."""
    try:
        lines = VMSTAT.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def was_killed(status: int, output: str) -> bool:
    """SIGKILL of the program itself, or of one that it started."""
    return status in (-9, 137) or any(words in output for words in KILLED_WORDS)


def of_a_kill(name: str, kernel_kills_before: int | None) -> tuple[str, str]:
    """(message, cause) of a program that somebody killed by SIGKILL; None: how many there were before it is not known."""
    if kernel_kills_before is not None and kernel_kills() > kernel_kills_before:
        return f"{name} was killed by the kernel: the machine ran out of memory. To mend it, {WHAT_TO_DO}", "out_of_memory"
    return f"{name} was killed (SIGKILL), most probably because the machine ran out of memory. If so, {WHAT_TO_DO}", "engine_died"
