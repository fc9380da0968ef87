"""What every reference method is to the stages: a `Labeller`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from campaigns.engines.specs import LabelAttempt

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


GEOMETRY_CAUSES = ("bad_geometry", "isolated_atom", "not_finite")  # of a failed label that blame the configuration
REFUSED_CAUSES = (*GEOMETRY_CAUSES, "duplicate")  # the configuration is to blame: another try ends the same
MACHINE_CAUSES = ("engine_error", "out_of_memory", "walltime")  # that blame what it was computed on


class LabelFailed(Exception):
    """One configuration has no label; the stage goes on with the next.

    `cause` is one word: `not_finite`, `isolated_atom`, `scf_not_converged`, `bad_geometry`, `walltime`, `out_of_memory`,
    `engine_error`. `attempts` says what was tried, where a method tries more than once.
    """

    def __init__(self, cause: str, message: str, attempts: tuple[LabelAttempt, ...] = ()) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.attempts = attempts


@dataclass(frozen=True)
class Label:
    """energy_eV of the whole cell, forces_eV_A (n_atoms, 3), virial_eV (3, 3) = -stress * volume.

    `attempts` is empty where the first one gave it. `found`: another stage had computed it before.
    """

    energy_eV: float
    forces_eV_A: NDArray[np.float64]
    virial_eV: NDArray[np.float64]
    attempts: tuple[LabelAttempt, ...] = ()
    found: bool = False


@dataclass(frozen=True)
class Option:
    """One option of a method, as a page shows it. `kind`: text, lines, template, number, choice, mapping (numbers by name),
    files (texts by name), json (an object of plain values).

    `low` and `high` bound a number. `label` is its title where the name does not read well. `changes_label`: False for time limits and
    other options that no number of a label depends on. `stricter` makes a better converged value of a given one.
    """

    name: str
    kind: str
    unit: str
    help: str
    default: Any
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1e9
    label: str = ""
    changes_label: bool = True
    stricter: Callable[[Any], Any] | None = None

    @property
    def title(self) -> str:
        return self.label or self.name.replace("_", " ").capitalize()


def times(factor: float) -> Callable[[Any], float]:
    """For `stricter`: a number so many times as large, to three figures."""
    return lambda value: float(f"{factor * float(value):.3g}")


def denser_mesh(text: Any) -> str:
    """For `stricter`: one k-point more along each axis, `2 2 1` gives `3 3 2`."""
    return " ".join(str(int(word) + 1) for word in str(text).replace("x", " ").replace("×", " ").split())


class OptionsRefused(ValueError):
    """Options that a method cannot use: sentences by the name of the option."""

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__(" ".join(f"{name}: {text}" for name, texts in problems.items() for text in texts))
        self.problems = problems


def option_values(definitions: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option, with its default where it is not given. Raises OptionsRefused."""
    values, problems = {}, {}
    for option in definitions:
        try:
            values[option.name] = _option_value(option, given.get(option.name, option.default))
        except (TypeError, ValueError, AttributeError) as error:
            problems[option.name] = [f"{error}."]
    if problems:
        raise OptionsRefused(problems)
    return values


def _option_value(option: Option, value: Any) -> Any:
    if option.kind == "number":
        number = float(value)
        if not option.low <= number <= option.high:  # false for NaN too
            raise ValueError(f"{number:g} is not between {option.low:g} and {option.high:g} {option.unit}".rstrip())
        return number
    if option.kind == "choice":
        if value not in option.choices:
            raise ValueError(f"{value!r} is not one of {', '.join(option.choices)}")
        return value
    if option.kind == "mapping":
        return {str(name): float(number) for name, number in value.items()}
    if option.kind == "files":
        return {str(name): str(text) for name, text in value.items()}
    if option.kind == "json":
        found = json.loads(value or "{}") if isinstance(value, str) else dict(value)
        if not isinstance(found, dict):
            raise ValueError('This is not an object in JSON, such as {"cutoff": 5}')
        return found
    if option.kind == "lines":
        return [line.strip() for line in (value.splitlines() if isinstance(value, str) else value) if line.strip()]
    return "\n".join(value) if isinstance(value, list) else str(value).replace("\r\n", "\n")


def refusal(read: Callable[..., Any], *arguments: Any) -> list[str]:
    """The sentence of the ValueError with which `read` refuses its arguments, if it does."""
    try:
        read(*arguments)
    except ValueError as error:
        return [f"{str(error).rstrip('.')}."]
    return []


class Labeller:
    """A loaded reference method.

    `calculator` drives dynamics and relaxation; its `calculate` gives energy, forces and stress together and raises LabelFailed.
    """

    def __init__(self, calculator: "Calculator", method: str, versions: dict[str, str]) -> None:
        self.calculator = calculator
        self._method = method
        self._versions = versions

    def describe(self) -> dict[str, Any]:
        """Method and versions, for the provenance of a label."""
        return {"method": self._method, "versions": dict(self._versions)}

    def label(self, atoms: "Atoms", name: str = "") -> Label:
        """Energy, forces and virial of one configuration; may take hours. Raises LabelFailed.

        `name` is the same for the same label after a kill: a method with files, or with jobs in a queue, keeps them under that name in
        the stage folder and finds them again.
        """
        from ase import Atoms

        copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        copy.calc = self.calculator
        return read_label(copy)


def read_label(atoms: "Atoms") -> Label:
    """The label of atoms with a calculator, which computes only what it has not yet. Constraints do not touch it. Raises LabelFailed."""
    energy_eV = float(atoms.get_potential_energy(apply_constraint=False))
    forces_eV_A = np.array(atoms.get_forces(apply_constraint=False), dtype=np.float64)
    virial_eV = -np.array(atoms.get_stress(voigt=False, apply_constraint=False), dtype=np.float64) * atoms.get_volume()
    return finite_label(Label(energy_eV, forces_eV_A, virial_eV))


def finite_label(label: Label) -> Label:
    """The label itself. Raises LabelFailed where a number in it is not finite."""
    if not (np.isfinite(label.energy_eV) and np.isfinite(label.forces_eV_A).all() and np.isfinite(label.virial_eV).all()):
        raise LabelFailed("not_finite", "The reference method gave an energy, force or virial that is not a finite number.")
    return label


def require_finite(atoms: "Atoms") -> None:
    """Neighbour searches hang or crash on NaN. Raises LabelFailed."""
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise LabelFailed("not_finite", "A position or the cell is not a finite number.")


def right_handed(axes_A: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axes of the same lattice as CP2K and VASP want them: left-handed ones are reversed, all three."""
    return axes_A * np.sign(np.linalg.det(axes_A))


def unknown_elements(symbols: Sequence[str], known: Sequence[str]) -> list[str]:
    """Elements of a cell that a method does not know, each once, in alphabetical order."""
    return sorted(set(symbols) - set(known))
