"""What a message does: load nothing, call one service."""

import dramatiq

from analysis.services import trajectory_runs
from campaigns.queues import CPU


@dramatiq.actor(queue_name=CPU)
def analyse_trajectory(pk: int) -> None:
    trajectory_runs.run(pk)
