"""Quantum ESPRESSO's output of one label, read by ase: energy, forces and stress, or the cause why there is no label.

As pw.x 6.7 writes it; 7.x writes the same words.
"""

import io
import re

import numpy as np
from ase.io.espresso import read_espresso_out

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers.base import Label, LabelFailed, finite_label

ENTROPY = re.compile(r"smearing contrib\. \(-TS\)\s*=\s*(\S+)\s*Ry")
VERSION = re.compile(r"Program PWSCF v\.(\S+)")
ERROR_BOX = re.compile(r"%{20,}\s*\n(.*?)\n\s*%{20,}", re.DOTALL)
ERROR_HEAD = re.compile(r"(?:Error in routine|from)\s+(\w+)\s*(?:\(\s*-?\d+\))?\s*:?(?:error #\s*-?\d+)?", re.IGNORECASE)

MEMORY_WORDS = ("Cannot allocate memory", "cannot allocate", "out of memory", "insufficient memory", "bad_alloc")
GEOMETRY_WORDS = ("overlap", "atoms are too close")
DIAGONALIZATION_WORDS = ("bands are not converged", "S matrix not positive definite", "problems computing cholesky", "eigenvectors failed")
# What every configuration would fail with: the settings are wrong.
INPUT_ROUTINES = (
    "read_namelists",
    "iosys",
    "read_cards",
    "readpp",
    "read_upf",
    "readgth",
    "input",
    "check_order",
    "setup",
    "set_dft_from_name",
)
INPUT_WORDS = ("namelist", "pseudo file", "pseudopotential", "smearing is needed", "conflicting values", "not implemented", "ecutwfc")


def read_label(text: str, n_atoms: int) -> Label:
    """The label of an output. Raises LabelFailed, or EngineFailed where the input itself is refused.

    `JOB DONE` and an energy are printed after an SCF that did not converge too: only one that says that it converged counts.
    """
    if "Maximum CPU time exceeded" in text:
        raise LabelFailed("walltime", "pw.x reached the time limit of a label: raise the limit, or use more cores.")
    if "convergence NOT achieved" in text:
        raise LabelFailed("scf_not_converged", "The SCF did not converge within its steps.")
    if ERROR_BOX.search(text) or "JOB DONE" not in text:
        raise _stopped(text)
    if "convergence has been achieved" not in text:
        raise LabelFailed("scf_not_converged", "pw.x's output does not say that the SCF converged.")
    try:
        (atoms,) = read_espresso_out(io.StringIO(text), slice(None))
        found = atoms.calc.results
        forces, stress = np.array(found["forces"]), atoms.get_stress(voigt=False)
    except Exception as error:  # ase's reader raises whatever an incomplete text makes it stumble over
        raise LabelFailed("engine_error", f"pw.x's output lacks a whole energy, forces or stress ({error}).") from error
    if forces.shape != (n_atoms, 3):
        raise LabelFailed("engine_error", f"pw.x's output has {len(forces)} forces for {n_atoms} atoms.")
    return finite_label(Label(float(found["energy"]), forces, -stress * atoms.get_volume()))


def _stopped(text: str) -> LabelFailed | EngineFailed:
    routine, reason = error_message(text)
    lower = text.lower()
    if any(word.lower() in lower for word in MEMORY_WORDS):
        return LabelFailed("out_of_memory", "pw.x ran out of memory: use a smaller cell or cut-off, or a machine with more memory.")
    if any(word in reason for word in GEOMETRY_WORDS):
        return LabelFailed("bad_geometry", f"pw.x cannot treat this geometry: {reason}")
    if any(word in reason for word in DIAGONALIZATION_WORDS):
        return LabelFailed("scf_not_converged", f"pw.x's diagonalization failed: {reason}")
    if routine in INPUT_ROUTINES or any(word in reason for word in INPUT_WORDS):
        return EngineFailed(
            f"pw.x refuses its input: {reason} ({routine}). Change the options of the reference method.", cause="bad_input", permanent=True
        )
    return LabelFailed("engine_error", f"pw.x stopped: {reason or 'its output ends early, without a reason'}")


def error_message(text: str) -> tuple[str, str]:
    """Routine and words in the last box of % signs; empty where there is none."""
    boxes = ERROR_BOX.findall(text)
    if not boxes:
        return "", ""
    words = " ".join(boxes[-1].split())
    head = ERROR_HEAD.match(words)
    return (head[1].lower(), words[head.end() :].strip(" :")) if head else ("", words)


def version(text: str) -> str:
    found = VERSION.search(text)
    return found[1] if found else "unknown"
