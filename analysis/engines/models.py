"""From the runs of a model to its Arrhenius line, and from the models of a loop to the decision whether D has become stationary."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.science import arrhenius as line
from analysis.science import stationarity as series
from campaigns.engines.job import to_json
from campaigns.engines.judge_specs import ArrheniusResult, JudgeSpec, RunDiffusion, StationarityResult

Floats = NDArray[np.floating]

ROOM_TEMPERATURE_K = 300.0
DIFFUSIVE = "diffusive"
DEX = 1 / math.log(10)
TYPICAL_ENERGY_EV, TYPICAL_ENERGY_ERROR_EV = 0.3, 0.1  # of a solid electrolyte, where no line gives one


def arrhenius(runs: list[RunDiffusion]) -> ArrheniusResult:
    """The line of the first evaluation cell; cells of another size or volume have another D, and lines of their own in `other_cells`."""
    first, *others = _by_cell(runs) or [[]]
    found = _line_of(first)
    found.details["other_cells"] = [_other_cell(cell, found) for cell in others]
    return found


def _by_cell(runs: list[RunDiffusion]) -> list[list[RunDiffusion]]:
    cells: dict[int, list[RunDiffusion]] = defaultdict(list)
    for run in runs:
        cells[run.details.get("cell_id", 0)].append(run)
    return list(cells.values())


def _other_cell(runs: list[RunDiffusion], first: ArrheniusResult) -> dict[str, Any]:
    """Ea of another cell, and how many errors it is away from the first cell's: runs in different cells are independent."""
    found, apart = _line_of(runs), None
    if found.activation_energy_eV is not None and first.activation_energy_eV is not None:
        error_eV = math.hypot(found.activation_energy_error_eV, first.activation_energy_error_eV)
        apart = (found.activation_energy_eV - first.activation_energy_eV) / error_eV
    return {"cell": runs[0].details["cell"], "cell_id": runs[0].details["cell_id"], "apart_sigma": apart} | to_json(found)


def _line_of(runs: list[RunDiffusion]) -> ArrheniusResult:
    """The line through the runs of one cell that were judged diffusive; the others are listed with their reasons."""
    used = [run for run in runs if _usable(run)]
    excluded = [{"run_id": run.run_id, "temperature_K": run.temperature_K, "verdict": run.verdict, "reason": _why_not(run)}
                for run in runs if not _usable(run)]  # fmt: skip
    points = _points(used)
    details: dict[str, Any] = {"points": points, "excluded": excluded}
    try:
        columns = line.Points(*(np.array([point[name] for point in points], dtype=float) for name in (
            "temperature_K", "temperature_error_K", "diffusivity_cm2_s", "error_cm2_s")))  # fmt: skip
        fitted = line.fit(columns)
    except line.NoLine as error:
        return ArrheniusResult(None, None, None, len(points), _no_line(len(used), len(runs), str(error)), details)
    details |= _line_details(columns, fitted, used)
    caveats = line.caveats(columns, fitted)
    reason = f"Beware: {'; '.join(caveats)}." if caveats else ""
    return ArrheniusResult(
        fitted.activation_energy_eV, fitted.activation_energy_error_eV, fitted.log10_prefactor, len(points), reason, details
    )


def _usable(run: RunDiffusion) -> bool:
    return run.verdict == DIFFUSIVE and _positive(run.diffusivity_cm2_s) and _positive(run.diffusivity_error_cm2_s)


def _positive(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def _why_not(run: RunDiffusion) -> str:
    return run.reason if run.verdict != DIFFUSIVE else "D or its error is not a positive number."


def _no_line(n_used: int, n_runs: int, why: str) -> str:
    return f"No line: {n_used} of {n_runs} runs are diffusive, which gives {why}."


def _points(used: list[RunDiffusion]) -> list[dict[str, Any]]:
    """One point per target temperature. Replicas are averaged; the larger of their own errors and their spread counts."""
    groups: dict[float, list[RunDiffusion]] = defaultdict(list)
    for run in used:
        groups[run.temperature_K].append(run)
    return [_point(groups[temperature_K]) for temperature_K in sorted(groups)]


def _point(replicas: list[RunDiffusion]) -> dict[str, Any]:
    """Weighted by relative errors, which do not depend on whether D came out small; at the replicas' mean temperature."""
    relative = np.array([run.diffusivity_error_cm2_s / run.diffusivity_cm2_s for run in replicas])
    weights = relative**-2.0 / np.sum(relative**-2.0)
    error = float(np.sum(relative**-2.0) ** -0.5)
    kinetic = np.array([run.kinetic_temperature_K or run.temperature_K for run in replicas])
    kinetic_errors = np.array([run.kinetic_temperature_error_K or 0.0 for run in replicas])
    common_K = float(weights @ kinetic)
    # Replicas differ in temperature too, by up to some ten kelvin, which is no spread of D.
    shift, shift_errors = _moved(kinetic, kinetic_errors, common_K)
    logs = np.log([run.diffusivity_cm2_s for run in replicas]) + shift
    excess = series.excess_spread(logs * DEX, np.hypot(relative, shift_errors) * DEX) / DEX if len(replicas) > 1 else 0.0
    value = math.exp(float(weights @ logs))
    return {
        "run_ids": [run.run_id for run in replicas],
        "target_temperature_K": replicas[0].temperature_K,
        "temperature_K": common_K,
        "temperature_error_K": float(np.sqrt(np.sum((weights * kinetic_errors) ** 2))),
        "diffusivity_cm2_s": value,
        "error_cm2_s": value * math.hypot(error, excess / math.sqrt(len(replicas))),
        "replica_spread_dex": excess * DEX if len(replicas) > 1 else None,
    }


def _moved(temperature_K: Floats, error_K: Floats, target_K: float) -> tuple[Floats, Floats]:
    """What ln D gains from its temperature to `target_K`, and the error of that, with a typical activation energy."""
    missed = (1 / temperature_K - 1 / target_K) / line.BOLTZMANN_EV_K  # 1/eV
    thermal = TYPICAL_ENERGY_EV * error_K / (line.BOLTZMANN_EV_K * temperature_K**2)
    return TYPICAL_ENERGY_EV * missed, np.hypot(TYPICAL_ENERGY_ERROR_EV * missed, thermal)


def _line_details(columns: line.Points, fitted: line.Line, used: list[RunDiffusion]) -> dict[str, Any]:
    cold = line.extrapolate(fitted, ROOM_TEMPERATURE_K)
    # N q^2/(V k T) at 300 K from that of any run: the cell is the same, only T differs.
    run = used[0]
    factor = run.details["conductivity_mS_cm_per_cm2_s"] * (run.kinetic_temperature_K or run.temperature_K) / ROOM_TEMPERATURE_K
    extrapolated = bool(columns.temperature_K.min() > ROOM_TEMPERATURE_K or columns.temperature_K.max() < ROOM_TEMPERATURE_K)
    refused = extrapolated and line.bends(columns)
    room = {
        "D300_cm2_s": cold.diffusivity_cm2_s,
        "D300_low": cold.low_cm2_s,
        "D300_high": cold.high_cm2_s,
        "conductivity300_mS_cm": factor * cold.diffusivity_cm2_s,
        "conductivity300_low": factor * cold.low_cm2_s,
        "conductivity300_high": factor * cold.high_cm2_s,
    }
    return (dict.fromkeys(room) if refused else room) | {
        "D300_reason": "the points bend, so nothing is extrapolated from them" if refused else "",
        "D300_extrapolated": extrapolated,
        "jackknife_max_change_eV": line.jackknife_max_change_eV(columns),
        "robust_activation_energy_eV": line.robust_activation_energy_eV(columns),
        "curvature_sigma": line.curvature_sigma(columns),
        "chi2_per_dof": fitted.chi2_per_dof,
        "outlier": None if (stray := line.outlier(columns)) is None else stray.document(),
        "covariance": fitted.covariance.tolist(),
        "temperature_range_K": [float(columns.temperature_K.min()), float(columns.temperature_K.max())],
    }


def stationarity(runs: list[RunDiffusion], fit: ArrheniusResult, spec: JudgeSpec) -> StationarityResult:
    """Compare this model with the earlier ones of its loop: on the lines where they have one, else at the temperatures they share.

    One series is tested, not one for each temperature: of many tests some fail by chance.
    """
    steps, found = _loop(runs, fit, spec)
    with_d = sum(bool(points) for points, _ in found)
    lines, shared = _series_on_lines(steps, found), _series_at_temperatures(steps, found)
    chosen = max((one for one in (lines, shared) if one is not None), key=lambda one: len(one.steps), default=None)
    if chosen is None:
        why = (
            "This model has no D that can be compared"
            if not found[-1][0]
            else "There is no earlier model with a D at the same temperatures"
        )
        return StationarityResult("undecided", f"{why}; {with_d} of {len(found)} models of the loop have one.", None, {"n_models": with_d})
    limits = series.Limits(spread_dex=spec.stationary_spread_dex)
    decision = series.decide(chosen, None if lines is None else _energies(steps, found), limits)
    details = {
        "where": chosen.where,
        "steps": chosen.steps.tolist(),
        "log10_D": chosen.values.tolist(),
        "error_dex": chosen.errors.tolist(),
        "n_models": len(chosen.steps),
        "diffusivity": to_json(decision.diffusivity),
        "activation_energy": to_json(decision.energy),
        "limits": to_json(limits),
    }
    spread = None if decision.diffusivity is None else decision.diffusivity.spread
    return StationarityResult(decision.decision, decision.reason, spread, details)


Model = tuple[dict[float, tuple[float, float]], dict[str, Any] | None]  # log10 D and error at each target temperature; the line


def _loop(runs: list[RunDiffusion], fit: ArrheniusResult, spec: JudgeSpec) -> tuple[list[int], list[Model]]:
    """Training steps and models, oldest first, this one last."""
    earlier = [one for one in spec.earlier if one.loop == spec.loop]
    models: list[Model] = [(_at_targets(one.runs), one.arrhenius) for one in earlier]
    models.append((_at_targets([to_json(run) for run in runs]), to_json(fit)))
    return [one.step for one in earlier] + [spec.step], models


def _at_targets(runs: Iterable[dict[str, Any]]) -> dict[float, tuple[float, float]]:
    """log10 D with its error at each target temperature, replicas averaged, from the diffusive runs of a model in its first cell.

    The kinetic temperature misses the target by up to some ten kelvin: D is moved to the target with a typical activation energy.
    """
    first = next(iter(_by_cell([RunDiffusion(**run) for run in runs])), [])
    usable = [run for run in first if _usable(run)]
    found = {}
    for point in _points(usable):
        target_K = point["target_temperature_K"]
        shift, shift_error = _moved(np.array(point["temperature_K"]), np.array(point["temperature_error_K"]), target_K)
        error = math.hypot(point["error_cm2_s"] / point["diffusivity_cm2_s"], shift_error)
        found[target_K] = (DEX * (math.log(point["diffusivity_cm2_s"]) + float(shift)), DEX * error)
    return found


def _fitted(steps: list[int], models: list[Model]) -> list[tuple[int, dict[str, Any]]]:
    """Models that have a line, if this one is among them."""
    fitted = [(step, fit) for step, (_, fit) in zip(steps, models, strict=True)
              if fit is not None and fit["activation_energy_eV"] is not None and fit["details"].get("covariance")]  # fmt: skip
    return fitted if len(fitted) >= 2 and fitted[-1][0] == steps[-1] else []


def _energies(steps: list[int], models: list[Model]) -> series.Series:
    fitted = _fitted(steps, models)
    return series.Series(np.array([step for step, _ in fitted], dtype=float), np.array([fit["activation_energy_eV"] for _, fit in fitted]),
                         np.array([fit["activation_energy_error_eV"] for _, fit in fitted]), "")  # fmt: skip


def _series_on_lines(steps: list[int], models: list[Model]) -> series.Series | None:
    """log10 D on the models' lines at the middle of their common range in 1/T, where D and Ea are nearly uncorrelated."""
    fitted = _fitted(steps, models)
    if not fitted:
        return None
    ranges = np.array([fit["details"]["temperature_range_K"] for _, fit in fitted])
    temperature_K = 2 / float(np.mean(1 / ranges[:, 0]) + np.mean(1 / ranges[:, 1]))
    gradient = np.array([1.0, -1.0 / (line.BOLTZMANN_EV_K * temperature_K)])
    values = [fit["log10_prefactor_cm2_s"] + DEX * gradient[1] * fit["activation_energy_eV"] for _, fit in fitted]
    errors = [DEX * math.sqrt(gradient @ np.array(fit["details"]["covariance"]) @ gradient) for _, fit in fitted]
    return series.Series(np.array([step for step, _ in fitted], dtype=float), np.array(values), np.array(errors), f"{temperature_K:.0f} K",
                         ", where these lines are known best,")  # fmt: skip


def _series_at_temperatures(steps: list[int], models: list[Model]) -> series.Series | None:
    """Mean log10 D over the temperatures that this model shares with the earlier ones; the oldest give way where none is common to all."""
    rows = [(step, points) for step, (points, _) in zip(steps, models, strict=True) if set(points) & set(models[-1][0])]
    while len(rows) > 1:
        common = sorted(set.intersection(*(set(points) for _, points in rows)))
        if common:
            values = np.array([[points[T] for T in common] for _, points in rows])
            errors = np.sqrt(np.square(values[:, :, 1]).sum(axis=1)) / len(common)
            where = ", ".join(f"{T:g}" for T in common) + " K"
            return series.Series(np.array([step for step, _ in rows], dtype=float), values[:, :, 0].mean(axis=1), errors, where)
        rows = rows[1:]
    return None
