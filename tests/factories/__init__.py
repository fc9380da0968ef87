"""Rows with the small real files behind them, as a campaign leaves them; for tests of pages and for looking at pages."""

from tests.factories.campaigns import campaign, stage
from tests.factories.files import SYMBOLS, artefact, some_frames
from tests.factories.labels import ATTEMPTS, frames, method_check, training_set
from tests.factories.materials import FACTS, material, user
from tests.factories.models import judged, md_run, trained_model
from tests.factories.whole import full_campaign

__all__ = [
    "ATTEMPTS", "FACTS", "SYMBOLS", "artefact", "campaign", "frames", "full_campaign", "judged", "material", "md_run", "method_check",
    "some_frames", "stage", "trained_model", "training_set", "user",
]  # fmt: skip
