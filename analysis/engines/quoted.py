"""What a run of one's own says of D: the number with its error, an upper limit, or nothing. A negative D, or half a ratio, is no result."""

import math
from dataclasses import replace
from typing import Any

from scipy.stats import norm

from campaigns.engines.judge_specs import RunDiffusion

SIGMAS_95 = float(norm.ppf(0.95))  # one-sided
CAGED = "bounded"
WITHOUT_D = ("ballistic", "blown_up")  # nothing collides, or nothing holds: no length of run would give a D
PAIRS = (
    ("charge_diffusivity_cm2_s", "charge_diffusivity_error_cm2_s"),
    ("haven_ratio", "haven_ratio_error"),
    ("conductivity_mS_cm", "conductivity_error_mS_cm"),
)


def as_quoted(run: RunDiffusion) -> RunDiffusion:
    """Where D is not known to be positive, or ions are caged, `diffusivity_below_cm2_s` and `conductivity_below_mS_cm` (95 %) of `details`
    stand for it; what the two fits gave stays in `details`."""
    value, error = run.diffusivity_cm2_s, run.diffusivity_error_cm2_s
    if value is None:
        return run
    is_known = math.isfinite(value + error) and value > SIGMAS_95 * error and run.verdict not in (CAGED, *WITHOUT_D)
    details = run.details | _finite_pairs(run.details)
    if is_known:
        return replace(run, details=details)
    below = max(max(value, 0.0) + SIGMAS_95 * error, run.details.get("rare_hops_limit_cm2_s") or 0.0)
    is_limit = math.isfinite(below) and below > 0 and run.verdict not in WITHOUT_D
    details |= {name: None for pair in PAIRS for name in pair} | {
        "diffusivity_below_cm2_s": below if is_limit else None,
        "conductivity_below_mS_cm": below * details["conductivity_mS_cm_per_cm2_s"] if is_limit else None,
    }
    return replace(run, diffusivity_cm2_s=None, diffusivity_error_cm2_s=None, details=details)


def _finite_pairs(details: dict[str, Any]) -> dict[str, None]:
    """The values, with their errors, that are no positive numbers: to be blank."""
    blank = [pair for pair in PAIRS if not 0 < (details.get(pair[0]) or 0.0) < math.inf]
    return {name: None for pair in blank for name in pair}
