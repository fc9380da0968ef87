"""People, and what they have uploaded."""

import hashlib

from django.contrib.auth import get_user_model

from campaigns.models import Material
from tests.factories.files import numbers

FACTS = {
    "elements": ["Ge", "Li", "P", "S"],
    "oxidation_states": {"Li": 1.0, "Ge": 4.0, "P": 5.0, "S": -2.0},
    "net_charge_e": 0.14,
    "disorder": "Li is spread over more sites than there are ions, and Ge and P share a site.",
    "mobile_ion": "Li",
    "mobile_ion_reason": "the only alkali metal",
    "warnings": ["The occupancies add up to a charge of +0.14 e; ordering rounds them to a neutral cell."],
    "sites": [
        {
            "label": "Li1",
            "species": [{"symbol": "Li", "occupancy": 0.691}],
            "multiplicity": 2,
            "fractional": [0.25, 0.27, 0.18],
            "disordered": True,
            "positions": [[0.25, 0.27, 0.18], [0.75, 0.73, 0.82]],
        },
        {
            "label": "Ge1",
            "species": [{"symbol": "Ge", "occupancy": 0.515}, {"symbol": "P", "occupancy": 0.485}],
            "multiplicity": 4,
            "fractional": [0.0, 0.5, 0.69],
            "disordered": True,
            "positions": [[0.0, 0.5, 0.69], [0.5, 0.0, 0.81], [0.5, 0.0, 0.31], [0.0, 0.5, 0.19]],
        },
        {
            "label": "S1",
            "species": [{"symbol": "S", "occupancy": 1.0}],
            "multiplicity": 2,
            "fractional": [0.0, 0.18, 0.41],
            "disordered": False,
            "positions": [[0.0, 0.18, 0.41], [0.5, 0.68, 0.91]],
        },
    ],
    "proposed_cells": {
        "training": {"supercell": [1, 1, 1], "n_atoms": 50, "reason": "8.7 Å across, more than 1.4 cut-off radii."},
        "evaluation": {"supercell": [2, 2, 1], "n_atoms": 200, "reason": "At least 12 Å in every direction."},
    },
}


def user(name: str = "ada", **columns):
    found = get_user_model().objects.filter(username=name).first()
    return found or get_user_model().objects.create_user(name, password="an interstitial ion", **columns)


def material(owner, name: str = "LGPS", **columns) -> Material:
    text = f"data_{name}\n# {next(numbers)}\n"
    values = {
        "cif": text,
        "cif_filename": "lgps.cif",
        "cif_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "formula": "Li20.14Ge2.06P3.94S24",
        "reduced_formula": "Li10GeP2S12",
        "space_group": "P4_2/nmc",
        "space_group_number": 137,
        "a_A": 8.69,
        "b_A": 8.69,
        "c_A": 12.60,
        "alpha_deg": 90.0,
        "beta_deg": 90.0,
        "gamma_deg": 90.0,
        "volume_A3": 951.5,
        "density_g_cm3": 2.06,
        "n_atoms": 50.2,
        "is_disordered": True,
        "mobile_ion": "Li",
        "facts": FACTS,
    }
    return Material.objects.create(owner=owner, name=name, **(values | columns))
