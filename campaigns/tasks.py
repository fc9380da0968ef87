"""What a message does: load nothing, call one service."""

import dramatiq
from dramatiq.middleware import Shutdown

from campaigns.services import stages


@dramatiq.actor(queue_name=stages.QUEUE)
def run_stage(stage_id: int) -> None:
    try:
        stages.run(stage_id)
    except Shutdown:
        return  # the stage was given back; the next worker goes on from its checkpoints
