"""Oxidation states of known compounds, of refinements that are nearly neutral, and of what has none."""

import pytest
from pymatgen.core import Composition

from campaigns.science.oxidation import guess_oxidation_states, net_charge_e


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
    ],
)
def test_known_compounds(formula, states):
    assert guessed(formula) == states


def test_a_mixed_valence_takes_the_mean():
    assert guessed("Fe3O4") == {"Fe": pytest.approx(8 / 3), "O": -2}
    assert guessed("LiMn2O4") == {"Li": 1, "Mn": 3.5, "O": -2}


@pytest.mark.parametrize("formula", ["CuAu", "Na2O2", "Fe"])
def test_what_cannot_be_guessed_is_left_open(formula):
    assert guessed(formula) is None


def test_net_charge():
    assert net_charge_e({"Li": 20.2, "S": 10.0}, {"Li": 1, "S": -2}) == pytest.approx(0.2)
