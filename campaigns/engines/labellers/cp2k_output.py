"""CP2K's output of one energy, forces and stress: a label in eV and Å, or the cause why there is none.

Read as CP2K 2023.1 writes it, and as later releases do (`FORCES|` lines, other units of the stress, named in its heading).
"""

import re

import numpy as np
from ase.units import Bohr, GPa, Hartree
from numpy.typing import NDArray

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers.base import Label, LabelFailed, finite_label

ENERGY = re.compile(r"ENERGY\| Total FORCE_EVAL.*:\s+(\S+)")
ENTROPY = re.compile(r"Electronic entropic energy:\s+(\S+)")
FORCES_2023 = re.compile(r"ATOMIC FORCES in \[a\.u\.\]\s*\n\s*\n?\s*#.*\n((?:\s*\d+\s+\d+\s+\S+\s+\S+\s+\S+\s+\S+\s*\n)+)")
FORCES_LATER = re.compile(r"^ FORCES\|\s+\d+\s+(\S+)\s+(\S+)\s+(\S+)\s+\S+\s*$", re.MULTILINE)
STRESS_UNIT = re.compile(r"STRESS\| (?:Analytical|Numerical) stress tensor \[(\w+)\]")
STRESS_ROW = re.compile(r"STRESS\|\s+([xyz])\s+(\S+)\s+(\S+)\s+(\S+)\s*$", re.MULTILINE)
EV_A3 = {"GPa": GPa, "bar": 1e-4 * GPa, "kbar": 0.1 * GPa, "Pa": 1e-9 * GPa, "MPa": 1e-3 * GPa}

GEOMETRY_WORDS = ("GEOMETRY wrong", "Cholesky decompos", "positive definite", "EMAX_SPLINE", "linear dependen")
MEMORY_WORDS = ("out of memory", "bad_alloc", "Cannot allocate memory", "Allocation would exceed", "insufficient virtual memory")
# What every configuration would fail with: the settings are wrong.
INPUT_WORDS = (
    "unknown keyword",
    "unknown subsection",
    "unknown section",
    "not found in the",
    "are not defined",
    "enumeration",
    "LSD option",
    "should not repeat",
)


def read_label(text: str, n_atoms: int, volume_A3: float) -> Label:
    """The label of an output. Raises LabelFailed, or EngineFailed where the input itself is refused.

    An energy is printed after an SCF that did not converge too: only one that says that it converged counts.
    """
    if "exceeded requested execution time" in text:
        raise LabelFailed("walltime", "CP2K reached the time limit of a label: raise the limit, or use more cores.")
    if "SCF run NOT converged" in text:
        raise LabelFailed("scf_not_converged", "The SCF did not converge within its steps.")
    if "[ABORT]" in text or "PROGRAM ENDED" not in text:
        raise _aborted(text)
    if "SCF run converged in" not in text:
        raise LabelFailed("scf_not_converged", "CP2K's output does not say that the SCF converged.")
    try:
        energy_eV = float(ENERGY.findall(text)[-1]) * Hartree
        return finite_label(Label(energy_eV, _forces_eV_A(text, n_atoms), _virial_eV(text, volume_A3)))
    except (IndexError, ValueError, KeyError) as error:
        raise LabelFailed("engine_error", f"CP2K's output lacks a whole energy, forces or stress ({error}).") from error


def electronic_entropy_eV(text: str) -> float:
    """-TS of smeared occupations, 0 without smearing."""
    found = ENTROPY.findall(text)
    return float(found[-1]) * Hartree if found else 0.0


def _forces_eV_A(text: str, n_atoms: int) -> NDArray[np.float64]:
    old = FORCES_2023.findall(text)
    rows = [line.split()[3:6] for line in old[-1].splitlines() if line.strip()] if old else FORCES_LATER.findall(text)[-n_atoms:]
    forces = np.array(rows, dtype=np.float64)
    if forces.shape != (n_atoms, 3):
        raise ValueError(f"{len(rows)} forces for {n_atoms} atoms")
    return forces * Hartree / Bohr


def _virial_eV(text: str, volume_A3: float) -> NDArray[np.float64]:
    """CP2K prints the pressure tensor, the negative of ase's stress."""
    heading = list(STRESS_UNIT.finditer(text))[-1]
    rows = STRESS_ROW.findall(text[heading.end() :])[:3]
    if [row[0] for row in rows] != ["x", "y", "z"]:
        raise ValueError("the stress tensor is not whole")
    pressure_eV_A3 = np.array([row[1:] for row in rows], dtype=np.float64) * EV_A3[heading[1]]
    return (pressure_eV_A3 + pressure_eV_A3.T) / 2 * volume_A3


def _aborted(text: str) -> LabelFailed | EngineFailed:
    reason = abort_message(text)
    if any(word in text for word in MEMORY_WORDS):
        return LabelFailed("out_of_memory", "CP2K ran out of memory: use a smaller cell or cut-off, or a machine with more memory.")
    if any(word in reason for word in GEOMETRY_WORDS):
        return LabelFailed("bad_geometry", f"CP2K cannot treat this geometry: {reason}")
    if any(word in reason for word in INPUT_WORDS):
        return EngineFailed(
            f"CP2K refuses its input: {reason}. Change the options of the reference method.", cause="bad_input", permanent=True
        )
    return LabelFailed("engine_error", f"CP2K stopped: {reason or 'its output ends early, without a reason'}")


def abort_message(text: str) -> str:
    """The words in CP2K's box beside the drawing of a man, without the place in its source."""
    start = text.rfind("[ABORT]")
    if start < 0:
        return ""
    first = text.rfind("\n", 0, start) + 1
    words = []
    for line in text[first:].splitlines():
        if line.strip().startswith("****"):
            break
        part = line[11:].rstrip(" *").strip()
        if not re.search(r"\.F:\d+$", part):
            words.append(part)
    return " ".join(" ".join(words).split())
