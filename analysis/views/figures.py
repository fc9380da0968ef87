"""Rows and files in the shape that the plots take. Imported only where a plot is drawn: it brings Bokeh."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis import queries
from analysis.models import ArrheniusFit
from analysis.plots.arrhenius import SMALLEST_SHARE, ArrheniusSeries
from analysis.plots.bars import OURS, Bar
from analysis.plots.learning import COLUMNS
from analysis.plots.msd import MsdCurve, MsdFit
from analysis.plots.series import StepSeries
from analysis.plots.structure import Curve
from analysis.plots.theme import LIGHT_PALETTE, MARKERS
from analysis.plots.training_set import TrainingSetPoints
from analysis.references import Reference
from analysis.science import summary
from analysis.science.diffusion import CM2_S_PER_A2_PS
from analysis.services.comparison import Compared
from campaigns.enums import CleaningRule, Verdict
from campaigns.models import Campaign, MdRun

MS_PER_S = 1000
TABLE_ROWS = 25  # of a curve's numbers beside its plot
PUBLISHED_COLOUR = len(LIGHT_PALETTE) - 1  # grey; campaigns have those before it


def arrhenius_series(
    judged: queries.JudgedModel,
    label: str,
    *,
    shade: float | None = None,
    marker: int = 0,
    colour: int | None = None,
    with_band: bool = False,
) -> ArrheniusSeries:
    drawn = [run for run in judged.runs if run.diffusivity_cm2_s and run.diffusivity_cm2_s > 0]
    fitted = {run.pk for run in judged.fitted_runs}
    return ArrheniusSeries(
        label,
        [run.kinetic_temperature_K or run.md_run.temperature_K for run in drawn],
        [run.diffusivity_cm2_s for run in drawn],
        [run.diffusivity_error_cm2_s or 0.0 for run in drawn],
        [run.verdict.replace("_", " ") for run in drawn],
        [run.pk in fitted for run in drawn],
        judged.fit.log10_prefactor_cm2_s,
        judged.fit.activation_energy_eV,
        shade,
        marker,
        colour,
        judged.fit.details.get("covariance") if with_band else None,
        judged.fit.activation_energy_error_eV,
        is_extended=not queries.bends(judged.fit),
    )


def as_far_as_known(one: ArrheniusSeries, row: Compared) -> ArrheniusSeries:
    """Its line is drawn on to the chosen temperature only where the table has a number for it."""
    return one if row.diffusivity is not None and row.diffusivity.is_known else replace(one, is_extended=False)


def places(campaigns: list[int]) -> list[int]:
    """Of the line of each campaign (by its id) in the palette and among the markers, in whatever order they were chosen.

    The id decides; where two would have one colour, the later campaign takes the next that is free, and so does a second line of one.
    """
    found, taken = [0] * len(campaigns), set[int]()
    for index in sorted(range(len(campaigns)), key=lambda index: campaigns[index]):
        place = campaigns[index]
        while place % PUBLISHED_COLOUR in taken and len(taken) < PUBLISHED_COLOUR:
            place += 1
        taken.add(place % PUBLISHED_COLOUR)
        found[index] = place
    return found


def as_sigma_T(one: ArrheniusSeries, judged: queries.JudgedModel) -> ArrheniusSeries:
    """Nernst-Einstein σT (S K/cm) instead of D: N q²/(V k) times it, of the same slope."""
    run = next((run for run in judged.runs if run.details.get("conductivity_mS_cm_per_cm2_s")), None)
    if run is None:
        return replace(one, temperature_K=[], diffusivity_cm2_s=[], error_cm2_s=[], verdict=[], in_fit=[])
    factor = run.details["conductivity_mS_cm_per_cm2_s"] * (run.kinetic_temperature_K or run.md_run.temperature_K) / MS_PER_S
    return replace(
        one,
        diffusivity_cm2_s=[factor * value for value in one.diffusivity_cm2_s],
        error_cm2_s=[factor * error for error in one.error_cm2_s],
        log10_prefactor_cm2_s=None if one.log10_prefactor_cm2_s is None else one.log10_prefactor_cm2_s + math.log10(factor),
    )


def of_references(found: list[Reference], quantity: str) -> list[ArrheniusSeries]:
    """Published D, or conductivities as σT (S K/cm), a series for each source; grey and hollow, because they are not ours."""
    sources: dict[tuple[str, str], list[Reference]] = {}
    for one in found:
        if one.quantity == quantity and one.temperature_K:
            sources.setdefault((one.material, one.citation), []).append(one)

    def drawn(one: Reference, value: float) -> float:
        return value if quantity == "diffusivity" else value * one.temperature_K / MS_PER_S

    return [
        ArrheniusSeries(
            f"{citation}, {material}"[:40],
            [one.temperature_K for one in rows],
            [drawn(one, one.middle) for one in rows],
            [drawn(one, one.half_width) for one in rows],
            [f"published: {one.method}" for one in rows],
            [False] * len(rows),
            marker=len(MARKERS) - 1 - index,
            colour=PUBLISHED_COLOUR,
            is_ours=False,
        )
        for index, ((material, citation), rows) in enumerate(sources.items())
    ]


def energy_bars(rows: list[Compared], published: list[Reference]) -> list[Bar]:
    """Ea of every line with one standard error, then the published ones; empty where none is ours."""
    ours = [
        Bar(row.label, energy_eV, max(energy_eV - error_eV, 0.0), energy_eV + error_eV, OURS)
        for row in rows
        if (energy_eV := row.activation_energy_eV) is not None
        for error_eV in [row.fit.activation_energy_error_eV or 0.0]
    ]
    return ours + [_published_bar(one) for one in published if one.quantity == "activation_energy"] if ours else []


NEAR_K = 10.0  # published values within so much of the chosen temperature stand beside ours


def quantity_bars(rows: list[Compared], published: list[Reference], quantity: str, temperature_K: float) -> list[Bar]:
    """`diffusivity` or `conductivity` with the 95 % interval, as far as it is known; then the published ones at that temperature."""
    found = [(row.label, getattr(row, quantity)) for row in rows]
    ours = [
        Bar(label, one.value, one.low or one.value, one.high or one.value, OURS, one.extrapolated)
        for label, one in found
        if one is not None and one.is_known
    ]
    near = [one for one in published if one.quantity == quantity and one.temperature_K and abs(one.temperature_K - temperature_K) <= NEAR_K]
    return ours + [_published_bar(one) for one in near] if ours else []


def _published_bar(one: Reference) -> Bar:
    definition = ", from ln σ" if one.definition == "ln sigma" else ""
    low, high = max(one.middle - one.half_width, SMALLEST_SHARE * one.middle), one.middle + one.half_width
    return Bar(f"{one.citation}, {one.kind}{definition}", one.middle, low, high, f"{one.material}: {one.method}")


def by_training_step(found: list[queries.JudgedModel]) -> list[ArrheniusSeries]:
    """One series for each model, from the first (light) to the last (dark); loops differ in their marker."""
    loops = sorted({judged.model.loop for judged in found})
    last = max(len(found) - 1, 1)
    return [
        arrhenius_series(
            judged, f"step {judged.name}", shade=1.0 if len(found) == 1 else index / last, marker=loops.index(judged.model.loop)
        )
        for index, judged in enumerate(found)
    ]


def step_series(found: list[queries.JudgedModel], quantity: str, temperature_K: float = 0.0) -> list[StepSeries]:
    """`quantity` is `activation_energy` (eV) or `diffusivity` (cm²/s, on the line at `temperature_K`), one series for each loop."""
    n_steps = max((len(judged.model.campaign.settings.ramp_temperatures_K) for judged in found[:1]), default=1)
    loops: dict[int, list[tuple[queries.JudgedModel, float, float]]] = {}
    for judged in found:
        if quantity == "activation_energy":
            value, error = judged.fit.activation_energy_eV, judged.fit.activation_energy_error_eV
        else:
            value, error = queries.diffusivity_at(judged.fit, temperature_K)
        if value is not None:
            loops.setdefault(judged.model.loop, []).append((judged, value, error or 0.0))
    return [
        StepSeries(
            f"loop {loop}",
            [(judged.model.loop - 1) * n_steps + judged.model.step for judged, _, _ in rows],
            [judged.name for judged, _, _ in rows],
            [value for _, value, _ in rows],
            [error for _, _, error in rows],
        )
        for loop, rows in loops.items()
    ]


def error_series(campaign: Campaign) -> list[StepSeries]:
    """The force error of every model on the snapshots of its own step (eV/Å), one series for each loop."""
    n_steps = len(campaign.settings.ramp_temperatures_K)
    rows = campaign.trained_models.filter(new_force_rmse_eV_A__isnull=False).values_list("loop", "step", "new_force_rmse_eV_A")
    loops: dict[int, dict[int, float]] = {}
    for loop, step, error in rows:  # of a step that was repeated the last
        loops.setdefault(loop, {})[step] = error
    return [
        StepSeries(
            f"loop {loop}",
            [(loop - 1) * n_steps + step for step in found],
            [f"{loop}.{step}" for step in found],
            list(found.values()),
            [0.0] * len(found),
        )
        for loop, found in loops.items()
    ]


def msd_curves(run: MdRun) -> list[MsdCurve]:
    """MSD of every species of a run, the mobile ion first; empty where the run gave none."""
    fit = ArrheniusFit.objects.select_related("msd").filter(model=run.model_id).first()
    if fit is None or not fit.msd.file.exists():
        return []
    prefix = f"msd_A2_{run.number}_"
    with np.load(fit.msd.file, allow_pickle=False) as archive:
        species = [name.removeprefix(prefix) for name in archive.files if name.startswith(prefix)]
        species.sort(key=lambda name: (name != run.campaign.mobile_ion, name))
        return [
            MsdCurve(name, archive[f"t_ps_{run.number}"], archive[prefix + name], archive[f"msd_error_A2_{run.number}_{name}"])
            for name in species
        ]


# What a page of one run can show of its structure: title of the axis, and the level where nothing is correlated.
STRUCTURE = {
    "rdf": ("g(r)", 1.0),
    "van-hove-self": ("4πr² Gs(r, t) (Å⁻¹)", None),
    "van-hove-distinct": ("Gd(r, t)/ρ", 1.0),
}


def structure_curves(path: Path, run_id: int, kind: str, mobile_ion: str) -> list[Curve]:
    """RDFs by pair, those of the mobile ion first, or the van Hove functions by time; empty where the file does not hold them."""
    with np.load(path, allow_pickle=False) as archive:
        if f"rdf_r_A_{run_id}" not in archive.files:
            return []
        r_A = archive[f"rdf_r_A_{run_id}"]
        if kind == "rdf":
            prefix = f"rdf_{run_id}_"
            pairs = [name.removeprefix(prefix) for name in archive.files if name.startswith(prefix)]
            pairs.sort(key=lambda pair: (mobile_ion not in pair.split("-"), pair))
            return [Curve(pair, r_A, archive[prefix + pair]) for pair in pairs]
        values = archive[f"{kind.replace('-', '_')}_{run_id}"]
        return [Curve(f"{t_ps:.3g} ps", r_A, row) for t_ps, row in zip(archive[f"van_hove_t_ps_{run_id}"], values, strict=True)]


def msd_fit(details: dict[str, Any]) -> MsdFit | None:
    """The line that D was taken from, of a judged run's details; None where there is none."""
    window_ps = details.get("fit_window_ps")
    diffusivity_cm2_s = details.get("ols_cm2_s" if details.get("method") == "OLS" else "gls_cm2_s")
    return MsdFit(tuple(window_ps), None if diffusivity_cm2_s is None else 6 * diffusivity_cm2_s / CM2_S_PER_A2_PS) if window_ps else None


def said_of_msd(curves: list[MsdCurve]) -> str:
    return summary.of_msd(curves[0].t_ps, {curve.species: curve.msd_A2 for curve in curves})


def said_of_lines(series: list[ArrheniusSeries]) -> str:
    return summary.of_lines(
        [(one.label, one.activation_energy_eV, one.activation_energy_error_eV) for one in series if one.is_ours],
        sum(len(one.temperature_K) for one in series),
    )


def said_of_steps(series: list[StepSeries], unit: str) -> str:
    return summary.of_steps([name for one in series for name in one.name], [value for one in series for value in one.value], unit)


def said_of_learning(curve: Mapping[str, np.ndarray]) -> str:
    last = []
    for name, title in COLUMNS.items():
        if name in curve:
            quantity, _, unit = title.partition(" (")
            last.append(f"{quantity} {curve[name][-1]:.2g} {unit.rstrip(')')}")
    return f"After {curve['step'][-1]:.0f} batches: {', '.join(last)}."


def table_of_msd(curves: list[MsdCurve]) -> dict[str, Any]:
    columns = {f"{curve.species} (Å²)": curve.msd_A2 for curve in curves}
    return _table("t (ps)", curves[0].t_ps, columns)


def table_of_curves(curves: list[Curve]) -> dict[str, Any]:
    return _table("r (Å)", curves[0].r_A, {curve.label: curve.values for curve in curves})


def _table(title: str, places: np.ndarray, columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """At most TABLE_ROWS of the numbers that are drawn, as words."""
    rows = np.unique(np.linspace(0, len(places) - 1, min(TABLE_ROWS, len(places))).astype(int))
    table = np.column_stack([places, *columns.values()])[rows]
    return {"columns": [title, *columns], "rows": [[f"{number:.4g}" for number in row] for row in table]}


def said_of_structure(kind: str, curves: list[Curve]) -> str:
    """`kind` is one of STRUCTURE."""
    say = {"rdf": summary.of_rdf, "van-hove-self": summary.of_self, "van-hove-distinct": summary.of_distinct}[kind]
    return say(curves[0].r_A, {curve.label: curve.values for curve in curves})


def density_of(path: Path, run_id: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Projections (3, n, n) and the cell (3, 3), if the file holds them."""
    with np.load(path, allow_pickle=False) as archive:
        if f"density_{run_id}" not in archive.files:
            return None
        return archive[f"density_{run_id}"], archive[f"density_cell_A_{run_id}"]


# What the training-set plot can show: the column, and the rule whose interval belongs to it.
QUANTITIES = {"energy": ("energy_eV_atom", CleaningRule.ENERGY), "force": ("max_force_eV_A", CleaningRule.FORCE)}


def training_set_points(campaign: Campaign, quantity: str) -> TrainingSetPoints:
    column, rule = QUANTITIES[quantity]
    rows = list(
        campaign.frames.exclude(verdict=Verdict.UNLABELLED)
        .order_by("id")
        .values_list(column, "verdict", "loop", "step", "rule", "composition", "lower", "upper")
    )
    intervals: dict[str, tuple[float, float]] = {}
    for _, _, _, _, decided_by, composition, lower, upper in rows:
        # A kept configuration carries the interval of the energy test.
        if lower is not None and (decided_by == rule or (not decided_by and rule == CleaningRule.ENERGY)):
            intervals[composition if rule == CleaningRule.ENERGY else ""] = (lower, upper)
    if not intervals and rule == CleaningRule.FORCE:
        intervals = _force_interval(campaign)
    values = np.array([row[0] if row[0] is not None else np.nan for row in rows], dtype=float)
    places = np.array([f"{row[2]}.{row[3]}" for row in rows], dtype=str)
    return TrainingSetPoints(
        np.arange(1, len(rows) + 1), values, np.array([row[1] for row in rows], dtype=str), places, list(intervals.values())
    )


def _force_interval(campaign: Campaign) -> dict[str, tuple[float, float]]:
    """From the last training set: no configuration was rejected by its force, so none carries the interval."""
    last = campaign.training_sets.last()
    if last is None:
        return {}
    half_width = campaign.settings.clean_force_factor * last.force_iqr_eV_A
    return {"": (max(last.force_median_eV_A - half_width, 0.0), last.force_median_eV_A + half_width)}
