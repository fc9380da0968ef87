"""What a step's model said of the snapshots of its step, and what the reference method said: read from the label stage's files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.science.parity import Deviation, deviation
from campaigns.enums import FrameSource, Verdict
from campaigns.models import Artefact, Campaign


@dataclass(frozen=True)
class Compared:
    """One quantity of all configurations of a step: values, the unit they are drawn in, and the unit and factor of their error."""

    name: str
    unit: str
    error_unit: str
    error_factor: float
    label: NDArray[np.floating]
    model: NDArray[np.floating]
    group: NDArray[np.str_]
    configuration: NDArray[np.integer]

    @property
    def deviation(self) -> Deviation:
        return deviation(self.error_factor * self.model, self.error_factor * self.label)


def steps_of(campaign: Campaign) -> list[tuple[int, int]]:
    """(loop, step) of every training step that brought labelled snapshots."""
    found = campaign.frames.filter(source=FrameSource.EXPLORE).exclude(verdict=Verdict.UNLABELLED)
    return list(found.order_by("loop", "step").values_list("loop", "step").distinct())


def compared(campaign: Campaign, loop: int, step: int) -> dict[str, Compared]:
    """`energy` (per atom), `force` (components) and `virial` (components per atom), as far as the files hold the model's own values."""
    from campaigns.science.frames import Frames

    rows = campaign.frames.filter(source=FrameSource.EXPLORE, loop=loop, step=step).exclude(verdict=Verdict.UNLABELLED).order_by("id")
    chosen: dict[int, list[tuple[int, int]]] = {}
    for pk, artefact_id, row in rows.values_list("pk", "artefact_id", "row"):
        chosen.setdefault(artefact_id, []).append((pk, row))
    parts: dict[str, list[tuple[NDArray[Any], ...]]] = {}
    for artefact in Artefact.objects.filter(pk__in=chosen).order_by("pk"):
        if not artefact.file.is_file():
            continue
        keys, indices = map(list, zip(*chosen[artefact.pk], strict=True))
        for name, values in _values(Frames.load(artefact.file)[indices], np.array(keys)).items():
            parts.setdefault(name, []).append(values)
    return {name: Compared(*UNITS[name], *map(np.concatenate, zip(*found, strict=True))) for name, found in parts.items()}


UNITS = {
    "energy": ("energy per atom", "eV/atom", "meV/atom", 1000.0),
    "force": ("force component", "eV/Å", "eV/Å", 1.0),
    "virial": ("virial component per atom", "eV/atom", "meV/atom", 1000.0),
}


def _values(frames: Any, keys: NDArray[np.integer]) -> dict[str, tuple[NDArray[Any], ...]]:
    """label, model, group and configuration (n,) of each quantity for frames of one list of atoms."""
    n_frames, n_atoms = len(frames), len(frames.symbols)
    found = {}
    if frames.model_energy_eV is not None:
        found["energy"] = (frames.energy_eV / n_atoms, frames.model_energy_eV / n_atoms, np.full(n_frames, "all atoms"), keys)
    if frames.model_forces_eV_A is not None:
        symbols = np.tile(np.repeat(frames.symbols, 3), n_frames)
        found["force"] = (frames.forces_eV_A.ravel(), frames.model_forces_eV_A.ravel(), symbols, np.repeat(keys, 3 * n_atoms))
    if frames.model_virial_eV is not None and frames.virial_eV is not None:
        values = (frames.virial_eV.ravel() / n_atoms, frames.model_virial_eV.ravel() / n_atoms)
        found["virial"] = (*values, np.full(9 * n_frames, "all atoms"), np.repeat(keys, 9))
    return found
