"""Labels that were computed before, in any campaign: no label is paid for twice.

One small file a label, named by a hash of the geometry and of the method, written whole and then renamed: engines on one file system
share the folder without asking each other, and a kill leaves nothing half. It holds nothing that cannot be computed again, so it may be
deleted at any time; a file that cannot be read is one that is not there.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from campaigns.engines.job import read_json, write_json
from campaigns.engines.labellers.base import Label, LabelFailed, Labeller, Option, finite_label, option_values

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


def method_key(name: str, options: Mapping[str, Any], definitions: Sequence[Option], versions: Mapping[str, Any]) -> str:
    """The same for methods that give the same label: defaults are written out, time limits and the like are left out."""
    values = {option.name: _canonical(option, options) for option in definitions if option.changes_label}
    text = json.dumps([name, values, dict(versions)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(option: Option, options: Mapping[str, Any]) -> Any:
    """A value as the method reads it (450 is 450.0, a text is its lines), or as it was given where it is of another kind."""
    given = options.get(option.name, option.default)
    if option.kind == "files":
        return given
    try:
        return option_values([option], {option.name: given})[option.name]
    except ValueError:
        return given


class KnownLabels:
    """The labels of one method. `asked_by` says which stage computes: a label of its own that it finds after a kill is not a found one.

    `data`: the texts, such as pseudopotentials, that a label of these elements depends on beside the options. Raises ValueError where one
    is missing.
    """

    def __init__(self, folder: Path, method: str, asked_by: str, data: Callable[[Sequence[str]], list[str]] | None = None) -> None:
        self._folder = folder
        self._method = method
        self._asked_by = asked_by
        self._data = data
        self._keys: dict[tuple[str, ...], str] = {}

    def find(self, atoms: "Atoms") -> Label | None:
        path = self._path(atoms)
        record = read_json(path) if path else None
        try:
            label = Label(
                float(record["energy_eV"]),
                _array(record["forces_eV_A"], (len(atoms), 3)),
                _array(record["virial_eV"], (3, 3)),
                found=record["asked_by"] != self._asked_by,
            )
            return finite_label(label)
        except (TypeError, ValueError, KeyError, LabelFailed):  # none, or not whole
            return None

    def keep(self, atoms: "Atoms", label: Label, seconds: float) -> None:
        """Nothing where one may only read. Raises OSError where the disk is full: the files of the stage would not fit either."""
        path = self._path(atoms)
        if path is None:
            return
        record = {
            "energy_eV": label.energy_eV,
            "forces_eV_A": label.forces_eV_A.tolist(),
            "virial_eV": label.virial_eV.tolist(),
            "seconds": round(seconds, 3),
            "asked_by": self._asked_by,
        }
        with contextlib.suppress(PermissionError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, record, durable=False)  # thousands along a dynamics; what a power cut takes is computed again

    def _path(self, atoms: "Atoms") -> Path | None:
        """None for a geometry that has no key, or whose elements lack their data."""
        from campaigns.science.selection import geometry_key

        if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all() and atoms.cell.volume > 0):
            return None
        geometry = geometry_key(atoms.get_chemical_symbols(), atoms.positions, atoms.cell.array)
        try:
            method = self._method_for(tuple(sorted(set(atoms.get_chemical_symbols()))))
        except ValueError:
            return None
        name = hashlib.sha256(f"{method} {geometry}".encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"

    def _method_for(self, elements: tuple[str, ...]) -> str:
        """The method with the data of these elements; files do not change under a stage that runs."""
        if self._data is None:
            return self._method
        if elements not in self._keys:
            self._keys[elements] = hashlib.sha256(json.dumps([self._method, self._data(elements)]).encode()).hexdigest()
        return self._keys[elements]


def _array(value: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{array.shape} is not {shape}")
    return array


class RememberingLabeller(Labeller):
    """A method that looks before it computes, in dynamics and relaxations too."""

    def __init__(self, labeller: Labeller, known: KnownLabels) -> None:
        self._labeller = labeller
        self._known = known
        self.calculator = _calculator(self)

    def describe(self) -> dict[str, Any]:
        return self._labeller.describe()

    def label(self, atoms: "Atoms", name: str = "") -> Label:
        known = self._known.find(atoms)
        if known is not None:
            return known
        started = time.perf_counter()
        label = self._labeller.label(atoms, name)
        self._known.keep(atoms, label, time.perf_counter() - started)
        return replace(label, found=False)


def n_found(atoms: "Atoms") -> int:
    """How many of the labels along a dynamics or relaxation had been computed before, by another stage."""
    return getattr(atoms.calc, "n_found", 0)


def _calculator(labeller: RememberingLabeller) -> "Calculator":
    """ase is imported when a method is built, not when a page looks at it."""
    from ase.calculators.calculator import Calculator, all_changes
    from ase.stress import full_3x3_to_voigt_6_stress

    class RememberingCalculator(Calculator):
        """Energy, forces and stress (Voigt, eV/A^3) of one label; the same to the last bit whether it was found or computed."""

        implemented_properties = ["energy", "free_energy", "forces", "stress"]

        def __init__(self) -> None:
            super().__init__()
            self.n_found = 0

        def calculate(
            self, atoms: "Atoms | None" = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            label = labeller.label(self.atoms)
            self.n_found += label.found
            stress = full_3x3_to_voigt_6_stress(-label.virial_eV / self.atoms.get_volume())
            self.results = {
                "energy": label.energy_eV, "free_energy": label.energy_eV, "forces": label.forces_eV_A, "stress": stress,
            }  # fmt: skip

    return RememberingCalculator()
