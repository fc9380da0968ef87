"""When the 95 % interval of an extrapolated quantity says too little for a number to be printed."""

# A factor of ten either way. Published conductivities of one compound lie within a decade of one another, so a wider interval
# would not tell one electrolyte from another.
MOST_DECADES = 2.0
NOT_KNOWN = "not known well enough: the runs span too little of 1/T"


def is_known(low: float, high: float) -> bool:
    """Whether the interval of a positive quantity spans at most MOST_DECADES."""
    return 0 < low <= high <= 10**MOST_DECADES * low < float("inf")
