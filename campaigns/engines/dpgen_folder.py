"""Reads a run folder of DP-GEN: what was labelled in every iteration, how well the models learned it, how far they disagreed.

    python -m campaigns.engines.dpgen_folder PATH OUT

writes frames, models, learning curves and model deviations below OUT, in the folders of a campaign, and prints what they are as JSON; or
with exit status 3 why the folder cannot be used: for campaigns/engines/bounded.py. PATH is a run folder, or a tar or zip file of one; of a
packed one nothing outside it is read.

DP-GEN (deepmodeling/dpgen, dpgen/generator/run.py): iter.NNNNNN/{00.train,01.model_devi,02.fp}; 02.fp/data.SSS are the labels of system
SSS, its tasks sorted by name; candidate.shuffled.SSS.out names where each came from.
"""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.engines import dpgen_settings, unpacking, upload_formats
from campaigns.engines.dpgen_files import deviations_of, finite, first_number, mapping, read_model_deviation, text_of
from campaigns.engines.job import read_json, to_json, write_json
from campaigns.science.dp_input import final_error, read_learning_curve
from campaigns.science.frames import Frames
from campaigns.science.selection import min_distance_A

MAX_ITERATIONS = 10_000
_ITERATION = re.compile(r"iter\.(\d{6})")


class DpgenRefused(ValueError):
    """The folder cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Part:
    """Labelled frames of one list of atoms: `file` below OUT; `deviation_eV_A` of each, None where it cannot be told. `system` is the SSS
    of 02.fp/data.SSS; None of the data that the run began with.
    """

    file: str
    min_distances_A: list[float]
    deviations_eV_A: list[float | None]
    system: int | None = None


@dataclass(frozen=True)
class Model:
    """One of the committee. Errors are of the last batches of its learning curve; files are below OUT."""

    index: int
    frozen: str
    learning_curve: str
    input_json: str
    force_rmse_eV_A: float
    energy_rmse_meV_atom: float
    sel: list[int]
    seed: int


@dataclass(frozen=True)
class Exploration:
    """One task of 01.model_devi: how many of its frames were accurate, candidates or failed, and the largest force deviations."""

    task: str
    file: str
    temperature_K: float | None
    duration_ps: float
    n_accurate: int
    n_candidate: int
    n_failed: int
    n_unreadable: int
    largest_eV_A: float | None
    mean_eV_A: float | None


@dataclass
class Iteration:
    """`number` is DP-GEN's, from 0; of the data that it began with -1."""

    number: int
    parts: list[Part] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    explorations: list[Exploration] = field(default_factory=list)


@dataclass
class Run:
    type_map: list[str]
    fp_style: str
    trust_eV_A: tuple[float, float]
    last: tuple[int, int] | None  # iteration and stage in record.dpgen
    iterations: list[Iteration]
    notes: list[str]
    settings: list[str]  # files below OUT that the run was set up by
    cif: str = ""


def read_run(path: Path, out: Path) -> Run:
    """Read a run folder or a packed one. Raises DpgenRefused."""
    if not unpacking.is_archive(path):
        return _Reader(_root(path), out, inside_only=False).run()
    with tempfile.TemporaryDirectory(dir=out) as name:
        place = Path(name) / "run"
        place.mkdir()
        try:
            unpacking.unpack(path, place, skip_links=True)
        except unpacking.ArchiveRefused as error:
            raise DpgenRefused(f"{error}.") from error
        return _Reader(_root(place), out, inside_only=True).run()


def _root(path: Path) -> Path:
    """The folder that holds param.json and iterations: the one given, or one or two below it."""
    for pattern in ("param.json", "*/param.json", "*/*/param.json"):
        for found in sorted(path.glob(pattern)) if path.is_dir() else []:
            if any(_ITERATION.fullmatch(one.name) for one in found.parent.iterdir()):
                return found.parent
    raise DpgenRefused(f"{path.name} is no run folder of DP-GEN: it needs param.json beside iter.000000, as `dpgen run` leaves them.")


class _Reader:
    def __init__(self, root: Path, out: Path, *, inside_only: bool) -> None:
        self.root, self.out, self.inside_only = root, out, inside_only
        self.notes: list[str] = []
        param = read_json(root / "param.json")
        if not isinstance(param, dict) or not isinstance(param.get("type_map"), list):
            raise DpgenRefused("param.json is not JSON with a type_map: DP-GEN could not have read it either.")
        self.param: dict[str, Any] = param

    def run(self) -> Run:
        numbers = sorted(int(found[1]) for one in self.root.iterdir() if (found := _ITERATION.fullmatch(one.name)))[:MAX_ITERATIONS]
        first = Iteration(-1, parts=self._parts(self._init_systems(), self._folder(-1, "s0-0"), []))
        iterations = [first, *(self._iteration(number) for number in numbers)]
        if not any(iteration.parts for iteration in iterations):
            raise DpgenRefused("The run holds no labelled configuration: neither initial data nor 02.fp/data.* of any iteration.")
        trust = tuple(first_number(self.param.get(f"model_devi_f_trust_{name}"), limit) for name, limit in (("lo", 0.0), ("hi", np.inf)))
        record = [line.split() for line in text_of(self.root / "record.dpgen").splitlines() if len(line.split()) == 2]
        last = (int(record[-1][0]), int(record[-1][1])) if record else None
        style = str(self.param.get("fp_style", "unknown"))
        kept, notes = dpgen_settings.keep(self.root, self.param, self.out, self._may_read)
        found = Run([str(one) for one in self.param["type_map"]], style, trust, last, iterations, self.notes + notes, kept)
        found.cif = self._cif(iterations)
        return found

    def _folder(self, number: int, stage: str) -> Path:
        loop = "loop-0/step-0" if number < 0 else f"loop-1/step-{number + 1}"
        return self.out / loop / stage / "attempt-1"

    def _init_systems(self) -> list[Path]:
        """DeePMD-kit systems that the run began with, at any depth below the places that param.json names."""
        systems: list[Path] = []
        prefix = self.root / str(self.param.get("init_data_prefix", "."))
        for name in self.param.get("init_data_sys", []):
            options = [prefix / str(name), self.root / "iter.000000" / "00.train" / "data.init" / str(name)]
            place = next((one for one in options if self._may_read(one) and one.exists()), None)
            if place is None:
                self.notes.append(f"The initial data {name} are not in the folder and are left out.")
            else:
                systems += _systems(place)
        return systems

    def _may_read(self, path: Path) -> bool:
        return not self.inside_only or path.resolve().is_relative_to(self.root.resolve())

    def _iteration(self, number: int) -> Iteration:
        place = self.root / f"iter.{number:06d}"
        found = Iteration(number)
        for index, task in enumerate(sorted(place.glob("01.model_devi/task.*"))):
            found.explorations.extend(self._exploration(number, index, task))
        for index, folder in enumerate(sorted(place.glob("00.train/[0-9][0-9][0-9]"))):
            found.models.extend(self._model(number, index, folder))
        for data in sorted(place.glob("02.fp/data.*")):
            deviations = deviations_of(data, place)
            parts = self._parts(_systems(data), self._folder(number, "label-0"), deviations, len(found.parts))
            found.parts += [replace(part, system=int(system)) if (system := data.suffix[1:]).isdecimal() else part for part in parts]
        return found

    def _parts(self, systems: list[Path], folder: Path, deviations: list[float | None], offset: int = 0) -> list[Part]:
        parts = []
        for system in systems:
            configurations = list(upload_formats.read(system, upload_formats.detect(system)))
            known = deviations if len(systems) == 1 and len(deviations) == len(configurations) else [None] * len(configurations)
            groups: dict[tuple[str, ...], list[int]] = {}
            for row, one in enumerate(configurations):
                if one.energy_eV is None or one.forces_eV_A is None or one.cell_A is None:
                    raise DpgenRefused(f"{system.name}: a configuration has no energy, no forces or no cell.")
                groups.setdefault(one.symbols, []).append(row)
            for symbols, rows in groups.items():
                name = f"frames-{offset + len(parts)}.npz"
                frames = _frames(symbols, [configurations[row] for row in rows])
                folder.mkdir(parents=True, exist_ok=True)
                frames.save(folder / name)
                distances = [min_distance_A(positions, cell) for positions, cell in zip(frames.positions_A, frames.cell_A, strict=True)]
                parts.append(Part(str((folder / name).relative_to(self.out)), distances, [known[row] for row in rows]))
        return parts

    def _model(self, number: int, index: int, folder: Path) -> Iterator[Model]:
        graphs = [folder.parent / f"graph.{folder.name}.pb", folder / "frozen_model.pb"]
        graphs += [one.with_suffix(".pth") for one in graphs]
        frozen = next((one for one in graphs if one.is_file() and self._may_read(one)), None)
        curve = read_learning_curve(folder / "lcurve.out")
        force, energy = (finite(final_error(curve, name)) for name in ("f", "e"))
        if frozen is None or force is None or energy is None:
            self.notes.append(f"Model {folder.name} of iteration {number} has no frozen graph or no lcurve.out and is left out.")
            return
        target = self._folder(number, f"train-{index}" + (f"-repeat-{index}" if index else ""))
        target.mkdir(parents=True, exist_ok=True)
        copies = {"frozen": f"frozen_model{frozen.suffix}", "learning_curve": "lcurve.out", "input_json": "input.json"}
        shutil.copyfile(frozen, target / copies["frozen"])
        shutil.copyfile(folder / "lcurve.out", target / "lcurve.out")
        given = read_json(folder / "input.json")
        given = given if isinstance(given, dict) else {}
        write_json(target / "input.json", given)
        model, training = mapping(given.get("model")), mapping(given.get("training"))
        sel = mapping(model.get("descriptor")).get("sel")
        sel, seed = sel if isinstance(sel, list) else [], training.get("seed")
        files = {name: str((target / file).relative_to(self.out)) for name, file in copies.items()}
        seed = seed if isinstance(seed, int) and 0 <= seed < 2**31 else 0
        yield Model(index, **files, force_rmse_eV_A=force, energy_rmse_meV_atom=1000 * energy, sel=sel, seed=seed)

    def _exploration(self, number: int, index: int, task: Path) -> Iterator[Exploration]:
        rows = read_model_deviation(task / "model_devi.out")
        if not len(rows):
            return
        target = self._folder(number, f"explore-{index}")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(task / "model_devi.out", target / "model_devi.out")
        job = mapping(read_json(task / "job.json"))
        low, high = (first_number(self.param.get(f"model_devi_f_trust_{name}"), limit) for name, limit in (("lo", 0.0), ("hi", np.inf)))
        judged = rows[rows[:, 0] >= first_number(self.param.get("model_devi_skip"), 0.0)]
        force = judged[:, 4]
        known = force[np.isfinite(force)]
        dt_ps = first_number(job.get("model_devi_dt", self.param.get("model_devi_dt")), 0.0)
        yield Exploration(
            task=task.name,
            file=str((target / "model_devi.out").relative_to(self.out)),
            temperature_K=finite(first_number(job.get("temps"), np.nan)),
            duration_ps=float(rows[-1, 0]) * dt_ps,
            n_accurate=int((known < low).sum()),
            n_candidate=int(((known >= low) & (known < high)).sum()),
            n_failed=int((known >= high).sum()),
            n_unreadable=int(len(force) - len(known)),
            largest_eV_A=float(known.max()) if len(known) else None,
            mean_eV_A=float(known.mean()) if len(known) else None,
        )

    def _cif(self, iterations: list[Iteration]) -> str:
        """The first configuration, as the material that the run is about."""
        import io

        from ase import Atoms
        from ase.io import write

        first = next(part for iteration in iterations for part in iteration.parts)
        frames = Frames.load(self.out / first.file)
        atoms = Atoms(frames.symbols.tolist(), positions=frames.positions_A[0], cell=frames.cell_A[0], pbc=True)
        stream = io.BytesIO()
        write(stream, atoms, format="cif")
        return stream.getvalue().decode()


def _frames(symbols: tuple[str, ...], configurations: list[upload_formats.Configuration]) -> Frames:
    virials = [one.virial_eV for one in configurations]
    return Frames(
        np.array(symbols),
        np.array([one.positions_A for one in configurations]),
        np.array([one.cell_A for one in configurations]),
        energy_eV=np.array([one.energy_eV for one in configurations]),
        forces_eV_A=np.array([one.forces_eV_A for one in configurations]),
        virial_eV=None if any(virial is None for virial in virials) else np.array(virials),
    )


def _systems(place: Path) -> list[Path]:
    """Folders of DeePMD-kit at `place` or below it (dpdata writes one for each formula)."""
    return sorted({one.parent for one in place.rglob("type.raw")})


if __name__ == "__main__":
    try:
        result = read_run(Path(sys.argv[1]), Path(sys.argv[2]))
    except (DpgenRefused, upload_formats.UploadRefused) as error:
        print(error)
        sys.exit(3)
    print(json.dumps(to_json(result)))
