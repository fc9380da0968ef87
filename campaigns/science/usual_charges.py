"""The charge that the ion of an element usually carries: what a conductivity counts where nobody says another."""

USUAL_CHARGE_E = {
    **dict.fromkeys(("H", "Li", "Na", "K", "Rb", "Cs", "Ag", "Cu"), 1),
    **dict.fromkeys(("Mg", "Ca", "Zn", "Sr", "Ba"), 2),
    "Al": 3,
    **dict.fromkeys(("O", "S"), -2),
    **dict.fromkeys(("F", "Cl", "Br", "I"), -1),
}


def usual_charge_e(element: str) -> float | None:
    """In units of e; None for an element whose ions differ, or that has none."""
    charge_e = USUAL_CHARGE_E.get(element)
    return None if charge_e is None else float(charge_e)
