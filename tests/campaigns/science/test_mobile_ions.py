"""Which ions are doubted, and with which charge an ion is reckoned whose state is not known."""

import pytest

from campaigns.science.mobile_ions import MOBILE_ANIONS, MOBILE_CATIONS, assumed, doubt, usual_charge_e


@pytest.mark.parametrize(
    ("symbol", "charge_e"), [("Mg", 2), ("Zn", 2), ("Ca", 2), ("Cd", 2), ("Al", 3), ("O", -2), ("F", -1), ("Cu", 1), ("Ag", 1), ("Li", 1)]
)
def test_the_usual_charge_stands_for_one_that_is_not_known(symbol, charge_e):
    assert usual_charge_e(symbol) == charge_e
    assert f"reckoned with {charge_e:+} e" in assumed(symbol)


def test_every_ion_that_may_be_proposed_has_the_sign_it_is_proposed_with():
    assert all(usual_charge_e(symbol) > 0 for symbol in MOBILE_CATIONS)
    assert all(usual_charge_e(symbol) < 0 for symbol in MOBILE_ANIONS)


@pytest.mark.parametrize(
    ("symbol", "charge_e", "is_doubted"),
    [("Cu", 2.0, True), ("Cu", 1.0, False), ("Cu", 1.1, False), ("Cu", None, False), ("Mg", 2.0, False), ("Ge", 4.0, True),
     ("O", -2.0, False), ("Tl", 1.0, False), ("Zr", None, True)],
)  # fmt: skip
def test_a_divalent_ion_of_an_element_that_moves_with_one_charge_is_doubted(symbol, charge_e, is_doubted):
    assert bool(doubt(symbol, charge_e)) == is_doubted
