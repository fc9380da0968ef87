"""A classical potential, evaluated by LAMMPS (doi:10.1016/j.cpc.2021.108171) through its library: thousands of labels a second.

Also the exact partner for tests of the protocol: it can run the long reference dynamics itself.
"""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import lammps_text
from campaigns.engines.labellers.base import Labeller, Option

TITLE = "Classical potential (any pair style of LAMMPS)"
USES_CORES = False
CHEAP = True
OPTIONS: tuple[Option, ...] = (
    Option("pair_style", "text", "", "Style and its arguments, units metal, for example `buck/coul/long 10.0`.", ""),
    Option("pair_coeff", "lines", "eV, Å", "One pair a line; elements may stand for type numbers: `Li O 632.1018 0.2906 0.0`.", ""),
    Option("elements", "text", "", "Elements in the order of LAMMPS's types. Needed where pair_coeff uses numbers or a file.", ""),
    Option("charges", "mapping", "e", "Charge of each element, `Li 1, O -2`; the cell must be neutral.", {}),
    Option("kspace_style", "text", "", "Long-range Coulomb solver, for example `pppm 1e-5` or `ewald 1e-6`.", ""),
    Option("pair_modify", "text", "", "Mixing, tail or shift, for example `mix arithmetic tail yes`.", ""),
    Option("files", "files", "", "Text files that a line of pair_coeff names, such as `* * Ge.tersoff Ge`.", {}, label="Potential files"),
)


def check(options: Mapping[str, Any], symbols: Sequence[str]) -> dict[str, list[str]]:
    return lammps_text.problems(options, symbols)


def propose(symbols: Sequence[str], oxidation_states: Mapping[str, float]) -> dict[str, Any]:
    """Options to start from: the elements of a material, and formal charges where they are known."""
    charges_e = {symbol: oxidation_states[symbol] for symbol in symbols if symbol in oxidation_states}
    return {"elements": " ".join(symbols), "charges": charges_e}


def build(options: Mapping[str, Any], folder: Path, cores: int) -> Labeller:
    """LAMMPS runs on one core here whatever `cores` says: small cells do not gain from more."""
    wrong = lammps_text.problems(options, [])
    if wrong:
        listed = "; ".join(f"{name}: {problem}" for name, found in wrong.items() for problem in found)
        raise EngineFailed(f"The potential cannot be used. {listed}", cause="bad_input", permanent=True)
    potential = lammps_text.parse(options)
    from campaigns.engines.labellers.lammps_calculator import LammpsCalculator

    calculator = LammpsCalculator(potential, folder / "potential")
    method = f"LAMMPS pair_style {' '.join(potential.pair_style)}"
    return Labeller(calculator, method, {"lammps": metadata.version("lammps")})
