"""Oxidation states of known compounds, of refinements that are nearly neutral, and of what has none."""

import pytest
from pymatgen.core import Composition

from campaigns.science.charge_balance import charge_doubt
from campaigns.science.oxidation import guess_oxidation_states, is_usual, net_charge_e


def guessed(formula):
    return guess_oxidation_states(Composition(formula).get_el_amt_dict())


@pytest.mark.parametrize(
    ("formula", "states"),
    [
        ("Li20.2Ge2.06P3.94S24", {"Li": 1, "Ge": 4, "P": 5, "S": -2}),
        ("Li56.064La24Zr16O96", {"Li": 1, "La": 3, "Zr": 4, "O": -2}),
        ("Na3Zr2Si2PO12", {"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}),
        ("Li6PS5Cl", {"Li": 1, "P": 5, "S": -2, "Cl": -1}),
        ("Li4P2S6", {"Li": 1, "P": 4, "S": -2}),
        ("Li3N", {"Li": 1, "N": -3}),
        ("AgI", {"Ag": 1, "I": -1}),
        ("Ce0.9Gd0.1O1.95", {"Ce": 4, "Gd": 3, "O": -2}),
        ("FePS3", {"Fe": 2, "P": 4, "S": -2}),
        ("LiBH4", {"Li": 1, "B": 3, "H": -1}),
        ("Na3V2P3O12", {"Na": 1, "V": 3, "P": 5, "O": -2}),
        ("Li1.3Al0.3Ti1.7P3O12", {"Li": 1, "Al": 3, "Ti": 4, "P": 5, "O": -2}),
        ("K2.2Ni2TeO6", {"K": 1, "Ni": 2, "Te": 6, "O": -2}),
        ("Li2FeMn3O8", {"Li": 1, "Fe": 2, "Mn": 4, "O": -2}),
    ],
)
def test_known_compounds(formula, states):
    assert guessed(formula) == states


def test_a_mixed_valence_takes_the_mean():
    assert guessed("Fe3O4") == {"Fe": pytest.approx(8 / 3), "O": -2}
    assert guessed("LiMn2O4") == {"Li": 1, "Mn": 3.5, "O": -2}


# Formula, the element that takes the mean and its state; all others have their usual whole one.
MEANS = [
    ("Li2Ti2P3O12", "Ti", 3.5),
    ("Na2Ti2P3O12", "Ti", 3.5),
    ("MgTi2P3O12", "Ti", 3.5),
    ("Na2Nb2P3O12", "Nb", 3.5),
    ("La0.8Sr0.2MnO3", "Mn", 3.2),
    ("La0.9Sr0.1MnO3", "Mn", 3.1),
    ("Na3V2P3O12F0.5", "V", 3.25),
    ("CeO1.9", "Ce", 3.8),
    ("Nd2NiO4.2", "Ni", 2.4),
]


@pytest.mark.parametrize(("formula", "mixed", "mean"), MEANS)
def test_the_mean_is_that_of_the_element_that_is_reduced_or_oxidised(formula, mixed, mean):
    states = guessed(formula)
    assert states[mixed] == pytest.approx(mean)
    whole = {"Li": 1, "Na": 1, "Mg": 2, "P": 5, "O": -2, "La": 3, "Sr": 2, "F": -1, "Nd": 3}
    assert {symbol: state for symbol, state in states.items() if symbol != mixed} == {
        symbol: whole[symbol] for symbol in states if symbol != mixed
    }


@pytest.mark.parametrize(
    ("formula", "boron"),
    [("Li2B12H12", 10 / 12), ("MgB12H12", 10 / 12), ("LiCB11H12", 9 / 11), ("NaCB9H10", 7 / 9), ("Na2B10H10", 0.8), ("Li2B12F12", 10 / 12)],
)
def test_boron_takes_a_mean_in_a_cage_and_that_is_no_doubt(formula, boron):
    amounts = Composition(formula).get_el_amt_dict()
    states = guess_oxidation_states(amounts)
    assert states["B"] == pytest.approx(boron)
    assert states.get("H", -1) == -1
    assert net_charge_e(amounts, states) == pytest.approx(0)
    assert charge_doubt(amounts, states, False) == ""


def test_a_borohydride_that_lacks_hydrogen_is_doubted():
    amounts = {"Li": 1.0, "B": 1.0, "H": 3.5}
    assert "unusual oxidation state: B +2.5" in charge_doubt(amounts, guess_oxidation_states(amounts), False)


@pytest.mark.parametrize(
    ("symbol", "state", "usual"),
    [("P", 14 / 3, False), ("P", 5, True), ("Mn", 3.5, True), ("Zr", 3.75, False), ("S", 4.5, False), ("B", 0.83, True)],
)
def test_a_mean_is_usual_only_of_what_is_of_mixed_valence(symbol, state, usual):
    assert is_usual(symbol, state) == usual


@pytest.mark.parametrize("formula", ["CuAu", "Na2O2", "Fe", "PbF2.2", "Li2B12H20O4"])
def test_what_cannot_be_guessed_is_left_open(formula):
    assert guessed(formula) is None


def test_net_charge():
    assert net_charge_e({"Li": 20.2, "S": 10.0}, {"Li": 1, "S": -2}) == pytest.approx(0.2)
