"""Ions that conduct in known solid electrolytes, and their charges."""

from collections.abc import Collection

# The likelier first.
UNIVALENT_CATIONS = ("Li", "Na", "Ag", "K", "Cu", "Rb", "Cs", "H")
DIVALENT_CATIONS = ("Mg", "Zn", "Ca")
MOBILE_CATIONS = UNIVALENT_CATIONS + DIVALENT_CATIONS
MOBILE_ANIONS = ("F", "O", "Cl", "Br", "I")
LARGE_CATIONS, HALIDES = ("K", "Rb", "Cs"), ("Cl", "Br", "I")
MAX_UNIVALENT_E = 1.5  # Cu 1.1 of Cu1.8S moves, Cu 2 of an oxide stays

_BY_CHARGE_E = {
    1: "H Li Na K Rb Cs Ag Cu Tl",
    2: "Be Mg Ca Sr Ba Zn Cd Hg Mn Fe Co Ni Pb Sn",
    3: "B Al Ga In Sc Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Cr Bi Sb",
    4: "Si Ge Ti Zr Hf Th",
    5: "P V Nb Ta",
    6: "Mo W",
    -1: "F Cl Br I",
    -2: "O S Se Te",
    -3: "N",
}
_USUAL_CHARGES_E = {symbol: float(charge_e) for charge_e, symbols in _BY_CHARGE_E.items() for symbol in symbols.split()}


def is_mobile_cation(symbol: str, charge_e: float | None) -> bool:
    """Whether it is a cation that is known to move. `charge_e`: None where it is not known."""
    most_e = MAX_UNIVALENT_E if symbol in UNIVALENT_CATIONS else 2.0
    return symbol in MOBILE_CATIONS and (charge_e is None or 0 < charge_e <= most_e)


def doubt(symbol: str, charge_e: float | None) -> str:
    """Why an element is hardly the mobile ion, or nothing. `charge_e`: None where it is not known."""
    is_anion = symbol in MOBILE_ANIONS and (charge_e is None or charge_e < 0)
    if is_anion or is_mobile_cation(symbol, charge_e) or (charge_e is not None and abs(charge_e) == 1):
        return ""
    charge = "" if charge_e is None else f" with its charge of {charge_e:+g} e"
    return f"{symbol} is not known to be mobile: in known solid electrolytes it belongs{charge} to the framework."


def large_ion_doubt(symbol: str, elements: Collection[str]) -> str:
    """Of an ion that is likely only where nothing else is: beside halides it mostly stays, as Cs does in CsPbI3."""
    halides = [anion for anion in HALIDES if anion in elements]
    if symbol not in LARGE_CATIONS or not halides:
        return ""
    return f"This is not sure: {symbol} is large, and beside it {' or '.join(halides)} often moves instead, by vacancies."


def known_charge_e(symbol: str) -> float | None:
    """Of the ion of an element, in units of e; None where its ions differ, or there is none."""
    return _USUAL_CHARGES_E.get(symbol)


def usual_charge_e(symbol: str) -> float:
    """The same, 1 where it is not known."""
    return _USUAL_CHARGES_E.get(symbol, 1.0)


def assumed(symbol: str) -> str:
    """What to tell where the usual charge stands for one that is not known."""
    return (
        f"The charge of {symbol} could not be guessed: conductivities, which go with its square, are reckoned with "
        f"{usual_charge_e(symbol):+g} e. If that is wrong, give the oxidation states of the cells."
    )
