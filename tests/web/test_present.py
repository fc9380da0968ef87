from math import inf, nan

import pytest
from django.utils.html import strip_tags

from campaigns.enums import CleaningRule
from campaigns.models import Frame
from campaigns.science.cleaning import QUANTITIES
from campaigns.templatetags import present
from campaigns.templatetags.present import duration, formula, joined, measured, sig


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Li10GeP2S12", "Li<sub>10</sub>GeP<sub>2</sub>S<sub>12</sub>"),
        ("Li20.14Ge2", "Li<sub>20.14</sub>Ge<sub>2</sub>"),
        ("Na1Cl1", "NaCl"),
        ("Ca(OH)2", "Ca(OH)<sub>2</sub>"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_formula(text, html):
    assert formula(text) == html


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.21437, 0.0178, "0.214 ± 0.018"),
        (2.22e-5, 3.1e-6, "(2.22 ± 0.31) × 10−5"),
        (912.4, 6.0, "912.4 ± 6.0"),
        (-0.5, 0.1, "−0.50 ± 0.10"),
        (1500.0, 120.0, "1500 ± 120"),
        (None, 0.1, "–"),
        (nan, 0.1, "–"),
        ("", "", "–"),
        (2.5, None, "2.50"),
        (2.5, inf, "2.50"),
    ],
)
def test_measured(value, error, text):
    assert strip_tags(measured(value, error)).strip() == text


@pytest.mark.parametrize(("value", "text"), [(0.0983, "0.0983"), (12345.6, "12300"), (1.5e-7, "1.50 × 10−7"), (0, "0"), (None, "–")])
def test_sig(value, text):
    assert strip_tags(sig(value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.2 s"), (45, "45 s"), (200, "3 min"), (7500, "2 h 05 min"), (273600, "3 d 4 h"), (None, "–")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("times_s", "text"),
    [
        ((100, 90, 110), "about 2 min"),
        ((3600, 1200, 9000), "20 min to 3 h"),
        ((4e5, 2e5, 8e5), "2 d to 10 d"),
    ],
)
def test_an_estimated_time_is_a_range_where_its_ends_lie_far_apart(times_s, text):
    assert present.duration_range(*times_s) == text


def test_joined():
    assert joined((300.0, 650.5)) == "300, 650.5"
    assert joined(True) == "yes"


def test_what_decided_about_a_configuration_has_its_unit():
    frame = Frame(rule="force", number=31.24, lower=-2.0, upper=17.5)
    assert present.decided(frame) == "largest force on an atom 31.24 eV/Å; kept: up to 17.50 eV/Å"
    assert present.decided(Frame(rule="energy", number=-4.1, lower=-4.3, upper=-4.2)).startswith("energy −4.100 eV/atom")
    assert present.decided(Frame(verdict="unlabelled")) == present.DASH
    bond = Frame(rule="bond_variation", number=0.341, lower=0.0, upper=0.2)
    assert present.decided(bond) == "largest change of a framework bond 34.10 % of its length; kept: up to 20.00 %"


def test_every_rule_of_cleaning_has_its_quantity():
    assert set(QUANTITIES) == set(CleaningRule.values)


def test_a_large_error_of_a_positive_value_is_an_interval():
    assert strip_tags(present.measured_positive(2.0, 0.2, "mS/cm")) == strip_tags(present.measured(2.0, 0.2, "mS/cm"))
    assert strip_tags(present.measured_positive(150.0, 150.0, "mS/cm")) == "150 (55 to 410) mS/cm"
    assert present.measured_positive(None, None) == present.DASH


def test_names_of_compounds_and_symmetries_are_typeset():
    assert present.compound("c-LLZO Li7La3Zr2O12 (Ia-3d)") == (
        "c-LLZO Li<sub>7</sub>La<sub>3</sub>Zr<sub>2</sub>O<sub>12</sub> "
        '(Ia<span class="overbar"><span class="visually-hidden">−</span>3</span>d)'
    )
    assert present.compound("beta-Li3PS4 <b>") == "beta-Li<sub>3</sub>PS<sub>4</sub> &lt;b&gt;"
    assert present.compound("Na1+x+yScyZr2-ySixP3-xO12") == "Na1+x+yScyZr2-ySixP3-xO12"
    assert present.space_group("P4_2/nmc") == "P4<sub>2</sub>/nmc"
    assert present.space_group("P6_3/m<") == "P6<sub>3</sub>/m&lt;"


def test_an_oxidation_state_is_a_superscript():
    found = [present.ion(symbol, charge) for symbol, charge in (("S", -2.0), ("Li", 1.0), ("Fe", 2.667), ("Xe", 0.0))]
    assert found == ["S<sup>2−</sup>", "Li<sup>+</sup>", "Fe<sup>2.67+</sup>", "Xe<sup>0</sup>"]


@pytest.mark.parametrize(("n_bytes", "text"), [(500_000_000, "500 MB"), (1_250_000, "1.2 MB"), (4000, "4 kB"), (12, "12 bytes")])
def test_sizes_have_no_idle_zero(n_bytes, text):
    assert present.megabytes(n_bytes) == text
