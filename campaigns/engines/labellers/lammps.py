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
OPTIONS: tuple[Option, ...] = (
    Option("pair_style", "text", "", "Style and its arguments, units metal, for example `buck/coul/long 10.0`.", ""),
    Option("pair_coeff", "lines", "eV, Å", "One pair a line; elements may stand for type numbers: `Li O 632.1018 0.2906 0.0`.", ""),
    Option("elements", "text", "", "Elements in the order of LAMMPS's types. Needed where pair_coeff uses numbers or a file.", ""),
    Option("charges", "mapping", "e", "Charge of each element, `Li 1, O -2`; the cell must be neutral.", {}),
    Option("kspace_style", "text", "", "Long-range Coulomb solver, for example `pppm 1e-5` or `ewald 1e-6`.", ""),
    Option("pair_modify", "text", "", "Mixing, tail or shift, for example `mix arithmetic tail yes`.", ""),
    Option("files", "mapping", "", "Content of the potential files that pair_coeff names, by file name.", {}),
)


def check(options: Mapping[str, Any], symbols: Sequence[str]) -> list[str]:
    try:
        return lammps_text.problems(lammps_text.parse(options), symbols)
    except lammps_text.TextRefused as error:
        return [str(error)]


def build(options: Mapping[str, Any], folder: Path, cores: int) -> Labeller:
    """LAMMPS runs on one core here whatever `cores` says: small cells do not gain from more."""
    try:
        potential = lammps_text.parse(options)
    except lammps_text.TextRefused as error:
        raise EngineFailed(f"The potential cannot be used. {error}.", cause="bad_input", permanent=True) from error
    wrong = lammps_text.problems(potential, [])
    if wrong:
        raise EngineFailed(f"The potential cannot be used. {' '.join(wrong)}", cause="bad_input", permanent=True)
    from campaigns.engines.labellers.lammps_calculator import LammpsCalculator

    calculator = LammpsCalculator(potential, folder / "potential")
    method = f"LAMMPS pair_style {' '.join(potential.pair_style)}"
    return Labeller(calculator, method, {"lammps": metadata.version("lammps")})
