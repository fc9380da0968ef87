"""Does an engine still work? One that hangs writes nothing any more: no progress, no log, no checkpoint."""

import time
from pathlib import Path

from django.conf import settings

from campaigns.engines import labellers
from campaigns.engines.specs import LabellerSpec
from campaigns.enums import StageKind
from campaigns.models import Stage

WITH_LABELS = (StageKind.PREPARE, StageKind.S0, StageKind.LABEL, StageKind.RELABEL, StageKind.CHECK)


def limit_s(stage: Stage) -> float:
    """Who writes nothing for so long hangs. A reference method that computes within the engine is silent for as long as a label takes."""
    if stage.kind not in WITH_LABELS:
        return settings.STAGE_SILENCE_S
    method = LabellerSpec(stage.campaign.labeller, stage.campaign.labeller_options)
    return max(settings.STAGE_SILENCE_S, labellers.silent_s(method))


class Silence:
    """How long nothing in a stage folder has changed, by our own steady clock: the file system's may jump."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._state()
        self._since = time.monotonic()

    def seconds(self) -> float:
        state = self._state()
        if state != self._seen:
            self._seen, self._since = state, time.monotonic()
        return time.monotonic() - self._since

    def _state(self) -> set[tuple[str, int, int]]:
        found = set()
        for path in self._folder.rglob("*"):
            try:
                facts = path.stat()
            except OSError:  # replaced or removed meanwhile
                continue
            found.add((str(path), facts.st_mtime_ns, facts.st_size))
        return found
