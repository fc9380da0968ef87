"""From the judge's result to rows."""

from typing import Any

from analysis.models import ArrheniusFit, RunDiffusion
from campaigns.models import Artefact, MdRun, Stage
from campaigns.services.protocol import current_model

_RUN_FIELDS = (
    "verdict",
    "reason",
    "number",
    "threshold",
    "unit",
    "kinetic_temperature_K",
    "kinetic_temperature_error_K",
    "diffusivity_cm2_s",
    "diffusivity_error_cm2_s",
    "details",
)


def keep(stage: Stage, result: dict[str, Any], msd: Artefact) -> ArrheniusFit:
    """Rows for every run and for the model of the stage's training step."""
    keys = dict(MdRun.objects.filter(campaign=stage.campaign).values_list("number", "pk"))
    RunDiffusion.objects.bulk_create(
        [RunDiffusion(md_run_id=keys[run["run_id"]], **{name: run[name] for name in _RUN_FIELDS}) for run in result["runs"]]
    )
    return ArrheniusFit.objects.create(
        model=current_model(stage.campaign),
        msd=msd,
        spread_dex=result["stationarity"]["spread_dex"],
        stationarity=result["stationarity"],
        **result["arrhenius"],
    )
