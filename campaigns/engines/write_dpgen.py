"""Writes the labels of a campaign as DeePMD-kit systems where DP-GEN looks for them, and its cells as POSCARs.

    python -m campaigns.engines.write_dpgen FOLDER

reads FOLDER/spec.json. A system is named by its formula, as dpdata names them in 02.fp/data.SSS.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from campaigns.engines.job import from_json, read_json
from campaigns.science.frames import Frames, by_virial, write_deepmd_system


@dataclass(frozen=True)
class Selected:
    path: str
    rows: list[int]


@dataclass(frozen=True)
class Systems:
    """All frames that belong into one folder; one system for each list of atoms among them."""

    folder: str
    selections: list[Selected]


@dataclass(frozen=True)
class WriteDpgenSpec:
    type_map: list[str]
    systems: list[Systems]
    poscars: dict[str, str]  # by name: the structure's file


def run(folder: Path, spec: WriteDpgenSpec) -> None:
    from ase.io import read, write  # not above: the service that makes the spec is loaded by the web server

    for one in spec.systems:
        groups: dict[tuple[str, ...], list[Frames]] = {}
        for selection in one.selections:
            loaded = Frames.load(Path(selection.path))[selection.rows]
            labelled = Frames(loaded.symbols, loaded.positions_A, loaded.cell_A, loaded.energy_eV, loaded.forces_eV_A, loaded.virial_eV)
            groups.setdefault(tuple(loaded.symbols), []).append(labelled)
        names: dict[str, int] = {}
        for frames in (joined for parts in groups.values() for joined in by_virial(parts)):
            name = _formula(frames.symbols, spec.type_map)
            names[name] = names.get(name, 0) + 1
            suffix = f"-{names[name]}" if names[name] > 1 else ""  # the same atoms in another order, or without virial
            write_deepmd_system(frames, spec.type_map, folder / one.folder / (name + suffix))
    for name, structure in spec.poscars.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)

        write(folder / name, read(structure, format="extxyz"), format="vasp", sort=True)


def _formula(symbols: np.ndarray, type_map: list[str]) -> str:
    counts = {element: int((symbols == element).sum()) for element in type_map}
    return "".join(f"{element}{count}" for element, count in counts.items() if count)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    run(place, from_json(WriteDpgenSpec, read_json(place / "spec.json")))
