"""Reads for the pages of results: what was judged, in the shape that tables and plots take. Nothing is fitted here."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet

from analysis.models import ArrheniusFit, RunDiffusion
from analysis.science.interval import is_known, quantile_95
from campaigns.models import Campaign, TrainedModel

BOLTZMANN_EV_K = 8.617333262e-5
MOST_EXPONENT = 600.0  # beyond it e^x is infinite for JSON
MOST_DECADES = 300  # of a floating-point number, either way, with room for a factor of conductivity


@dataclass(frozen=True)
class CellFit:
    """The line of another evaluation cell than the first, with the columns of an ArrheniusFit."""

    activation_energy_eV: float | None
    activation_energy_error_eV: float | None
    log10_prefactor_cm2_s: float | None
    n_points: int
    reason: str
    details: dict[str, Any]


@dataclass(frozen=True)
class OnLine:
    """A quantity on a fitted line: one standard error, and the 95 % interval, which is not symmetrical; None where the fit of an earlier
    release did not keep what they take."""

    name: str
    unit: str
    value: float
    error: float | None
    low: float | None
    high: float | None
    extrapolated: bool

    @property
    def is_known(self) -> bool:
        """False for an extrapolated number that is not worth printing."""
        return not self.extrapolated or self.low is None or is_known(self.low, self.high)


@dataclass(frozen=True)
class JudgedModel:
    """A model with its fit and its evaluation runs, by rising temperature."""

    model: TrainedModel
    fit: ArrheniusFit | CellFit
    runs: list[RunDiffusion]

    @property
    def name(self) -> str:
        return f"{self.model.loop}.{self.model.step}"

    @property
    def fitted_runs(self) -> list[RunDiffusion]:
        """Those that the line goes through: diffusive, and of the first evaluation cell."""
        numbers = {number for point in self.fit.details["points"] for number in point["run_ids"]}
        return [run for run in self.runs if run.md_run.number in numbers]


def judged_models(models: QuerySet[TrainedModel]) -> list[JudgedModel]:
    """Those of `models` that were judged, in the order of their training; two queries."""
    found = list(models.filter(arrhenius__isnull=False).select_related("arrhenius", "campaign").order_by("loop", "step", "repeat"))
    runs: dict[int, list[RunDiffusion]] = {}
    for run in (
        RunDiffusion.objects.filter(md_run__model__in=[model.pk for model in found])
        .select_related("md_run__cell")
        .order_by("md_run__temperature_K", "md_run__replica")
    ):
        runs.setdefault(run.md_run.model_id, []).append(run)
    return [JudgedModel(model, model.arrhenius, runs.get(model.pk, [])) for model in found]


def last_judged(campaigns: Iterable[Campaign]) -> dict[int, JudgedModel]:
    """The last judged model of each campaign, by the campaign's key."""
    chosen: dict[int, int] = {}
    rows = TrainedModel.objects.filter(campaign__in=list(campaigns), arrhenius__isnull=False).order_by("loop", "step", "repeat")
    for campaign_id, pk in rows.values_list("campaign_id", "pk"):
        chosen[campaign_id] = pk
    return {judged.model.campaign_id: judged for judged in judged_models(TrainedModel.objects.filter(pk__in=chosen.values()))}


def by_cell(judged: JudgedModel) -> list[JudgedModel]:
    """One for each evaluation cell, the first cell first: each has a line of its own."""
    others = []
    for one in judged.fit.details["other_cells"]:
        columns = {name: one.get(name) for name in CellFit.__dataclass_fields__}
        fit = CellFit(**(columns | {"details": {"points": [], "excluded": []} | (columns["details"] or {})}))
        points, excluded = fit.details["points"], fit.details["excluded"]
        numbers = {number for point in points for number in point["run_ids"]} | {run["run_id"] for run in excluded}
        others.append(JudgedModel(judged.model, fit, [run for run in judged.runs if run.md_run.number in numbers]))
    theirs = {run.pk for other in others for run in other.runs}
    return [JudgedModel(judged.model, judged.fit, [run for run in judged.runs if run.pk not in theirs]), *others]


def diffusivity_at(fit: ArrheniusFit | CellFit, temperature_K: float) -> tuple[float | None, float | None]:
    """D on the fitted line and its standard error, cm²/s; the error only where the fit kept its covariance of (ln D0, Ea).

    None where there is no line, where the temperature lies outside of points that bend, and where D is beyond what a number can hold:
    at 1 K it is below 1e-308 cm²/s for any Ea of a solid.
    """
    if fit.activation_energy_eV is None or fit.log10_prefactor_cm2_s is None or _is_off_a_bend(fit, temperature_K):
        return None, None
    inverse_kT = 1 / (BOLTZMANN_EV_K * temperature_K)
    exponent = fit.log10_prefactor_cm2_s - fit.activation_energy_eV * inverse_kT / math.log(10)
    if abs(exponent) > MOST_DECADES:
        return None, None
    value = 10.0**exponent
    covariance = fit.details.get("covariance")
    if covariance is None:
        return value, None
    gradient = np.array([1.0, -inverse_kT])
    return value, value * math.sqrt(max(float(gradient @ np.array(covariance, dtype=float) @ gradient), 0.0))


def bends(fit: ArrheniusFit | CellFit) -> bool:
    """Whether the judge extrapolates nothing from its points."""
    return bool(fit.details.get("D300_reason"))


def _is_off_a_bend(fit: ArrheniusFit | CellFit, temperature_K: float) -> bool:
    low_K, high_K = fit.details.get("temperature_range_K") or (0.0, math.inf)
    return bends(fit) and not low_K <= temperature_K <= high_K


def on_line(judged: JudgedModel, temperature_K: float) -> list[OnLine]:
    """D and the Nernst-Einstein conductivity on the fitted line at one temperature; empty where there is none."""
    value, error = diffusivity_at(judged.fit, temperature_K)
    if value is None:
        return []
    found = reading(judged)
    extrapolated = not found["low_K"] <= temperature_K <= found["high_K"]
    half = None if error is None else quantile_95(judged.fit.n_points, judged.fit.details.get("chi2_per_dof")) * error / value
    factor = None if half is None else np.exp(min(half, MOST_EXPONENT))
    interval = (None, None) if factor is None else (float(value / factor), float(value * factor))
    run = judged.fitted_runs[0]
    # N q²/(V k T): the cell is that of the run, only T differs.
    scale = run.details["conductivity_mS_cm_per_cm2_s"] * (run.kinetic_temperature_K or run.md_run.temperature_K) / temperature_K
    ours = (value, error, *interval)
    theirs = tuple(None if number is None else number * scale for number in ours)
    return [OnLine("D", "cm²/s", *ours, extrapolated), OnLine("conductivity", "mS/cm", *theirs, extrapolated)]


def at_room(fit: ArrheniusFit) -> list[OnLine]:
    """D and conductivity at 300 K as the judge has found them; empty where it extrapolates nothing."""
    more = fit.details
    if not more.get("D300_cm2_s"):
        return []
    columns = (("D", "cm²/s", "D300_cm2_s", "D300"), ("conductivity", "mS/cm", "conductivity300_mS_cm", "conductivity300"))
    return [
        OnLine(name, unit, more[value], None, more[f"{prefix}_low"], more[f"{prefix}_high"], more["D300_extrapolated"])
        for name, unit, value, prefix in columns
    ]


def reading(judged: JudgedModel) -> dict[str, Any]:
    """The sentence beside the Arrhenius plot."""
    used = judged.fitted_runs
    temperatures = [run.kinetic_temperature_K or run.md_run.temperature_K for run in used]
    return {
        "n_runs": len(judged.runs),
        "n_used": len(used),
        "low_K": min(temperatures, default=None),
        "high_K": max(temperatures, default=None),
    }


def run_rows(campaign: Campaign) -> list[dict[str, Any]]:
    """Every evaluation run of every judged model: D, its error and verdict, whether it entered the fit, and Ea of its model."""
    return [
        {
            "model": judged.name,
            "cell": " x ".join(map(str, run.md_run.cell.supercell)),
            "in_fit": run in judged.fitted_runs,
            "activation_energy_eV": judged.fit.activation_energy_eV,
            "activation_energy_error_eV": judged.fit.activation_energy_error_eV,
            **{name: getattr(run.md_run, name) for name in ("temperature_K", "replica", "duration_ps")},
            **{name: run.details.get(name) for name in ("conductivity_mS_cm", "conductivity_error_mS_cm", "haven_ratio")},
            **{name: getattr(run, name) for name in RUN_COLUMNS},
        }
        for judged in judged_models(campaign.trained_models.all())
        for run in judged.runs
    ]


RUN_COLUMNS = (
    *("kinetic_temperature_K", "kinetic_temperature_error_K", "diffusivity_cm2_s", "diffusivity_error_cm2_s", "verdict", "reason"),
)
