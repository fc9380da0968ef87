"""From the runs of a model to its Arrhenius line, and from the models of a loop to the decision whether D has become stationary."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from analysis.science import arrhenius as line
from analysis.science import stationarity as series
from campaigns.engines.job import to_json
from campaigns.engines.specs import ArrheniusResult, JudgeSpec, RunDiffusion, StationarityResult

ROOM_TEMPERATURE_K = 300.0
DIFFUSIVE = "diffusive"
DEX = 1 / math.log(10)


def arrhenius(runs: list[RunDiffusion]) -> ArrheniusResult:
    """The line through the runs judged diffusive; the others are listed with their reasons."""
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
    """Weighted by relative errors, which do not depend on whether D came out small."""
    logs = np.log([run.diffusivity_cm2_s for run in replicas])
    relative = np.array([run.diffusivity_error_cm2_s / run.diffusivity_cm2_s for run in replicas])
    weights = relative**-2.0 / np.sum(relative**-2.0)
    mean = float(weights @ logs)
    error = float(np.sum(relative**-2.0) ** -0.5)
    excess = 0.0
    if len(replicas) > 1:
        excess = series.excess_spread_dex(logs * DEX, relative * DEX) / DEX
    value = math.exp(mean)
    kinetic = np.array([run.kinetic_temperature_K or run.temperature_K for run in replicas])
    kinetic_errors = np.array([run.kinetic_temperature_error_K or 0.0 for run in replicas])
    return {
        "run_ids": [run.run_id for run in replicas],
        "target_temperature_K": replicas[0].temperature_K,
        "temperature_K": float(weights @ kinetic),
        "temperature_error_K": float(np.sqrt(np.sum((weights * kinetic_errors) ** 2))),
        "diffusivity_cm2_s": value,
        "error_cm2_s": value * math.hypot(error, excess / math.sqrt(len(replicas))),
        "replica_spread_dex": excess * DEX if len(replicas) > 1 else None,
    }


def _line_details(columns: line.Points, fitted: line.Line, used: list[RunDiffusion]) -> dict[str, Any]:
    cold = line.extrapolate(fitted, ROOM_TEMPERATURE_K)
    # N q^2/(V k T) at 300 K from that of any run: the cell is the same, only T differs.
    run = used[0]
    factor = run.details["conductivity_mS_cm_per_cm2_s"] * (run.kinetic_temperature_K or run.temperature_K) / ROOM_TEMPERATURE_K
    extrapolated = bool(columns.temperature_K.min() > ROOM_TEMPERATURE_K or columns.temperature_K.max() < ROOM_TEMPERATURE_K)
    return {
        "D300_cm2_s": cold.diffusivity_cm2_s,
        "D300_low": cold.low_cm2_s,
        "D300_high": cold.high_cm2_s,
        "conductivity300_mS_cm": factor * cold.diffusivity_cm2_s,
        "conductivity300_low": factor * cold.low_cm2_s,
        "conductivity300_high": factor * cold.high_cm2_s,
        "D300_extrapolated": extrapolated,
        "jackknife_max_change_eV": line.jackknife_max_change_eV(columns),
        "robust_activation_energy_eV": line.robust_activation_energy_eV(columns),
        "curvature_sigma": line.curvature_sigma(columns),
        "chi2_per_dof": fitted.chi2_per_dof,
        "covariance": fitted.covariance.tolist(),
        "temperature_range_K": [float(columns.temperature_K.min()), float(columns.temperature_K.max())],
    }


def stationarity(runs: list[RunDiffusion], fit: ArrheniusResult, spec: JudgeSpec) -> StationarityResult:
    """Compare this model with the earlier ones of its loop, at every temperature that at least two of them share."""
    steps, found = _loop(runs, fit, spec)
    candidates = [one for one in (_series_on_lines(steps, found), *_series_at_temperatures(steps, found)) if one is not None]
    if not candidates:
        decision = series.decide(series.Series(np.zeros(0), np.zeros(0), np.zeros(0), ""), spec.stationary_spread_dex)
        with_d = sum(bool(points) for points, _ in found)
        reason = decision.reason if with_d < 2 else f"{with_d} models have a D, but at no common temperature: nothing can be compared."
        if with_d == 1:
            reason = "Only one model has a D to compare: train further."
        return StationarityResult("undecided", reason, None, {"series": [], "n_models": with_d})
    decisions = [series.decide(one, spec.stationary_spread_dex) for one in candidates]
    worst = min(range(len(decisions)), key=lambda index: (_ORDER[decisions[index].decision], -len(candidates[index].steps), index))
    chosen = decisions[worst]
    listed = [to_json({"where": one.where, "steps": one.steps.tolist(), "log10_D": one.log10_diffusivity.tolist(),
                       "error_dex": one.error_dex.tolist(), **vars(decision)})
              for one, decision in zip(candidates, decisions, strict=True)]  # fmt: skip
    return StationarityResult(
        chosen.decision, chosen.reason, chosen.spread_dex, {"series": listed, "n_models": len(candidates[worst].steps)}
    )


_ORDER = {"moving": 0, "undecided": 1, "stationary": 2}

Model = tuple[dict[float, tuple[float, float]], dict[str, Any] | None]  # log10 D and error at each target temperature; the line


def _loop(runs: list[RunDiffusion], fit: ArrheniusResult, spec: JudgeSpec) -> tuple[list[int], list[Model]]:
    """Training steps and models, oldest first, this one last."""
    earlier = [one for one in spec.earlier if one.loop == spec.loop]
    models: list[Model] = [(_at_targets(one.runs), one.arrhenius) for one in earlier]
    models.append((_at_targets([to_json(run) for run in runs]), to_json(fit)))
    return [one.step for one in earlier] + [spec.step], models


def _at_targets(runs: Iterable[dict[str, Any]]) -> dict[float, tuple[float, float]]:
    """log10 D with its error at each target temperature, replicas averaged, from the diffusive runs of a model."""
    usable = [run for run in (RunDiffusion(**run) for run in runs) if _usable(run)]
    return {
        point["target_temperature_K"]: (math.log10(point["diffusivity_cm2_s"]), DEX * point["error_cm2_s"] / point["diffusivity_cm2_s"])
        for point in _points(usable)
    }


def _series_on_lines(steps: list[int], models: list[Model]) -> series.Series | None:
    """log10 D on the models' lines at the middle of their common range in 1/T, where D and Ea are nearly uncorrelated."""
    fitted = [(step, fit) for step, (_, fit) in zip(steps, models, strict=True)
              if fit is not None and fit["activation_energy_eV"] is not None and fit["details"].get("covariance")]  # fmt: skip
    if len(fitted) < 2:
        return None
    ranges = np.array([fit["details"]["temperature_range_K"] for _, fit in fitted])
    temperature_K = 2 / float(np.mean(1 / ranges[:, 0]) + np.mean(1 / ranges[:, 1]))
    gradient = np.array([1.0, -1.0 / (line.BOLTZMANN_EV_K * temperature_K)])
    values = [fit["log10_prefactor_cm2_s"] + DEX * gradient[1] * fit["activation_energy_eV"] for _, fit in fitted]
    errors = [DEX * math.sqrt(gradient @ np.array(fit["details"]["covariance"]) @ gradient) for _, fit in fitted]
    return series.Series(np.array([step for step, _ in fitted], dtype=float), np.array(values), np.array(errors), f"{temperature_K:.0f} K")


def _series_at_temperatures(steps: list[int], models: list[Model]) -> list[series.Series]:
    """One series for each target temperature at which this model and at least one earlier one have a D."""
    found = []
    for temperature_K in sorted(models[-1][0]):
        rows = [(step, *points[temperature_K]) for step, (points, _) in zip(steps, models, strict=True) if temperature_K in points]
        if len(rows) > 1:
            columns = np.array(rows, dtype=float).T
            found.append(series.Series(*columns, f"{temperature_K:g} K"))
    return found
