"""Results of an analysis in words, for a terminal."""

import math
from typing import Any

from analysis.engines.trajectory import TrajectoryResult
from campaigns.science.plain_numbers import plain


def trajectory_text(found: TrajectoryResult, mobile_ion: str) -> str:
    """D, conductivity and verdict of one run."""
    run, more = found.run, found.run.details
    value, error = run.diffusivity_cm2_s, run.diffusivity_error_cm2_s
    lines = [
        f"{found.n_mobile} {mobile_ion} among {found.n_atoms} atoms, {found.n_frames} frames, {found.duration_ps:.4g} ps at "
        f"{run.temperature_K:g} K",
        f"Verdict       {run.verdict.replace('_', ' ')}: {run.reason}",
    ]
    if "fit_window_ps" in more:
        begin, end = more["fit_window_ps"]
        lines += [
            f"D             {with_limit(value, error, more.get('diffusivity_below_cm2_s'), 'cm²/s')} ({more['method']}, fit from "
            f"{plain(begin, 3)} to {plain(end, 3)} ps)",
            f"D, collective {with_error(more['charge_diffusivity_cm2_s'], more['charge_diffusivity_error_cm2_s'], 'cm²/s')}",
            f"Haven ratio   {with_error(more['haven_ratio'], more['haven_ratio_error'])}",
            f"Conductivity  {_conductivity(more)} (Nernst-Einstein, from D, for a charge of {more['charge_e']:g} e)",
            f"Hops seen     {more['n_eff']:.0f} (of {more['hop_length_A']:g} Å)",
            f"D after He    {_after_he(more)} (He, Zhu, Mo 2018, to compare)",
            f"Slope         {more['loglog_slope']:.2f} (of log MSD against log t; 1 is diffusive)",
            f"Exponent      {with_error(more['exponent'], more['exponent_error'])} (of the growth of the MSD; 1 is diffusive)",
            f"Late/early    {more['late_over_early']:.2f} (motion in the second half of the run over the first; 1 is steady)",
            f"Non-Gaussian  {more['non_gaussian']:.2f} (alpha2 at the start of the fit; 0 is Gaussian)",
        ]
        if length_ps := more.get("length_for_20_percent_error_ps"):
            lines.append(f"Error of 20 %  needs about {plain(length_ps)} ps (it falls as one over the square root of the length)")
    lines += [f"Note          {flag}" for flag in more["flags"]]
    return "\n".join(lines)


def arrhenius_text(found: dict[str, Any]) -> str:
    """Ea and what is extrapolated from the line, or why there is none."""
    lines = [f"{point['temperature_K']:>8.1f} K  {with_error(point['diffusivity_cm2_s'], point['diffusivity_error_cm2_s'], 'cm²/s')}"
             for point in found["points"]]  # fmt: skip
    if found["activation_energy_eV"] is None:
        return "\n".join([*lines, f"No activation energy: {found['reason']}"])
    energy, error = found["activation_energy_eV"], found["activation_energy_error_eV"]
    lines += [
        f"Ea            {energy:.4f} ± {error:.4f} eV from {len(found['points'])} points (chi²/dof {found['chi2_per_dof']:.2f})",
        f"Ea, robust    {found['robust_activation_energy_eV']:.4f} eV (Huber's loss)",
        f"log10 D0      {found['log10_prefactor_cm2_s']:.3f} (cm²/s)",
    ]
    if found["jackknife_max_change_eV"] is not None:
        lines.append(f"Jackknife     Ea changes by at most {found['jackknife_max_change_eV']:.4f} eV without one point")
    if found["curvature_sigma"] is not None:
        lines.append(f"Curvature     {found['curvature_sigma']:+.1f} of its errors")
    if found["outlier"] is not None:
        lines.append(f"Outlier       {_outlier(found['outlier'])}")
    at = found["at"]
    word = "extrapolated" if at["extrapolated"] else "within the range"
    low, high = at["low_cm2_s"], at["high_cm2_s"]
    value = at["reason"] or f"{at['diffusivity_cm2_s']:.3g} cm²/s, 95 % {low:.2g} to {high:.2g} cm²/s, {word}"
    lines.append(f"D({at['temperature_K']:g} K)      {value}")
    if at["conductivity_mS_cm"] is not None:
        lines.append(f"Conductivity  {plain(at['conductivity_mS_cm'], 3)} mS/cm, 95 % {plain(at['conductivity_low_mS_cm'])} to "
                     f"{plain(at['conductivity_high_mS_cm'])} mS/cm, {word}")  # fmt: skip
    if found["reason"]:
        lines.append(f"Note          {found['reason']}")
    return "\n".join(lines)


def _outlier(one: dict[str, Any]) -> str:
    sigmas = one["sigmas_above_the_others"]
    return (f"row {one['row']}, {one['temperature_K']:g} K: {abs(sigmas):.1f} errors {'above' if sigmas > 0 else 'below'} the line through "
            f"the others; without it Ea = {one['activation_energy_without_eV']:.4f} ± {one['activation_energy_error_without_eV']:.4f} eV. "
            "It is in the fit")  # fmt: skip


def _after_he(more: dict[str, Any]) -> str:
    if more["he_2018_cm2_s"] is None:
        return "-, the MSD grows too little"
    return f"{more['he_2018_cm2_s']:.3g} cm²/s ± {100 * more['planned_relative_error']:.0f} %"


def _conductivity(more: dict[str, Any]) -> str:
    return with_limit(more["conductivity_mS_cm"], more["conductivity_error_mS_cm"], more.get("conductivity_below_mS_cm"), "mS/cm")


def with_limit(value: float | None, error: float | None, below: float | None, unit: str) -> str:
    """The upper limit where there is no value."""
    return f"below {below:.2g} {unit} (95 %)" if value is None and below is not None else with_error(value, error, unit)


def with_error(value: float | None, error: float | None, unit: str = "") -> str:
    """A dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "-"
    text = plain(value, 3) if error is None or not math.isfinite(error) else f"{plain(value, 3)} ± {plain(error)}"
    return f"{text} {unit}".rstrip()
