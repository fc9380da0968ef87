"""What a message does: load nothing, call one service."""

import dramatiq

from campaigns import queues
from campaigns.services import stages


@dramatiq.actor(queue_name=queues.CPU)  # a message says in which it is itself
def run_stage(stage_id: int) -> None:
    stages.run(stage_id)
