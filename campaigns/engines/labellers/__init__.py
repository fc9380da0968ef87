"""Reference methods by name: modules that give `TITLE`, `OPTIONS`, `USES_CORES`, `check(options, symbols)`,
`propose(symbols, oxidation_states)` and `build(options, folder, cores)`.

They are imported when they are asked for, and load nothing heavy before `build`, so that a page can show and test a choice.
"""

import importlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from campaigns.engines import startup
from campaigns.engines.job import EngineFailed, read_json, write_json
from campaigns.engines.labellers.base import Label, LabelFailed, Labeller, Option
from campaigns.engines.labellers.known import KnownLabels, RememberingLabeller, method_key
from campaigns.engines.specs import LabellerSpec

__all__ = [
    "MODULES",
    "Label",
    "LabelFailed",
    "Labeller",
    "Option",
    "build",
    "check",
    "keeps_labels",
    "module",
    "problems",
    "silent_s",
    "spin_problem",
    "versions",
]

DESCRIPTION = "labeller.json"

MODULES = {
    "chgnet": "campaigns.engines.labellers.chgnet",
    "lammps": "campaigns.engines.labellers.lammps",
    "cp2k": "campaigns.engines.labellers.cp2k",
    "espresso": "campaigns.engines.labellers.espresso",
    "vasp": "campaigns.engines.labellers.vasp",
    "ase": "campaigns.engines.labellers.ase_calculator",
}


class LabellerModule(Protocol):
    TITLE: str
    OPTIONS: tuple[Option, ...]
    USES_CORES: bool  # whether one label gains from several

    def check(self, options: dict, symbols: Sequence[str]) -> dict[str, list[str]]: ...

    def propose(self, symbols: Sequence[str], oxidation_states: Mapping[str, float]) -> dict[str, Any]: ...

    def build(self, options: dict, folder: Path, cores: int) -> Labeller: ...


def module(name: str) -> LabellerModule:
    """The module of a reference method. Raises ValueError for a name that is not registered."""
    if name not in MODULES:
        raise ValueError(f"There is no reference method {name!r}. There are: {', '.join(MODULES)}.")
    return cast(LabellerModule, importlib.import_module(MODULES[name]))


def problems(spec: LabellerSpec, symbols: Sequence[str]) -> dict[str, list[str]]:
    """What keeps this method, with these options, from labelling a cell of these elements: sentences for the user by option.

    What is wrong with the method itself stands under "". Cheap: no engine is loaded.
    """
    try:
        chosen = module(spec.name)
    except ValueError as error:
        return {"": [str(error)]}
    known = {option.name for option in chosen.OPTIONS}
    unknown = [f"{spec.name} has no option {name!r}" for name in spec.options if name not in known]
    return {"": unknown} if unknown else chosen.check(spec.options, symbols)


def check(spec: LabellerSpec, symbols: Sequence[str]) -> list[str]:
    """The same in one list, each with the name of its option."""
    return [f"{name}: {text}" if name else text for name, found in problems(spec, symbols).items() for text in found]


def spin_problem(spec: LabellerSpec, atoms: Mapping[str, int]) -> str:
    """Why a cell of so many atoms of each element cannot be labelled as its spin is set; empty where it can, or where nothing is known.

    A method whose electrons are counted has `n_electrons(options, atoms)`, which raises ValueError where its data lack an element.
    """
    count = getattr(module(spec.name), "n_electrons", None)
    if count is None or spec.options.get("spin") == "unrestricted":
        return ""
    try:
        electrons = count(spec.options, atoms)
    except ValueError:
        return ""
    return f"{electrons} electrons are an odd number: choose unrestricted spin" if electrons % 2 else ""


def build(spec: LabellerSpec, folder: Path, cores: int) -> Labeller:
    """Load a method, once, for many labels. `folder` is the stage's, for files that the method needs; `cores` bounds its threads.

    With `spec.known_labels` it gives labels that were computed before, and keeps those that it computes; a machine that does not see the
    folder does without. A method that says CHEAP computes a label faster than it would be found; `data_of(options, symbols)` of a method
    gives the texts of the installation, such as pseudopotentials, on which its labels depend.

    Raises EngineFailed where the method is missing on this machine or its options make no sense.
    """
    if spec.name not in MODULES:
        raise EngineFailed(f"There is no reference method {spec.name!r}.", cause="bad_input", permanent=True)
    try:
        chosen = module(spec.name)
        with startup.loading():
            labeller = chosen.build(spec.options, folder, cores)
    except ImportError as error:
        raise EngineFailed(
            f"The reference method {spec.name} is not installed on this machine ({error}).", cause="engine_missing", permanent=True
        ) from error
    write_json(folder / DESCRIPTION, labeller.describe())
    if spec.known_labels is None or not Path(spec.known_labels).is_dir() or not keeps_labels(spec.name):
        return labeller
    key = method_key(spec.name, spec.options, chosen.OPTIONS, labeller.describe()["versions"])
    data_of = getattr(chosen, "data_of", None)
    data = partial(data_of, spec.options) if data_of else None
    return RememberingLabeller(labeller, KnownLabels(Path(spec.known_labels), key, str(folder), data))


def keeps_labels(name: str) -> bool:
    """False for a method that is faster than the search, and for one that is none of ours."""
    return name in MODULES and not getattr(module(name), "CHEAP", False)


def silent_s(spec: LabellerSpec) -> float:
    """How long the method may write nothing and still be at work on a label; 0 where it keeps a log, or is fast."""
    limit_s = getattr(module(spec.name), "silent_s", None)
    return limit_s(spec.options) if limit_s else 0.0


def versions(folder: Path) -> dict[str, Any]:
    """Of the method that was loaded in this stage folder; none where every label was there already when it was first needed."""
    return (read_json(folder / DESCRIPTION) or {}).get("versions", {})
