"""What queues answer, as their manuals have it."""

import pytest

from campaigns.engines.runners import words

QSTAT = """Job Id: 12.server
    Job_Name = sse-0123456789
    job_state = Q
    comment = Not Running: Insufficient amount of resource: ncpus (R: 64 A: 12 T: 12
\t8)
    etime = Sat Nov 28 10:00:00 2026
"""


@pytest.mark.parametrize(
    ("batch_type", "answer", "reason"),
    [
        ("Slurm", "PartitionTimeLimit\n", "PartitionTimeLimit"),
        ("Slurm", "None\n", ""),
        ("Slurm", "", ""),
        ("PBS", QSTAT, "Not Running: Insufficient amount of resource: ncpus (R: 64 A: 12 T: 128)"),
        ("Torque", "Job Id: 12.server\n    job_state = Q\n", ""),
        ("LSF", "Job dependency condition not satisfied;\n", "Job dependency condition not satisfied;"),
    ],
)
def test_why_a_job_waits(batch_type, answer, reason):
    assert words.why_waiting(batch_type, answer) == reason


@pytest.mark.parametrize(
    ("scontrol", "cause"),
    [("JobId=5 JobState=TIMEOUT Reason=TimeLimit", "walltime"), ("JobState=NODE_FAIL", "node_failed"), ("", "job_lost")],
)
def test_how_a_job_ended(scontrol, cause):
    assert words.ending(scontrol)[0] == cause
