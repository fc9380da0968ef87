"""What a message does: load nothing, call one service."""

import dramatiq

from analysis.services import trajectory_runs
from campaigns.services.wake import QUEUE


@dramatiq.actor(queue_name=QUEUE)
def analyse_trajectory(pk: int) -> None:
    trajectory_runs.run(pk)
