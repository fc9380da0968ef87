"""Structures as the small JSON that static/js/structure.js draws: lattice vectors, and for each atom its place, radius and occupancy.

An atom on a face, an edge or a corner of the cell lies on the opposite ones too: those are `images`, which are drawn and not counted.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from campaigns.models import Cell, Frame, Material
from campaigns.templatetags.present import percent_fine

# Ball-and-stick proportions: covalent radii shrunk, so that one sees through the cell.
RADIUS_SCALE = 0.38
DEFAULT_RADIUS_A = 1.2
ON_FACE = 0.005  # of a lattice vector
WHOLLY = 0.9995  # occupied: what is less is shown with one decimal of a per cent


def _picture(
    cell_A: NDArray[np.floating],
    symbols: Iterable[str],
    positions_A: NDArray[np.floating],
    occupancies: Iterable[float] | None = None,
    legend: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """cell_A (3, 3), positions_A (n, 3); atoms are put back into the cell. `legend`: elements with what is said of them, where that is
    more than that they are there."""
    from ase.data import atomic_numbers, covalent_radii

    inside = (positions_A @ np.linalg.inv(cell_A)) % 1.0
    names = list(symbols)
    shares = list(occupancies) if occupancies is not None else [1.0] * len(names)
    radii = {name: float(covalent_radii[atomic_numbers[name]]) if name in atomic_numbers else DEFAULT_RADIUS_A for name in set(names)}

    def drawn(indices: Iterable[int], fractional: NDArray[np.floating]) -> list[dict[str, Any]]:
        return [
            {"symbol": names[n], "xyz": xyz, "radius": round(RADIUS_SCALE * radii[names[n]], 3), "occupancy": shares[n]}
            for n, xyz in zip(indices, np.round(fractional @ cell_A, 3).tolist(), strict=True)
        ]

    return {
        "cell": np.round(cell_A, 4).tolist(),
        "atoms": drawn(range(len(names)), inside),
        "images": drawn(*_images(inside)),
        "legend": [{"symbol": symbol, "said": said} for symbol, said in legend or ((name, "") for name in dict.fromkeys(names))],
    }


def _images(inside: NDArray[np.floating]) -> tuple[list[int], NDArray[np.floating]]:
    """Of atoms (n, 3) on the border of the cell: whose images they are, and where."""
    low, high = inside < ON_FACE, inside > 1 - ON_FACE
    shifts = low.astype(int) - high.astype(int)  # to the opposite face
    moved = [
        (index, inside[index] + shift * np.array(along))
        for index, shift in enumerate(shifts)
        for along in product((0, 1), repeat=3)
        if any(along) and all(shift[axis] for axis in range(3) if along[axis])
    ]
    return [index for index, _ in moved], np.array([place for _, place in moved]).reshape(-1, 3)


def lattice_vectors(material: Material) -> NDArray[np.floating]:
    """(3, 3) in Å, rows a, b, c."""
    from ase.cell import Cell as Lattice

    return np.array(
        Lattice.fromcellpar([material.a_A, material.b_A, material.c_A, material.alpha_deg, material.beta_deg, material.gamma_deg])
    )


def of_material(material: Material) -> dict[str, Any]:
    """The cell as uploaded. A site that several species share is drawn in the colour of the most frequent one, as opaque as the site is
    occupied; the legend names every element, with its occupancies where they are not whole."""
    cell_A = lattice_vectors(material)
    rows = [
        (
            max(site["species"], key=lambda species: species["occupancy"])["symbol"],
            position,
            sum(species["occupancy"] for species in site["species"]),
        )
        for site in material.facts["sites"]
        for position in site["positions"]
    ]
    fractional = np.array([row[1] for row in rows], dtype=float).reshape(-1, 3)
    return _picture(cell_A, [row[0] for row in rows], fractional @ cell_A, [row[2] for row in rows], _occupied(material.facts["sites"]))


def _occupied(sites: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Every element with the sites that it occupies in part: `P`, `48.5 % of Ge1`."""
    found: dict[str, list[str]] = {}
    for site in sites:
        for species in site["species"]:
            partial = species["occupancy"] < WHOLLY
            found.setdefault(species["symbol"], []).extend([f"{percent_fine(species['occupancy'])} of {site['label']}"] * partial)
    return [(symbol, ", ".join(dict.fromkeys(parts))) for symbol, parts in found.items()]


def of_cell(cell: Cell) -> dict[str, Any]:
    """The ordered, relaxed supercell that the prepare stage wrote."""
    from ase.io import read

    atoms = read(cell.structure.file, format="extxyz")
    return _picture(atoms.cell.array, atoms.get_chemical_symbols(), atoms.positions)


def of_frame(frame: Frame) -> dict[str, Any]:
    from campaigns.science.frames import Frames

    found = Frames.load(frame.artefact.file)
    return _picture(found.cell_A[frame.row], found.symbols.tolist(), found.positions_A[frame.row])
