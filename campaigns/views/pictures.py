"""Structures as the small JSON that static/js/structure.js draws: lattice vectors, and for each atom its place, radius and occupancy."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from campaigns.models import Cell, Frame, Material

# Ball-and-stick proportions: covalent radii shrunk, so that one sees through the cell.
RADIUS_SCALE = 0.38
DEFAULT_RADIUS_A = 1.2


def _picture(
    cell_A: NDArray[np.floating], symbols: Iterable[str], positions_A: NDArray[np.floating], occupancies: Iterable[float] | None = None
) -> dict[str, Any]:
    """cell_A (3, 3), positions_A (n, 3); atoms are put back into the cell."""
    from ase.data import atomic_numbers, covalent_radii

    inside_A = (positions_A @ np.linalg.inv(cell_A)) % 1.0 @ cell_A
    names = list(symbols)
    shares = list(occupancies) if occupancies is not None else [1.0] * len(names)
    radii = {name: float(covalent_radii[atomic_numbers[name]]) if name in atomic_numbers else DEFAULT_RADIUS_A for name in set(names)}
    return {
        "cell": np.round(cell_A, 4).tolist(),
        "atoms": [
            {"symbol": name, "xyz": xyz, "radius": round(RADIUS_SCALE * radii[name], 3), "occupancy": share}
            for name, xyz, share in zip(names, np.round(inside_A, 3).tolist(), shares, strict=True)
        ],
    }


def lattice_vectors(material: Material) -> NDArray[np.floating]:
    """(3, 3) in Å, rows a, b, c."""
    from ase.cell import Cell as Lattice

    return np.array(
        Lattice.fromcellpar([material.a_A, material.b_A, material.c_A, material.alpha_deg, material.beta_deg, material.gamma_deg])
    )


def of_material(material: Material) -> dict[str, Any]:
    """The cell as uploaded. A site that several species share shows the most frequent one, as opaque as the site is occupied."""
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
    return _picture(cell_A, [row[0] for row in rows], fractional @ cell_A, [row[2] for row in rows])


def of_cell(cell: Cell) -> dict[str, Any]:
    """The ordered, relaxed supercell that the prepare stage wrote."""
    from ase.io import read

    atoms = read(cell.structure.file, format="extxyz")
    return _picture(atoms.cell.array, atoms.get_chemical_symbols(), atoms.positions)


def of_frame(frame: Frame) -> dict[str, Any]:
    from campaigns.science.frames import Frames

    found = Frames.load(frame.artefact.file)
    return _picture(found.cell_A[frame.row], found.symbols.tolist(), found.positions_A[frame.row])
