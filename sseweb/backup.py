"""A backup of a running installation: one tar file with a snapshot of the database and the files that its rows name.

First the database, at one moment; then the files. A row is written after its file and a finished stage's files never change, so every file
that the snapshot names is there, whatever runs meanwhile; deletions keep their files until the backup is done. Of stages that were under
way in the snapshot it holds what is whole at any time: documents and journals (labels, the steps of S0). They go on from there; other
checkpoints begin anew. Of stages that began later it holds nothing.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections, transaction

from analysis.models import AnalysisState, TrajectoryAnalysis
from campaigns.enums import StageState
from campaigns.models import Artefact, Campaign, Stage
from campaigns.services.deletion import deletions_wait
from campaigns.services.errors import WrongState

FORMAT = 1
WHOLE_AT_ANY_TIME = (".jsonl", ".json", ".cif", ".extxyz")
# A spec names places of this data folder, and is written anew; a result without its files is none; a process of today is none tomorrow.
NEVER_OF_STAGES_UNDER_WAY = ("spec.json", "result.json", "failure.json", "child.json", "progress.json")
SNAPSHOT = "snapshot"  # its name among the databases
FOLDERS = ("campaigns", "analyses", "uploads")
LABELS = "labels"  # paid for in core-hours; named by what they are of, so those of a backup and those that are there can lie side by side
BLOCK = 1 << 20


@dataclass
class Report:
    files: int = 0
    n_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def write(target: Path, say: Callable[[str], None] = lambda text: None) -> Report:
    """Write the backup; it has its name when it is whole. Raises WrongState where there is such a file already."""
    if target.exists():
        raise WrongState(f"{target} exists: give another name, a backup is never written over.")
    part = target.with_name(f"{target.name}.part")
    report = Report()
    # Opened first: a path where nothing can be written is said before the database is copied. Readable by its owner alone: it holds
    # password digests.
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        with deletions_wait(), tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="backup-") as folder:
            snapshot, rows = _database_snapshot(Path(folder))
            say("the database is copied; now the files")
            with tarfile.open(fileobj=stream, mode="w") as archive:
                _add_text(archive, "manifest.json", json.dumps(_manifest(snapshot.name), indent=1))
                archive.add(snapshot, snapshot.name)
                for number, (path, sha256) in enumerate(_files(rows), start=1):
                    _add_file(archive, path, sha256, report)
                    if number % 1000 == 0:
                        say(f"{number} files, {report.n_bytes / 1e9:.2f} GB")
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(target)
    return report


def _manifest(snapshot: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "database": snapshot,
        "vendor": connection.vendor,
    }


@dataclass(frozen=True)
class _Rows:
    """What the snapshot knows. Stages by their folder, but for its last part: the number of the attempt, and whether it is done."""

    artefacts: dict[str, str]
    campaigns: set[str]
    stages: dict[str, tuple[int, bool]]
    analyses: dict[str, bool]


def _database_snapshot(folder: Path) -> tuple[Path, _Rows]:
    if connection.vendor == "postgresql":
        path = folder / "database.pgdump"
        return path, _dump_postgres(path)
    path = folder / "database.sqlite3"
    with (
        contextlib.closing(sqlite3.connect(settings.DATABASES["default"]["NAME"])) as source,
        contextlib.closing(sqlite3.connect(path)) as copy,
    ):
        source.backup(copy)
    connections.databases[SNAPSHOT] = connections.databases["default"] | {"NAME": path}
    try:
        return path, _rows_of(SNAPSHOT)
    finally:
        connections[SNAPSHOT].close()
        del connections[SNAPSHOT], connections.databases[SNAPSHOT]


def _dump_postgres(path: Path) -> _Rows:
    """The dump and our own questions see the same moment."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        (name,) = cursor.fetchone()
        postgres("pg_dump", "--format=custom", "--no-owner", f"--snapshot={name}", f"--file={path}")
        return _rows_of("default")


def _rows_of(database: str) -> _Rows:
    stages = Stage.objects.using(database).select_related("campaign")
    stages = stages.only("campaign__id", "kind", "index", "repeat", "loop", "step", "attempt", "state")
    return _Rows(
        artefacts=dict(Artefact.objects.using(database).values_list("path", "sha256")),
        campaigns={str(pk) for pk in Campaign.objects.using(database).values_list("pk", flat=True)},
        stages={_name(stage.folder.parent): (stage.attempt, stage.state == StageState.DONE) for stage in stages.iterator()},
        analyses={row.folder.name: row.state == AnalysisState.DONE for row in TrajectoryAnalysis.objects.using(database)},
    )


def _name(path: Path) -> str:
    return str(path.relative_to(settings.DATA_DIR))


def postgres(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL against our database; the password goes by the environment, where no list of processes shows it."""
    found = shutil.which(program) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)), None
    )
    if found is None:
        raise WrongState(f"{program} is not installed: it comes with PostgreSQL's client (apt-get install postgresql-client).")
    database = settings.DATABASES["default"]
    environment = os.environ | {
        "PGHOST": database["HOST"] or "",
        "PGPORT": str(database["PORT"] or ""),
        "PGUSER": database["USER"] or "",
        "PGPASSWORD": database["PASSWORD"] or "",
        "PGDATABASE": database["NAME"],
    }
    done = subprocess.run([found, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongState(f"{program} failed: {done.stderr.strip()[-500:]}")


def _files(rows: _Rows) -> Iterator[tuple[Path, str]]:
    """What belongs to the snapshot: artefacts with their checksum, other files without."""
    yield from ((settings.DATA_DIR / path, sha256) for path, sha256 in rows.artefacts.items())
    for root in (*FOLDERS, LABELS):
        for folder, _, names in os.walk(settings.DATA_DIR / root):
            for path in (Path(folder) / name for name in names if name != "lock" and not name.startswith(".")):
                if _name(path) not in rows.artefacts and _belongs(path.relative_to(settings.DATA_DIR), rows):
                    yield path, ""


def _belongs(path: Path, rows: _Rows) -> bool:
    root, owner, *_ = path.parts
    if root == "campaigns":
        return owner in rows.campaigns and _of_campaign(path, rows)
    if root == "analyses":  # the user's files are whole before there is a row
        return owner in rows.analyses and (rows.analyses[owner] or path.name not in NEVER_OF_STAGES_UNDER_WAY)
    return True


def _of_campaign(path: Path, rows: _Rows) -> bool:
    """campaigns/1/loop-1/step-2/explore-0/attempt-1/...: what earlier attempts left stays as it is."""
    stage, attempt = "/".join(path.parts[:5]), path.parts[5].removeprefix("attempt-") if len(path.parts) > 6 else ""
    if not (path.parts[2].startswith("loop-") and attempt.isdigit()):
        return True
    current, is_done = rows.stages.get(stage, (0, False))
    if int(attempt) < current or (int(attempt) == current and is_done):
        return True
    return int(attempt) == current and path.suffix in WHOLE_AT_ANY_TIME and path.name not in NEVER_OF_STAGES_UNDER_WAY


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    facts = tarfile.TarInfo(name)
    facts.size = len(text.encode())
    archive.addfile(facts, io.BytesIO(text.encode()))


def _add_file(archive: tarfile.TarFile, path: Path, sha256: str, report: Report) -> None:
    """An artefact that is not what its row says is named, and the backup goes on."""
    name = path.relative_to(settings.DATA_DIR)
    try:
        with path.open("rb") as stream:
            facts = archive.gettarinfo(arcname=f"data/{name}", fileobj=stream)
            if not sha256:  # it may grow while it is read: as much as there was
                content = stream.read(facts.size)
                facts.size = len(content)
                archive.addfile(facts, io.BytesIO(content))
            else:
                hashed = _Hashing(stream)
                archive.addfile(facts, hashed)
                if hashed.digest.hexdigest() != sha256:
                    report.problems.append(f"{name}: its content has changed since it was registered")
    except FileNotFoundError:
        if sha256:
            report.problems.append(f"{name}: is missing")
        return
    report.files += 1
    report.n_bytes += facts.size


class _Hashing(io.RawIOBase):
    """Reads and hashes at once."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        return block
