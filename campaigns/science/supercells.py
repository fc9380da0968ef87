"""Supercells to propose: a small one to train on, one without finite-size trouble to evaluate on."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

# The paper trains on 50 (LGPS), 192 (LLZO) and 80 (NASICON) atoms and evaluates on 200, 192 and 480.
TRAINING_ATOMS = 48
TRAINING_HEIGHT_A = 7.5
EVALUATION_HEIGHT_A = 12.0  # twice the cut-off of 6 A: no atom sees another twice
EVALUATION_ATOMS = 512
MAX_REPEAT = 10
NEARLY = 1.25  # so many times the fewest atoms are worth a more isotropic cell


@dataclass(frozen=True)
class ProposedCell:
    supercell: tuple[int, int, int]
    n_atoms: int
    reason: str


@dataclass(frozen=True)
class ProposedCells:
    training: ProposedCell
    evaluation: ProposedCell


def propose_cells(cell_A: NDArray[np.float64], n_atoms: float) -> ProposedCells:
    """cell_A (3, 3) rows are lattice vectors; n_atoms: sum of the occupancies of that cell.

    Training: fewest atoms with >= 48 atoms and >= 7.5 A between parallel faces. Evaluation: fewest atoms with >= 12 A, at most 512, never
    smaller than the training cell; where those are not enough, the most isotropic cell within them.
    """
    heights_A = 1 / np.linalg.norm(np.linalg.inv(cell_A), axis=0)
    training = _smallest(heights_A, n_atoms, TRAINING_HEIGHT_A, TRAINING_ATOMS)
    evaluation = _smallest(heights_A, n_atoms, EVALUATION_HEIGHT_A, TRAINING_ATOMS)
    if _atoms(evaluation, n_atoms) > EVALUATION_ATOMS:
        evaluation = _widest(heights_A, n_atoms)
    if _atoms(evaluation, n_atoms) < _atoms(training, n_atoms):
        evaluation = training
    return ProposedCells(
        _proposed(training, heights_A, n_atoms, "training", TRAINING_HEIGHT_A),
        _proposed(evaluation, heights_A, n_atoms, "evaluation", EVALUATION_HEIGHT_A),
    )


def _atoms(repeats: tuple[int, int, int], n_atoms: float) -> int:
    return round(repeats[0] * repeats[1] * repeats[2] * n_atoms)


def _smallest(heights_A: NDArray[np.float64], n_atoms: float, height_A: float, least_atoms: int) -> tuple[int, int, int]:
    """The largest smallest height among the cells of nearly the fewest atoms: 3x3x3, not 2x2x6, of a small cubic cell."""
    counts = list(product(range(1, MAX_REPEAT + 1), repeat=3))
    fitting = [repeats for repeats in counts if (heights_A * repeats).min() >= height_A and _atoms(repeats, n_atoms) >= least_atoms]
    most = NEARLY * min((_atoms(repeats, n_atoms) for repeats in fitting), default=0)
    small = [repeats for repeats in fitting if _atoms(repeats, n_atoms) <= most]
    return min(small or [(MAX_REPEAT,) * 3], key=lambda repeats: (-(heights_A * repeats).min().round(6), _atoms(repeats, n_atoms), repeats))


def _widest(heights_A: NDArray[np.float64], n_atoms: float) -> tuple[int, int, int]:
    """The largest smallest height within the most atoms; of those, the fewest atoms."""
    counts = list(product(range(1, MAX_REPEAT + 1), repeat=3))
    fitting = [repeats for repeats in counts if _atoms(repeats, n_atoms) <= EVALUATION_ATOMS]
    return min(fitting or [(1, 1, 1)], key=lambda repeats: (-(heights_A * repeats).min(), _atoms(repeats, n_atoms), repeats))


def _proposed(repeats: tuple[int, int, int], heights_A: NDArray[np.float64], n_atoms: float, purpose: str, wanted_A: float) -> ProposedCell:
    height_A = float((heights_A * repeats).min())
    if height_A < wanted_A:
        reason = (
            f"The most isotropic cell of at most {EVALUATION_ATOMS} atoms; the distance between its faces, {height_A:.1f} Å, "
            f"is below {wanted_A:g} Å."
        )
    elif purpose == "training":
        reason = f"The smallest cell of at least {TRAINING_ATOMS} atoms and {wanted_A:g} Å between its faces (here {height_A:.1f} Å)."
    else:
        reason = f"The smallest cell with at least {wanted_A:g} Å between its faces (here {height_A:.1f} Å), twice a cut-off of 6 Å."
    return ProposedCell(repeats, _atoms(repeats, n_atoms), reason)
