"""A training set and a model small enough to be made in seconds by the real programs, shared by the tests of the engines."""

from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.morse import MorsePotential

from campaigns.engines import train
from campaigns.engines.job import Progress
from campaigns.engines.specs import DescriptorSpec, FrameSelection, TrainResult, TrainSpec
from campaigns.science.frames import Frames

TYPE_MAP = ["Li", "N"]
LATTICE_A = 3.6
# Nearest neighbours of the face-centred crystal sit at the minimum, so it is stable and MD with the model stays close to it.
MORSE = {"epsilon": 0.3, "r0": LATTICE_A / 2**0.5, "rho0": 4.0, "rcut1": 2.9, "rcut2": 3.5}
DESCRIPTOR = DescriptorSpec(
    cutoff_A=3.8, cutoff_smooth_A=1.0, embedding_net=[4, 8, 16], axis_neurons=4, fitting_net=[16, 16], precision="float32"
)


def morse_cell() -> Atoms:
    """8 atoms: layers of Li and of N in a face-centred crystal held together by one Morse pair potential."""
    cell = bulk("Li", "fcc", a=LATTICE_A, cubic=True).repeat((2, 1, 1))
    cell.symbols = np.where(np.isclose(cell.positions[:, 2], 0), "Li", "N")
    return cell[np.argsort(cell.numbers, kind="stable")]


def morse_frames(n_frames: int, seed: int) -> Frames:
    """The cell with its atoms displaced and its lattice strained at random, labelled."""
    rng = np.random.default_rng(seed)
    ideal = morse_cell()
    positions, cells, energies, forces, virials = [], [], [], [], []
    for amplitude_A in rng.uniform(0.03, 0.2, n_frames):
        atoms = ideal.copy()
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.02 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.positions += amplitude_A * rng.normal(size=(len(atoms), 3))
        atoms.calc = MorsePotential(**MORSE)
        positions.append(atoms.positions)
        cells.append(atoms.cell.array)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        virials.append(-atoms.get_stress(voigt=False) * atoms.get_volume())
    return Frames(np.array(ideal.get_chemical_symbols()), *map(np.array, (positions, cells, energies, forces, virials)))


def train_spec(frames_file: Path, n_frames: int, **changes) -> TrainSpec:
    values = {
        "frames": [FrameSelection(str(frames_file), list(range(n_frames)))],
        "type_map": TYPE_MAP,
        "descriptor": DESCRIPTOR,
        "n_batches": 150,
        "batch_size": 1,
        "learning_rate_start": 5e-3,
        "learning_rate_stop": 1e-4,
        "seed": 1,
        "max_force_rms_ratio": 0.9,
        "max_repeats": 0,
        "compress": False,
        "cores": 2,
    }
    return TrainSpec(**values | changes)


@dataclass(frozen=True)
class TinyModel:
    """A model trained by the real stage. Paths are absolute; `result` has the stage's own, relative to `folder`."""

    folder: Path
    spec: TrainSpec
    result: TrainResult
    model_file: Path
    compressed_model_file: Path
    checkpoint: str
    type_map: list[str]
    cell_file: Path  # extended XYZ of the crystal at rest
    frames_file: Path  # the training set
    frames: Frames


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> TinyModel:
    folder = tmp_path_factory.mktemp("tiny-model")
    frames = morse_frames(40, seed=0)
    frames_file, cell_file = folder / "frames.npz", folder / "cell.extxyz"
    frames.save(frames_file)
    ase.io.write(cell_file, morse_cell(), format="extxyz")
    spec = train_spec(frames_file, len(frames), n_batches=1000, compress=True)
    result = train.run(folder, spec, Progress(folder))
    return TinyModel(
        folder, spec, result, folder / result.model_file, folder / result.compressed_model_file, str(folder / result.checkpoint),
        TYPE_MAP, cell_file, frames_file, frames,
    )  # fmt: skip
