"""Keeps what the judge found, in the transaction that finishes its stage."""

from typing import Any

from django.dispatch import receiver

from analysis.services import judgement, trajectories  # noqa: F401  (tells quotas how much a user keeps)
from campaigns.enums import StageKind
from campaigns.models import Artefact, Stage
from campaigns.services.ingest import stage_ingested


@receiver(stage_ingested)
def keep_judgement(sender: type[Stage], stage: Stage, result: dict[str, Any], files: dict[str, Artefact], **kwargs: Any) -> None:
    if stage.kind == StageKind.JUDGE:
        judgement.keep(stage, result, files[result["msd_file"]])
