"""What queueing systems say, and what follows from it: text in, meaning out."""

import re

UNREACHED = re.compile(
    r"timed out|unable to contact|zero bytes|transport endpoint|temporarily|connection (refused|reset)|try again|cannot connect|no route|"
    r"inactive or drain",
    re.IGNORECASE,
)
# Limits on how many jobs there may be at a time, of Slurm, PBS, Torque and LSF: one that ends makes room.
FULL = re.compile(
    r"SubmitJob\w*Limit|violates accounting/QOS policy|temporarily unable to accept job|maximum number of jobs|would exceed|"
    r"pending job (threshold|limit)|job slot limit",
    re.IGNORECASE,
)
# Slurm has one sentence for a job too many and for one that is too large or too long; which it is a line before says, if anything does.
SLURM_LIMIT = re.compile(r"\b(?:QOS|Assoc)\w+")
SLURM_ENDS = {
    "TIMEOUT": ("walltime", "The job reached its time limit and was stopped."),
    "CANCELLED": ("job_cancelled", "The job was cancelled from outside."),
    "OUT_OF_MEMORY": ("out_of_memory", "The job was stopped because it used more memory than it had asked for."),
    "NODE_FAIL": ("node_failed", "The node that the job ran on failed."),
    "PREEMPTED": ("job_cancelled", "The job had to make room for another one."),
    "FAILED": ("engine_died", "The job ended without a result: its log and the files in its folder say more."),
}
UNKNOWN_END = (
    "job_lost",
    "The job is gone from the queue and has left no result: it was cancelled, or its node or time limit ended it.",
)
# How a queue is asked why a job waits, and where in the answer it says so. PBS breaks long lines.
WHY_WAITING = {
    "Slurm": ("squeue -h -o %r -j {}", re.compile(r"(.*)")),
    "PBS": ("qstat -f {}", re.compile(r"\bcomment = (.*(?:\n\t.*)*)")),
    "Torque": ("qstat -f {}", re.compile(r"\bcomment = (.*(?:\n\t.*)*)")),
    "LSF": ("bjobs -noheader -o pend_reason {}", re.compile(r"(.*)")),
}
NO_REASON = ("", "None", "-")


def last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("return code")]
    return re.sub(r"^(error message:|\w+: error: )+", "", lines[-1] if lines else "no reason was given")[:400]


def of_a_refusal(text: str) -> str:
    limit = SLURM_LIMIT.search(text)
    return last_words(text) + (f" [{limit[0]}]" if limit else "")


def is_full(text: str) -> bool:
    """Whether the same job may be taken later. A limit of Slurm that is named and does not count jobs is one that the job itself breaks."""
    limit = SLURM_LIMIT.search(text)
    return bool(FULL.search(text)) and (limit is None or bool(FULL.search(limit[0])))


def ending(scontrol: str) -> tuple[str, str]:
    """Cause and words for a job that is gone, from what Slurm still knows of it."""
    found = re.search(r"JobState=([A-Z_]+)", scontrol)
    return SLURM_ENDS.get(found[1], UNKNOWN_END) if found else UNKNOWN_END


def why_waiting(batch_type: str, answer: str) -> str:
    """'' where the queue gives no reason."""
    found = WHY_WAITING[batch_type][1].search(answer)
    reason = re.sub(r"\n\t", "", found[1]).strip() if found else ""
    return "" if reason in NO_REASON else reason[:400]
