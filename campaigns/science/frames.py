"""Configurations of one cell as arrays, and the two forms they take on disk: a frames file (npz) and a DeePMD-kit system (deepmd/npy)."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Frames:
    """Configurations that share one list of atoms.

    symbols (n_atoms,), positions_A (n_frames, n_atoms, 3), cell_A (n_frames, 3, 3) rows are lattice vectors.
    Labels: energy_eV (n_frames,), forces_eV_A (n_frames, n_atoms, 3), virial_eV (n_frames, 3, 3) = -stress * volume (DeePMD-kit's sign).
    model_* are a model's own values for the same configurations. time_ps and temperature_K (n_frames,) say where each came from.
    """

    symbols: NDArray[np.str_]
    positions_A: FloatArray
    cell_A: FloatArray
    energy_eV: FloatArray | None = None
    forces_eV_A: FloatArray | None = None
    virial_eV: FloatArray | None = None
    model_energy_eV: FloatArray | None = None
    model_forces_eV_A: FloatArray | None = None
    model_virial_eV: FloatArray | None = None
    time_ps: FloatArray | None = None
    temperature_K: FloatArray | None = None

    def __post_init__(self) -> None:
        n_frames, n_atoms = len(self.positions_A), len(self.symbols)
        shapes = {"positions_A": (n_frames, n_atoms, 3), "cell_A": (n_frames, 3, 3)}
        for prefix in ("", "model_"):
            shapes |= {
                f"{prefix}energy_eV": (n_frames,),
                f"{prefix}forces_eV_A": (n_frames, n_atoms, 3),
                f"{prefix}virial_eV": (n_frames, 3, 3),
            }
        shapes |= {"time_ps": (n_frames,), "temperature_K": (n_frames,)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")

    def __len__(self) -> int:
        return len(self.positions_A)

    def __getitem__(self, indices: list[int] | NDArray[np.integer]) -> Self:
        chosen = np.asarray(indices, dtype=int)
        return type(self)(self.symbols, **{name: None if array is None else array[chosen] for name, array in self._arrays().items()})

    def _arrays(self) -> dict[str, FloatArray | None]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "symbols"}

    def save(self, path: Path) -> None:
        """Write a frames file whole or not at all."""
        temporary = path.with_name(f".{path.name}.part")
        with temporary.open("wb") as stream:
            np.savez_compressed(
                stream, symbols=self.symbols, **{name: array for name, array in self._arrays().items() if array is not None}
            )
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as archive:
            return cls(**{name: archive[name] for name in archive.files})


def reduced_composition(symbols: NDArray[np.str_]) -> str:
    """Counts of the elements over their greatest common divisor, alphabetically: Li20Ge2P4S24 is `Ge1 Li10 P2 S12`."""
    elements, counts = np.unique(symbols, return_counts=True)
    return " ".join(f"{element}{count}" for element, count in zip(elements, counts // np.gcd.reduce(counts), strict=True))


def concatenate(parts: list[Frames]) -> Frames:
    """Frames of one cell, one after the other. Raises ValueError where the atoms differ or an array is missing in some."""
    first = parts[0]
    if any(not np.array_equal(part.symbols, first.symbols) for part in parts):
        raise ValueError("frames of different atom lists cannot be joined")
    joined = {}
    for name in first._arrays():
        arrays = [getattr(part, name) for part in parts]
        if any(array is None for array in arrays) != all(array is None for array in arrays):
            raise ValueError(f"{name} is missing in some of the frames")
        joined[name] = None if arrays[0] is None else np.concatenate(arrays)
    return Frames(first.symbols, **joined)


def by_virial(parts: list[Frames]) -> list[Frames]:
    """Labelled frames of one cell joined: those that have a virial, and those that have none. A reference method need not give one, and
    one that is not known is not zero.
    """
    with_virial = [part for part in parts if part.virial_eV is not None]
    without = [part for part in parts if part.virial_eV is None]
    return [concatenate(same) for same in (with_virial, without) if same]


def write_deepmd_system(frames: Frames, type_map: list[str], folder: Path) -> None:
    """Write labelled frames as one DeePMD-kit system (deepmd/npy, one set), with virial.npy where they have one."""
    if frames.energy_eV is None or frames.forces_eV_A is None:
        raise ValueError("only labelled frames make a DeePMD-kit system")
    types = [type_map.index(symbol) for symbol in frames.symbols]
    data = folder / "set.000"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "type.raw").write_text("\n".join(map(str, types)) + "\n")
    (folder / "type_map.raw").write_text("\n".join(type_map) + "\n")
    n_frames = len(frames)
    np.save(data / "box.npy", frames.cell_A.reshape(n_frames, 9).astype(np.float64))
    np.save(data / "coord.npy", frames.positions_A.reshape(n_frames, -1).astype(np.float64))
    np.save(data / "energy.npy", frames.energy_eV.astype(np.float64))
    np.save(data / "force.npy", frames.forces_eV_A.reshape(n_frames, -1).astype(np.float64))
    if frames.virial_eV is not None:
        np.save(data / "virial.npy", frames.virial_eV.reshape(n_frames, 9).astype(np.float64))
