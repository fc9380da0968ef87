"""Sentences hold the numbers of their curves."""

import numpy as np

from analysis.science import summary

R_A = np.linspace(0.05, 7.95, 80)


def bump(place_A, height):
    return height * np.exp(-((R_A - place_A) ** 2) / 0.1)


def test_msd():
    t_ps = np.linspace(0.1, 40, 100)
    found = summary.of_msd(t_ps, {"Li": 0.3 * t_ps, "S": np.full(100, 0.38), "P": np.full(100, np.nan)})
    assert found == "MSD of Li reaches 12 Å² at 40 ps; S stays within 0.38 Å²; P stays within an unknown number Å²."


def test_rdf_names_its_peaks_and_how_many_it_leaves_out():
    pairs = {f"Li-{name}": bump(2.45, 3.1) for name in "ABCDEFG"}
    found = summary.of_rdf(R_A, pairs)
    assert found.startswith("Highest peak of g(r): Li-A 3.1 at 2.5 Å; Li-B")
    assert found.endswith("; 1 pair more, with lower peaks.")


def test_the_highest_peaks_come_first():
    pairs = {f"Li-{name}": bump(2.45, 3.1) for name in "ABCDEF"} | {"P-S": bump(2.05, 40), "Ge-S": bump(2.25, 22)}
    found = summary.of_rdf(R_A, pairs)
    assert found.startswith("Highest peak of g(r): P-S 40 at 2.0 Å; Ge-S 22 at 2.2 Å; Li-A 3.1")
    assert found.endswith("; 2 pairs more, with lower peaks.")


def test_van_hove():
    assert summary.of_self(R_A, {"1 ps": bump(0.55, 1), "5 ps": bump(1, 1), "20 ps": bump(3.05, 1)}) == (
        "Most probable displacement: 0.55 Å after 1 ps; 3.0 Å after 20 ps."
    )
    found = summary.of_distinct(R_A, {"1 ps": 0 * R_A, "20 ps": np.full(80, 0.5)})
    assert "0 after 1 ps; 0.50 after 20 ps" in found


def test_density_of_ions_that_stay():
    projection = np.zeros((20, 20))
    projection[5, 5] = 4.0
    assert summary.of_density(projection) == "The density reaches 400 times its mean; it is above a tenth of that on 0.25 % of the area."
