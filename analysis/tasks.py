"""What a message does: load nothing, call one service."""

import dramatiq
from dramatiq.middleware import Shutdown

from analysis.services import trajectories
from campaigns.services.wake import QUEUE


@dramatiq.actor(queue_name=QUEUE, notify_shutdown=True)
def analyse_trajectory(pk: int) -> None:
    try:
        trajectories.run(pk)
    except Shutdown:
        return  # it waits again; the next worker does it
