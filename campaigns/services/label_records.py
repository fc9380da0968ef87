"""The labels of a stage as single records: from its result where it has ended, from its journal while it runs or where it failed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from campaigns.engines import job, journal
from campaigns.enums import JobState, S0Route, StageKind, StageState, Verdict
from campaigns.models import Frame, Stage

LABELS_JOURNAL, DYNAMICS_JOURNAL, UNDER_WAY = "labels.jsonl", "md.jsonl", "under_way.json"
INPUTS = frozenset({".inp", ".in", ".pwi", ".json", ".npz", ".wfn", ".kp", ".xml"})  # what a program reads, and what is no text
WITH_SNAPSHOTS = (StageKind.LABEL, StageKind.RELABEL)
MAX_LOGS = 8
LOG_LINES = 60


@dataclass(frozen=True)
class LabelRow:
    """One label. `number`: of the snapshot, from 0; in S0's dynamics the MD step, and the row is an interval that ends with it."""

    number: int
    state: str  # queued | running | done | failed
    found: bool = False
    cause: str = ""
    message: str = ""
    seconds: float | None = None
    energy_eV_atom: float | None = None
    max_force_eV_A: float | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    configuration: int | None = None  # row of the Frame
    labels: int = 1  # in an interval of dynamics, computed and found
    since: float | None = None  # running: Unix time at which it was begun


@dataclass(frozen=True)
class LabelTable:
    """`kind`: snapshots | dynamics. `missing`: numbers of the labels that failed, by cause."""

    kind: str
    rows: list[LabelRow]
    counts: dict[str, int]
    missing: dict[str, list[int]]

    @property
    def n_missing(self) -> int:
        return sum(map(len, self.missing.values()))

    @property
    def running(self) -> list[LabelRow]:
        return [row for row in self.rows if row.state == "running"]


def of_stage(stage: Stage) -> LabelTable | None:
    """None for stages that have no records of labels."""
    if stage.kind in WITH_SNAPSHOTS:
        return _table("snapshots", _snapshots(stage))
    if stage.kind == StageKind.S0 and stage.campaign.s0_route == S0Route.FPMD:
        return _table("dynamics", _dynamics(stage))
    return None


def _table(kind: str, rows: list[LabelRow]) -> LabelTable:
    counts = Counter("found" if row.state == "done" and row.found else row.state for row in rows)
    missing: dict[str, list[int]] = {}
    for row in rows:
        if row.state == "failed":
            missing.setdefault(row.cause, []).append(row.number)
    return LabelTable(kind, rows, dict(counts), missing)


def _spec(stage: Stage) -> dict[str, Any]:
    return (job.read_json(stage.folder / "spec.json") or {}).get("spec") or {}


# --- snapshots of an exploration ------------------------------------------------------------------------


def _snapshots(stage: Stage) -> list[LabelRow]:
    result = job.read_json(stage.folder / "result.json")
    if result is not None:
        frames, records = list(stage.frames.order_by("id")), result["records"]
        if len(frames) == len(records):
            return [_frame_row(record["index"], frame) for record, frame in zip(records, frames, strict=True)]
        return [_row(record, None, None) for record in records]
    entries = {entry["record"]["index"]: entry for entry in journal.read(stage.folder / LABELS_JOURNAL)}
    under_way = job.read_json(stage.folder / UNDER_WAY) if _is_at_work(stage) else None
    indices = (_spec(stage).get("snapshots") or {}).get("indices") or sorted(entries)
    return [_journal_row(entries.get(index), index, under_way) for index in indices]


def _is_at_work(stage: Stage) -> bool:
    """A job that waits has not begun: what it finds in its folder is of the job before."""
    return stage.state == StageState.RUNNING and stage.job_state not in (JobState.SUBMITTING, JobState.QUEUED)


def _frame_row(number: int, frame: Frame) -> LabelRow:
    """As it stands now: a missing label may have been computed since."""
    return LabelRow(
        number=number,
        state="failed" if frame.verdict == Verdict.UNLABELLED else "done",
        seconds=frame.label_seconds,
        found=frame.label_found,
        attempts=frame.label_attempts,
        configuration=frame.pk,
        **{name: getattr(frame, name) for name in ("cause", "message", "energy_eV_atom", "max_force_eV_A")},
    )


def _row(record: dict[str, Any], configuration: int | None, n_atoms: int | None) -> LabelRow:
    energy_eV = record.get("energy_eV")
    return LabelRow(
        number=record["index"],
        configuration=configuration,
        energy_eV_atom=energy_eV / n_atoms if energy_eV is not None and n_atoms else None,
        **{name: record[name] for name in ("state", "cause", "message", "seconds")},
        found=record.get("found", False),
        attempts=record.get("attempts") or [],
        max_force_eV_A=record.get("max_force_eV_A"),
    )


def _journal_row(entry: dict[str, Any] | None, index: int, under_way: dict[str, Any] | None) -> LabelRow:
    if entry is not None:
        return _row(entry["record"], None, len(entry.get("forces_eV_A") or ()) or None)
    if under_way and under_way["index"] == index:
        return LabelRow(index, "running", since=under_way["since"])
    return LabelRow(index, "queued")


# --- dynamics with the reference method ------------------------------------------------------------------------


def _dynamics(stage: Stage) -> list[LabelRow]:
    """An interval between two checkpoints a row; those that end with a kept configuration lead to it."""
    spec = _spec(stage)
    points = sorted({point["step"]: point for point in journal.read(stage.folder / DYNAMICS_JOURNAL)}.items())
    if not points or not spec:
        return []
    first, every = spec["equilibration_steps"], spec["sample_every_steps"]
    kept = [step for step, _ in points if step > first and (step - first) % every == 0]
    frames = dict(zip(kept, stage.frames.order_by("id").values_list("pk", flat=True), strict=False))
    rows, before = [], {"labels_computed": 0, "labels_found": 0, "seconds": 0.0}
    for step, point in points:
        tally = {"labels_found": 0} | point["tally"]
        spent = {name: tally[name] - before[name] for name in before}
        rows.append(_interval(step, point, spent, frames.get(step)))
        before = {name: tally[name] for name in before}
    return rows


def _interval(step: int, point: dict[str, Any], spent: dict[str, Any], configuration: int | None) -> LabelRow:
    forces = np.array(point["forces_eV_A"])
    return LabelRow(
        number=step,
        state="done",
        found=spent["labels_computed"] == 0,
        seconds=spent["seconds"],
        energy_eV_atom=point["energy_eV"] / len(forces),
        max_force_eV_A=float(np.linalg.norm(forces, axis=1).max()),
        configuration=configuration,
        labels=spent["labels_computed"] + spent["labels_found"],
    )


# --- what a program wrote ------------------------------------------------------------------------


def logs(stage: Stage, names: Sequence[str], lines: int = LOG_LINES) -> list[tuple[str, str]]:
    """Files that a program left for labels of these names, relative to the stage's folder, each with its last lines; the newest last."""
    found = [
        path
        for name in names
        for path in stage.folder.glob(f"*/{name}*")
        if path.is_file() and not path.is_symlink() and path.suffix not in INPUTS
    ]
    newest = sorted(found, key=lambda path: path.stat().st_mtime)[-MAX_LOGS:]
    return [(str(path.relative_to(stage.folder)), job.tail(path, lines)) for path in newest]


def names_of(stage: Stage, number: int) -> list[str]:
    """What a method calls the files of one label: campaigns/engines/labellers/base.py."""
    return [f"label-{number:06d}"] if stage.kind in WITH_SNAPSHOTS else ["configuration"]


def log_under_way(stage: Stage, table: LabelTable) -> tuple[str, str] | None:
    """Of the program that computes now."""
    if not _is_at_work(stage):
        return None
    names = names_of(stage, table.running[0].number) if table.running else names_of(stage, 0) if table.kind == "dynamics" else []
    found = logs(stage, names, lines=5)
    return found[-1] if found else None
