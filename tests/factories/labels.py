"""Configurations with their labels and verdicts, training sets, checks of the method."""

from dataclasses import replace

import numpy as np

from campaigns.engines import job
from campaigns.enums import CleaningRule, FrameSource, StageKind, Verdict
from campaigns.models import Campaign, Cell, Frame, MethodCheck, Stage, TrainingSet
from campaigns.science.frames import Frames
from campaigns.services import method_checks
from tests.factories.campaigns import stage
from tests.factories.files import artefact, some_frames

ATTEMPTS = [
    {"settings": settings, "cause": "scf_not_converged", "message": "The SCF did not converge within its steps.", "seconds": seconds}
    for settings, seconds in (("as set", 60.0), ("from scratch, more steps", 120.0))
]


def frames(labelled_by: Stage, n: int = 10, temperature_K: float = 600.0, first: bool = False, cell: Cell | None = None) -> list[Frame]:
    """`n` configurations: most kept, one in nine rejected, the last without a label."""
    path = labelled_by.folder / "frames.npz"
    arrays = some_frames(n, seed=labelled_by.pk)
    if not first:  # a model's own values came with them
        error = np.random.default_rng(labelled_by.pk + 1)
        arrays = replace(
            arrays,
            model_energy_eV=arrays.energy_eV + error.normal(0, 0.02, n),
            model_forces_eV_A=arrays.forces_eV_A + error.normal(0, 0.1, arrays.forces_eV_A.shape),
        )
    arrays.save(path)
    file, random = artefact(path), np.random.default_rng(labelled_by.pk)
    rows = []
    for index in range(n):
        failed = index == n - 1 and n > 3 and not first
        columns = {"source": FrameSource.S0_FPMD, "label_seconds": None} if first else {"source": FrameSource.EXPLORE}
        columns |= {"temperature_K": temperature_K, "cell": cell, "artefact": file, "min_distance_A": 1.95 + float(random.uniform(0, 0.1))}
        if not (first or failed):
            columns |= {
                "model_force_rmse_eV_A": float(random.uniform(0.08, 0.2)),
                "model_energy_error_meV_atom": float(random.normal(0, 3)),
                "label_found": index == 0,
            }
        rows.append(_frame(labelled_by, arrays, index, failed, columns))
    if labelled_by.kind == StageKind.LABEL:
        job.write_json(labelled_by.folder / "result.json", {"records": [_record(frame) for frame in rows]})
    return Frame.objects.bulk_create(rows)


def _frame(labelled_by: Stage, arrays: Frames, index: int, failed: bool, columns: dict) -> Frame:
    """One row of the file, with its label and verdict unless that failed."""
    rejected = index % 9 == 5
    values = {
        "row": index,
        "loop": labelled_by.loop,
        "step": labelled_by.step,
        "time_ps": 0.2 * index,
        "n_atoms": 8,
        "composition": "Ge1 Li2 P1 S4",
        "label_seconds": 41.0 + index,
        "rule": CleaningRule.ENERGY if rejected else CleaningRule.NONE,
    }
    if failed:
        values |= {
            "verdict": Verdict.UNLABELLED,
            "message": "The SCF did not converge within its steps.",
            "cause": "scf_not_converged",
            "label_attempts": ATTEMPTS,
        }
    else:
        energy = float(arrays.energy_eV[index]) / 8 + 0.09 * rejected
        force = float(np.linalg.norm(arrays.forces_eV_A[index], axis=1).max())
        values |= {
            "verdict": Verdict.REJECTED if rejected else Verdict.KEPT,
            "energy_eV_atom": energy,
            "max_force_eV_A": force,
            "rms_force_eV_A": force / 2,
            "number": energy,
            "lower": -4.16,
            "upper": -4.09,
        }
    return Frame(campaign=labelled_by.campaign, stage=labelled_by, **(values | columns))


def _record(frame: Frame) -> dict:
    failed = frame.verdict == Verdict.UNLABELLED
    return {
        "index": frame.row,
        "state": "failed" if failed else "done",
        "energy_eV": None if failed else 8 * frame.energy_eV_atom,
        "seconds": frame.label_seconds,
        "attempts": frame.label_attempts,
        "found": frame.label_found,
        **{name: getattr(frame, name) for name in ("cause", "message", "max_force_eV_A")},
    }


def training_set(row: Campaign, loop: int, step: int, n_new: int = 10) -> TrainingSet:
    return TrainingSet.objects.create(
        campaign=row,
        loop=loop,
        step=step,
        n_new=n_new,
        n_kept=12 + 9 * step,
        n_rejected=step,
        n_unlabelled=step,
        energy_median_eV_atom=-4.125,
        energy_iqr_eV_atom=0.0175,
        force_median_eV_A=1.4,
        force_iqr_eV_A=0.35,
    )


def method_check(row: Campaign, **columns) -> MethodCheck:
    """Of a first-principles method, whose cut-off is good and whose mesh is not."""
    variants = [
        {"option": "", "title": "As set", "value": "", "state": "done", "cause": "", "message": "", "seconds": 341.0, "attempts": []},
        {"option": "cutoff_Ry", "title": "Plane-wave cut-off", "value": "675 Ry", "state": "done", "cause": "", "message": "",
         "seconds": 502.0, "attempts": [], "energy_difference_meV_atom": -1.3, "force_rms_difference_eV_A": 0.0021,
         "force_max_difference_eV_A": 0.0064, "stress_difference_GPa": 0.021},
        {"option": "k_points", "title": "k-points", "value": "2 2 2", "state": "failed", "cause": "walltime", "attempts": [],
         "message": "One label took longer than the limit of 24 h: raise the limit, or use more cores.", "seconds": 86400.0},
    ]  # fmt: skip
    values = {
        "method_key": method_checks.key_of(row.labeller, row.labeller_options),
        "formula": "Li20Ge2P4S24",
        "n_atoms": 50,
        "cores": 2,
        "seconds": 341.0,
        "rms_force_eV_A": 0.92,
        "verdict": "undecided",
        "sentence": "Undecided: 1 of 2 stricter labels failed, each with its cause in the table.",
        "variants": variants,
    }
    work = stage(row, StageKind.CHECK, loop=0, step=0, cores=2)
    return MethodCheck.objects.create(campaign=row, stage=work, **(values | columns))
