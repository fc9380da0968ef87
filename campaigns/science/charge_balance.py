"""What the charges of a composition say about a CIF: whether it is neutral, with which states, and what to check where it is not."""

from collections.abc import Mapping

from campaigns.science.oxidation import is_usual, net_charge_e, usual_states

NEUTRAL_E = 0.01
MISSING = (
    "Check the CIF: are cations missing (H is often left out), or is an occupancy or the space group wrong?",
    "Check the CIF: are anions missing, or is an occupancy or the space group wrong?",
)
ORDERED = "Nothing is to be done: atoms are not placed by their charges here, and a conductivity takes the usual charge of the mobile ion"
INTENDED = "It is not refused: it may be meant, as with atoms of one element bonded to each other."


def charge_doubt(amounts: Mapping[str, float], states: Mapping[str, float], is_disordered: bool) -> str:
    """Why the charges look wrong and what to check, or nothing. `states`: as guessed, empty where they could not be.

    Rounded occupancies of a disordered cell are no doubt: ordering makes them neutral.
    """
    if unusual := [symbol for symbol, state in states.items() if not is_usual(symbol, state)]:
        return _with_unusual_states(amounts, states, unusual)
    found = states or usual_states(amounts)
    charge_e = net_charge_e(amounts, found) if found else 0.0
    if abs(charge_e) <= NEUTRAL_E or (states and is_disordered):
        return ""
    advice = "To order it, give the oxidation states in the campaign." if is_disordered else INTENDED
    return (
        f"The composition is not neutral: with the usual oxidation states ({in_words(found)}) "
        f"the unit cell has a charge of {charge_e:+.3g} e. {MISSING[charge_e > 0]} {advice}"
    )


def _with_unusual_states(amounts: Mapping[str, float], states: Mapping[str, float], unusual: list[str]) -> str:
    named = in_words({symbol: states[symbol] for symbol in unusual})
    usual = usual_states(amounts)
    charge_e = net_charge_e(amounts, usual) if usual else 0.0
    would_be = f" With the usual ones ({in_words(usual)}) the unit cell would have a charge of {charge_e:+.3g} e." if usual else ""
    return (
        f"The composition is neutral only with an unusual oxidation state: {named}.{would_be} {MISSING[charge_e > 0]} "
        "If it is meant, as with atoms of one element bonded to each other, nothing is to be done."
    )


def in_words(states: Mapping[str, float]) -> str:
    return ", ".join(f"{symbol} {state:+.3g}" for symbol, state in states.items())


def charge_notes(states: Mapping[str, float], charge_e: float | None, is_disordered: bool, doubt: str) -> list[str]:
    """All that a material's page says about its charges. `charge_e`: of the cell with these states, None where there are none."""
    notes = [doubt] if doubt else []
    if charge_e is None and not doubt:
        todo = "To order it, give them" if is_disordered else ORDERED
        notes.append(f"The oxidation states could not be guessed from the composition. {todo}.")
    if is_disordered and charge_e is not None and abs(charge_e) > NEUTRAL_E:
        notes.append(
            f"The occupancies leave a net charge of {charge_e:+.2f} e per cell ({in_words(states)}): "
            "ordered cells get the nearest neutral composition."
        )
    return notes
