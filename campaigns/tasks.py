"""What a message does: load nothing, call one service."""

import dramatiq

from campaigns.services import stages


@dramatiq.actor(queue_name=stages.QUEUE)
def run_stage(stage_id: int) -> None:
    stages.run(stage_id)
