"""The 95 % interval of what is read off a fitted line, and when it says too little for a number to be printed."""

import math

# A factor of ten either way. Published conductivities of one compound lie within a decade of one another, so a wider interval
# would not tell one electrolyte from another.
MOST_DECADES = 2.0
NOT_KNOWN = "not known well enough: the runs span too little of 1/T, or their D are too uncertain"


def is_known(low: float, high: float) -> bool:
    """Whether the interval of a positive quantity spans at most MOST_DECADES."""
    return 0 < low <= high <= 10**MOST_DECADES * low < float("inf")


def quantile_95(n_points: int, chi2_per_dof: float | None) -> float:
    """Half of the 95 % interval of a line through `n_points`, in its standard errors, which scatter beyond the points' errors has enlarged.

    What the points' errors explain is known, so normal; only what their scatter has added is known from n - 2 degrees of freedom. Their
    sum has (n - 2) (V / V_added)^2 (Satterthwaite 1946): from 1.96 without enlargement to Student's t where the scatter is all, or where
    nobody kept how large it is.
    """
    from scipy.special import stdtrit  # heavy: imported where it is needed

    if chi2_per_dof is None:
        return float(stdtrit(n_points - 2, 0.975))
    added = 1 - 1 / max(chi2_per_dof, 1.0)
    return float(stdtrit((n_points - 2) / added**2 if added > 0 else math.inf, 0.975))
