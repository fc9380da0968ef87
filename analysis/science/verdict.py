"""Is this run's D a diffusion coefficient? One verdict per run with the number that decided, its threshold and a sentence.

The criteria are those of a diffusive run: the ions have moved over several sites, enough hops were seen, as many late in the run as
early, the MSD grows linearly, both halves of the fit give the same D, the framework stays, and many ions have left their sites.
Order matters: what makes the run worthless comes first, so a caged ion or a melt is never called diffusive.
"""

from dataclasses import dataclass

import numpy as np

from analysis.science.diffusion import HALVES_SIGMA, TOGETHER
from analysis.science.evidence import MIN_EVENTS, Evidence, events, later_fall, msd_goal, needed_ps, relative_error
from campaigns.science.plain_numbers import plain

SLOPE_RANGE = (0.85, 1.15)
BOUNDED_SLOPE = 0.5
BALLISTIC_SLOPE = 1.5
UNSTEADY_SIGMA = 3.5  # by which a change along the run is no longer taken for scatter
UNSTEADY_FACTOR = 1.2  # a smaller change matters less than the accuracy that D is wanted with
WILD_SIGMA = 3.0  # by which a D that rises within the fit is no longer taken for scatter
FRAMEWORK_MSD_A2 = 3.0
TURNING_MSD_A2 = 9.0  # likewise where another species of the framework stays: units such as PS4 (P-S 2.05 Å) turn, which makes 2 r² = 8.4
STIRRED_FRAMEWORK_MSD_A2 = 1.0  # of a framework that is bounded: one that grows beyond it is worth a look
MOVED_FRACTION = 0.2
SLOPE_TOLERANCE = 0.2  # what chance may add to the slope of a short run
CAGE_TOLERANCE = 0.1  # what it may take off where the ions may still be in one cage: one of several sites levels off slowly
WIDEST_CAGE = 8.0  # hops squared, of the MSD: twice the square of a cage's radius, here of two hops
TEMPERATURE_SIGMAS = 3.0  # of its own error, by which the mean temperature may always miss its target
DRIFT_SIGMAS = 3.0  # likewise of the energy's slope, which a short run does not tell from nothing
GOOD_DRIFT_MEV_ATOM_NS = 1.0  # a larger one is said, although the run is used
SLOW_SIGMA = 3.0  # of its own error, by which the exponent of a walk hardly ever falls below 1
FILE_EXPONENT = 0.5  # of ions in single file
FILE_SIGMA = 2.0  # by which the exponent must exceed it where ions block each other
FLOW = 0.5  # of msd.flow, beyond which ions flow rather than diffuse
LARGEST_SLOPE_ERROR = 0.5  # with a larger one the slope cannot tell anything from diffusion


@dataclass(frozen=True)
class Verdict:
    name: str
    reason: str
    number: float | None = None
    threshold: float | None = None
    unit: str = ""


def judge(evidence: Evidence) -> Verdict:
    """The first test that fails names the verdict."""
    for test in (_dynamics, _drifting, _temperature, _length, _melted, _ballistic, _caged, _events, _unsteady, _linear, _in_file, _halves):
        verdict = test(evidence)
        if verdict is not None:
            return verdict
    estimate, seen = evidence.estimate, events(evidence)
    growth, fall = f"t^{estimate.exponent:.2f} ± {estimate.exponent_error:.2f}", later_fall(estimate)
    if fall > 0:
        said = (f"The MSD grows as {growth} over {seen:.0f} hops, not known to be linear: in a run ten times longer D might be smaller by "
                f"{100 * fall:.2g} %, which is part of its error.")  # fmt: skip
    elif estimate.exponent < SLOPE_RANGE[0]:
        said = f"The MSD grows as {growth} over {seen:.0f} hops, within its error linearly: a longer run would tell."
    elif estimate.exponent > 1 + 2 * estimate.exponent_error:
        said = f"The MSD grows as {growth} over {seen:.0f} hops, somewhat faster than t: a longer run would tell whether by chance."
    else:
        said = f"The MSD grows linearly within error ({growth}) over {seen:.0f} hops."
    return Verdict("diffusive", said + _cage_caution(evidence), seen, MIN_EVENTS, "hops")


def _cage_caution(evidence: Evidence) -> str:
    """For a run about as long as a wide cage takes to explore, which looks like diffusion."""
    width_A2 = WIDEST_CAGE * evidence.hop_length_A**2
    if float(evidence.estimate.msd_A2[-1]) >= width_A2:
        return ""
    return (
        f" A cage of several sites is not excluded, for the MSD stays below {plain(width_A2, 3)} Å²: a run four times as long would tell."
    )


def _dynamics(evidence: Evidence) -> Verdict | None:
    if evidence.outcome == "completed":
        return None
    after = evidence.completed_ps
    return Verdict(
        "blown_up", f"The dynamics stopped after {plain(after, 3)} ps: {evidence.outcome_reason or evidence.outcome}", after, None, "ps"
    )


def _drifting(evidence: Evidence) -> Verdict | None:
    drift, limit = evidence.energy_drift_meV_atom_ns, evidence.energy_drift_limit_meV_atom_ns
    limit = max(limit, DRIFT_SIGMAS * (evidence.energy_drift_error_meV_atom_ns or 0.0))
    if drift is None or abs(drift) <= limit:
        return None
    return Verdict("drifting", f"The total energy drifts by {plain(drift, 3)} meV/atom/ns; at most {plain(limit, 3)} is allowed.",
                   abs(drift), limit, "meV/atom/ns")  # fmt: skip


def drift_remark(evidence: Evidence) -> str:
    """Of a run that is used, but whose energy is kept less well than a good model keeps it; '' where it is, or where it cannot be told."""
    drift, error = evidence.energy_drift_meV_atom_ns, evidence.energy_drift_error_meV_atom_ns
    if drift is None or abs(drift) <= max(GOOD_DRIFT_MEV_ATOM_NS, DRIFT_SIGMAS * (error or 0.0)):
        return ""
    found = plain(drift) if error is None else f"{plain(drift)} ± {plain(error, 1)}"
    return f"the total energy drifts by {found} meV/atom/ns; a good model stays below {GOOD_DRIFT_MEV_ATOM_NS:g}"


def _temperature(evidence: Evidence) -> Verdict | None:
    """A run far from its target was not equilibrated: it samples another state than was asked for, although its own T enters the fit."""
    found, target_K = evidence.kinetic_temperature_K, evidence.target_temperature_K
    if found is None:
        return None
    missed, chance = abs(found - target_K), TEMPERATURE_SIGMAS * (evidence.kinetic_temperature_error_K or 0.0)
    allowed = evidence.temperature_limit_percent / 100 * target_K
    if missed <= max(allowed, chance):
        return None
    return Verdict("off_temperature", f"The mean temperature is {found:.0f} K, {missed:.0f} K from the target of {target_K:.0f} K; at most "
                   f"{max(allowed, chance):.0f} K is allowed: equilibrate longer.", missed, max(allowed, chance), "K")  # fmt: skip


def _length(evidence: Evidence) -> Verdict | None:
    if evidence.estimate is not None:
        return None
    return Verdict("too_short", f"{plain(evidence.completed_ps, 3)} ps hold too few stored frames for a slope; run ten times longer.",
                   evidence.completed_ps, 10 * evidence.completed_ps, "ps")  # fmt: skip


def _melted(evidence: Evidence) -> Verdict | None:
    found, error_A2, limit_A2 = evidence.framework_msd_A2, evidence.framework_msd_error_A2, _melting_limit_A2(evidence)
    if found is None or found - error_A2 <= limit_A2 or (evidence.framework_slope or 0.0) < BOUNDED_SLOPE:
        return None
    name, scatter = evidence.framework_species, f" ± {plain(error_A2, 1)}" if error_A2 else ""
    return Verdict("melted", f"The framework moves too: the MSD of {name} reaches {found:.2g}{scatter} Å² and grows (limit "
                   f"{limit_A2:g} Å²). Lower the temperature; where {name} is meant to move, analyse the run without its atoms.",
                   found, limit_A2, "Å²")  # fmt: skip


def _melting_limit_A2(evidence: Evidence) -> float:
    """Higher where the framework holds, and only a species of it moves about the rest."""
    return TURNING_MSD_A2 if _has_backbone(evidence) else FRAMEWORK_MSD_A2


def _has_backbone(evidence: Evidence) -> bool:
    least_A2 = evidence.backbone_msd_A2
    return evidence.backbone_species != evidence.framework_species and least_A2 is not None and least_A2 <= STIRRED_FRAMEWORK_MSD_A2


def framework_caution(evidence: Evidence) -> list[str]:
    """A framework on its way to melting, which does not spoil D yet."""
    found = evidence.framework_msd_A2
    if found is None or found <= STIRRED_FRAMEWORK_MSD_A2 or (evidence.framework_slope or 0.0) < BOUNDED_SLOPE:
        return []
    held = (f", while {evidence.backbone_species} stays within {evidence.backbone_msd_A2:.2g} Å²: units of the framework turn, or its "
            "atoms change places") if _has_backbone(evidence) else ""  # fmt: skip
    return [f"the MSD of {evidence.framework_species} in the framework reaches {found:.2g} Å² and grows{held} (a framework that stays is "
            f"below {STIRRED_FRAMEWORK_MSD_A2:g} Å²; a run that exceeds {_melting_limit_A2(evidence):g} Å² by its error counts as "
            "melted)"]  # fmt: skip


def _ballistic(evidence: Evidence) -> Verdict | None:
    slope = evidence.estimate.loglog_slope
    if not slope > BALLISTIC_SLOPE or _slope_error(evidence) > LARGEST_SLOPE_ERROR:
        return None
    return Verdict("ballistic", f"The MSD grows as t^{slope:.2f}: atoms fly freely over the whole fit; make the run longer.",
                   slope, BALLISTIC_SLOPE, "")  # fmt: skip


def _caged(evidence: Evidence) -> Verdict | None:
    """A cage is recognized by the slope, or by ions that stay at home while the MSD would say that they have left."""
    slope, moved = evidence.estimate.loglog_slope, evidence.moved_fraction
    large = float(evidence.estimate.msd_A2[-1]) >= msd_goal(evidence)
    if np.isfinite(slope) and slope < BOUNDED_SLOPE:
        if not large and 0 < evidence.n_left < MOVED_FRACTION * evidence.n_ions:
            return _few_have_left(evidence)
        return Verdict("bounded", f"The MSD levels off (log-log slope {slope:.2f}, below {BOUNDED_SLOPE:g}): the ions rattle in cages"
                       f"{'' if evidence.n_left else '; none left its site'}.", slope, BOUNDED_SLOPE, "")  # fmt: skip
    if large and moved < MOVED_FRACTION:
        return Verdict("bounded", f"Only {100 * moved:.0f} % of the ions ended over {evidence.hop_length_A:g} Å from where they began.",
                       100 * moved, 100 * MOVED_FRACTION, "%")  # fmt: skip
    return None


def _few_have_left(evidence: Evidence) -> Verdict:
    """Between two hops of few ions the MSD is as level as in a cage; but one ion of a cage does not leave its site alone."""
    n, length_ps = evidence.n_left, evidence.completed_ps
    # Each of them has made a hop at least, which is a^2/N of the MSD in the whole run; what it needs stands at half of one.
    msd_A2 = n * evidence.hop_length_A**2 / evidence.n_ions
    needed = 2 * msd_goal(evidence) / msd_A2 * length_ps
    return Verdict("too_short", f"Only {n} of {evidence.n_ions} ions left {'its site' if n == 1 else 'their sites'} in "
                   f"{plain(length_ps, 3)} ps: of the order of {plain(needed, 1)} ps are needed, or a higher temperature.",
                   float(n), MOVED_FRACTION * evidence.n_ions, "ions")  # fmt: skip


def _events(evidence: Evidence) -> Verdict | None:
    largest, goal, seen = float(evidence.estimate.msd_A2[-1]), msd_goal(evidence), events(evidence)
    length = needed_ps(evidence)
    if largest >= goal and seen >= MIN_EVENTS:
        return None
    if np.isfinite(length):
        advice = f"about {plain(max(length, 1.2 * evidence.completed_ps))} ps are needed"
    elif evidence.n_ions == 1 and evidence.framework_msd_A2 is None:
        advice = "there is no framework, and against itself one ion does not move; give the run with the framework's atoms"
    else:
        advice = "no motion was seen at all"
    if largest < goal:
        error_A2 = float(evidence.estimate.msd_error_A2[-1])
        return Verdict("too_short", f"The MSD reaches {plain(largest)} ± {plain(error_A2, 1)} Å² in {plain(evidence.completed_ps, 3)} ps, "
                       f"not {plain(goal, 3)} Å²: {advice}.", largest, goal, "Å²")  # fmt: skip
    return Verdict("too_short", f"{seen:.0f} ± {seen * relative_error(evidence):.0f} hops were seen "
                   f"in {plain(evidence.completed_ps, 3)} ps, "
                   f"not {MIN_EVENTS:.0f}: {advice}.", seen, MIN_EVENTS, "hops")  # fmt: skip


def _unsteady(evidence: Evidence) -> Verdict | None:
    """The fit compares short lags with long ones; a D that changes while the run goes is the same at all of them."""
    found = evidence.estimate.in_time
    times = max(found.late_over_early, 1 / found.late_over_early)
    if abs(found.sigmas) <= UNSTEADY_SIGMA or times <= UNSTEADY_FACTOR:
        return None
    less, end = ("less", "smaller") if found.sigmas < 0 else ("more", "larger")
    return Verdict("unsteady", f"The ions move {times:.2g} times {less} in the second half of the run than in the first, "
                   f"{abs(found.sigmas):.1f} errors apart, so that D is {end} at its end: equilibrate longer, then run again.",
                   abs(found.sigmas), UNSTEADY_SIGMA, "σ")  # fmt: skip


def _slope_error(evidence: Evidence) -> float:
    """Rough sd of the log-log slope: a free line's slope at long lags has about the relative error of the ordinary D."""
    estimate = evidence.estimate
    return estimate.ols_error_cm2_s / abs(estimate.ols_cm2_s) if estimate.ols_cm2_s else float("inf")


def _linear(evidence: Evidence) -> Verdict | None:
    """Outside of the range by more than its own error: a short run's slope scatters by that much.

    Whether the MSD levels off is asked of the whole run, in two ways that scatter each for itself.
    """
    estimate, error = evidence.estimate, _slope_error(evidence)
    slope, later = estimate.loglog_slope, estimate.run_slope
    low, high = SLOPE_RANGE
    both = (slope + later) / 2
    beyond = estimate.msd_A2[-1] > WIDEST_CAGE * evidence.hop_length_A**2
    if estimate.exponent < min(low, 1 - SLOW_SIGMA * estimate.exponent_error):
        return Verdict("subdiffusive", f"The MSD grows as t^{estimate.exponent:.2f} ± {estimate.exponent_error:.2f}, more slowly than t: "
                       "this D would fall further in a longer run.", estimate.exponent, low, "")  # fmt: skip
    if both < low - min(error, SLOPE_TOLERANCE if beyond else CAGE_TOLERANCE):
        return Verdict("subdiffusive", f"The MSD grows as t^{both:.2f} (t^{slope:.2f} in the fit, t^{later:.2f} from its middle to the "
                       "whole run), more slowly than t: this D would fall further in a longer run.", both, low, "")  # fmt: skip
    error = min(error, SLOPE_TOLERANCE)
    if slope > high + error:
        why = f"a few long hops decide; run about {plain(3 * evidence.completed_ps)} ps"
        if evidence.n_ions > 1 and evidence.flow > FLOW:
            why = "the ions flow as one against the framework; look for a field or a drift, and run without it"
        return Verdict("too_short", f"The MSD grows as t^{slope:.2f}, faster than t: {why}.", slope, high, "")
    return None


def _in_file(evidence: Evidence) -> Verdict | None:
    """Ions that block each other may never pass; their MSD then goes as the root of t until all that are between two walls move as one."""
    estimate = evidence.estimate
    exponent, error = estimate.exponent, estimate.exponent_error
    if estimate.move_together < TOGETHER or exponent - FILE_SIGMA * error > FILE_EXPONENT:
        return None
    return Verdict("subdiffusive", f"About {estimate.move_together:.1f} ions move as one, and the MSD grows as t^{exponent:.2f} ± "
                   f"{error:.2f}: "
                   f"that they cannot pass each other (t^{FILE_EXPONENT:g}) is not excluded; make the run longer, or the cell larger.",
                   exponent, FILE_EXPONENT + FILE_SIGMA * error, "")  # fmt: skip


def _halves(evidence: Evidence) -> Verdict | None:
    """A D that falls within the fit may go on falling, as in a cage; one that rises is scatter, in the error already unless it is wild."""
    first, second = evidence.estimate.halves_cm2_s
    apart = evidence.estimate.halves_sigma
    name, limit = ("subdiffusive", HALVES_SIGMA) if second < first else ("too_short", WILD_SIGMA)
    if abs(apart) <= limit:
        return None
    return Verdict(name, f"D is {plain(first)} from the first half of the fit, {plain(second)} cm²/s from the second: {abs(apart):.1f} "
                   f"errors apart; run about {plain(3 * evidence.completed_ps)} ps.", abs(apart), limit, "σ")  # fmt: skip
