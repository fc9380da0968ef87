"""Any calculator of ase (doi:10.1088/1361-648X/aa680e) by its import path, of those that the administrator of this installation allows:
a calculator is a program, and whoever names it runs it here.
"""

import importlib
import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers.base import Labeller, Option, OptionsRefused, option_values

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

TITLE = "Calculator of ase (one that the administrator allows)"
ALLOWED_VARIABLE = "SSEWEB_ASE_CALCULATORS"
USES_CORES = False
# With these a calculator starts a program, reads or writes where it is told to.
FORBIDDEN_KEYWORDS = frozenset(("command", "profile", "directory", "label", "restart", "atoms", "txt", "logfile", "trajectory"))
OPTIONS: tuple[Option, ...] = (
    Option("calculator", "text", "", "Import path of its class, for example `ase.calculators.emt.EMT`. The administrator of this "
           f"installation lists those that may be used in {ALLOWED_VARIABLE}.", ""),
    Option("keywords", "json", "", "What it is made with, as JSON: `{\"sigma\": 2.5, \"epsilon\": 0.01}`. Plain values, no paths.", {}),
    Option("walltime_h", "number", "h", "Time limit of one label. A calculator works without a word: only after this is it taken to hang.",
           24.0, low=0.001, high=1000, label="Time limit of a label", changes_label=False),
)  # fmt: skip


def allowed() -> list[str]:
    """Import paths, as the administrator lists them."""
    return [name.strip() for name in os.environ.get(ALLOWED_VARIABLE, "").split(",") if name.strip()]


def check(options: Mapping[str, Any], symbols: Sequence[str]) -> dict[str, list[str]]:
    """Cheap: the package is looked for, and nothing of it imported."""
    try:
        values = option_values(OPTIONS, options)
    except OptionsRefused as error:
        return error.problems
    found = {"calculator": _not_allowed(values["calculator"]), "keywords": _keyword_problems(values["keywords"])}
    return {name: texts for name, texts in found.items() if texts}


def _not_allowed(path: str) -> list[str]:
    known = allowed()
    if not known:
        return [f"This installation allows no calculator of ase: its administrator names them in {ALLOWED_VARIABLE}."]
    if path not in known:
        return [f"{path or 'An empty name'} is not one of the calculators that this installation allows: {', '.join(known)}."]
    package = path.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        return [f"The Python package {package} is not installed here: ask the administrator."]
    return []


def _keyword_problems(keywords: Mapping[str, Any]) -> list[str]:
    problems = [f"The keyword {name} may not be given here." for name in sorted(FORBIDDEN_KEYWORDS & set(keywords))]
    problems += [f"{name} is not a Python name." for name in keywords if not name.isidentifier()]
    text = json.dumps(keywords)
    if "/" in text or "\\\\" in text or ".." in text:
        problems.append("A keyword may not name a path.")
    return problems


def silent_s(options: Mapping[str, Any]) -> float:
    return 3600 * option_values(OPTIONS, options)["walltime_h"]


def propose(symbols: Sequence[str], oxidation_states: Mapping[str, float]) -> dict[str, Any]:
    """The one that is allowed, where there is one alone."""
    known = allowed()
    return {"calculator": known[0]} if len(known) == 1 else {}


def build(options: Mapping[str, Any], folder: Path, cores: int) -> Labeller:
    wrong = check(options, [])
    if wrong:
        raise EngineFailed(f"The calculator cannot be used. {OptionsRefused(wrong)}", cause="bad_input", permanent=True)
    values = option_values(OPTIONS, options)
    calculator = _made(values["calculator"], values["keywords"])
    if missing := {"energy", "forces", "stress"} - set(calculator.implemented_properties):
        raise EngineFailed(
            f"{values['calculator']} gives no {' and no '.join(sorted(missing))}: models are trained on energy, forces and stress. Use "
            "another calculator.",
            cause="bad_input",
            permanent=True,
        )
    from campaigns.engines.labellers.guarded_calculator import GuardedCalculator

    package = values["calculator"].partition(".")[0]
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = "unknown"
    keywords = ", ".join(f"{name}={value!r}" for name, value in values["keywords"].items())
    method = f"{values['calculator']}({keywords})"
    return Labeller(GuardedCalculator(calculator, values["calculator"]), method, {"ase": metadata.version("ase"), package: version})


def _made(path: str, keywords: Mapping[str, Any]) -> "Calculator":
    module_name, _, name = path.rpartition(".")
    try:
        maker = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise EngineFailed(f"{path} cannot be imported: {error}.", cause="engine_missing", permanent=True) from error
    try:
        return maker(**keywords)
    except Exception as error:  # a class of somebody else's: whatever it raises is about its keywords or its own set-up
        raise EngineFailed(f"{path} cannot be made with these keywords: {error}.", cause="bad_input", permanent=True) from error
