"""Ions that conduct in known solid electrolytes, the likelier first."""

MOBILE_CATIONS = ("Li", "Na", "Ag", "K", "Cu", "Rb", "Cs", "H", "Mg", "Zn", "Ca")
MOBILE_ANIONS = ("F", "O", "Cl", "Br", "I")
