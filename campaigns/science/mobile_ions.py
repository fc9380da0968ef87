"""Ions that conduct in known solid electrolytes."""

# The likelier first.
UNIVALENT_CATIONS = ("Li", "Na", "Ag", "K", "Cu", "Rb", "Cs", "H")
DIVALENT_CATIONS = ("Mg", "Zn", "Ca")
MOBILE_CATIONS = UNIVALENT_CATIONS + DIVALENT_CATIONS
MOBILE_ANIONS = ("F", "O", "Cl", "Br", "I")


def doubt(symbol: str, charge_e: float | None) -> str:
    """Why an element is hardly the mobile ion, or nothing. `charge_e`: None where it is not known."""
    wanted = 1 if symbol in MOBILE_CATIONS else -1 if symbol in MOBILE_ANIONS else 0
    if (wanted and (charge_e is None or charge_e * wanted > 0)) or (charge_e is not None and abs(charge_e) == 1):
        return ""
    charge = "" if charge_e is None else f" with its charge of {charge_e:+g} e"
    return f"{symbol} is not known to be mobile: in known solid electrolytes it belongs{charge} to the framework."
