"""A backup of a running installation: one tar file with a snapshot of the database and the files that its rows name.

First the database, at one moment; then the files. A row is written after its file and a finished stage's files never change, so every file
that the snapshot names is there, whatever runs meanwhile; deletions keep their files until the backup is done. Of stages under way it holds
what is whole at any time: documents and journals (labels, the steps of S0). They go on from there; other checkpoints begin anew.
"""

import contextlib
import fcntl
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
from django.db import connection

from analysis.models import TrajectoryAnalysis
from campaigns.engines.disk import why_not
from campaigns.enums import StageState
from campaigns.models import Artefact, Stage
from campaigns.services.deletion import deletions_wait
from campaigns.services.errors import WrongState

FORMAT = 1
WHOLE_AT_ANY_TIME = (".jsonl", ".json", ".cif", ".extxyz")
# A spec names places of this data folder, and is written anew; a result without its files is none; a process of today is none tomorrow.
NEVER_OF_STAGES_UNDER_WAY = ("spec.json", "result.json", "child.json", "progress.json")
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
    with deletions_wait(), tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="backup-") as folder:
        snapshot = _database_snapshot(Path(folder))
        say("the database is copied; now the files")
        # Readable by its owner alone: it holds password digests.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                _add_text(archive, "manifest.json", json.dumps(_manifest(snapshot.name), indent=1))
                archive.add(snapshot, snapshot.name)
                for number, (path, sha256) in enumerate(_files(snapshot), start=1):
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


def _database_snapshot(folder: Path) -> Path:
    if connection.vendor == "postgresql":
        path = folder / "database.pgdump"
        _postgres("pg_dump", "--format=custom", "--no-owner", f"--file={path}")
        return path
    path = folder / "database.sqlite3"
    with (
        contextlib.closing(sqlite3.connect(settings.DATABASES["default"]["NAME"])) as source,
        contextlib.closing(sqlite3.connect(path)) as copy,
    ):
        source.backup(copy)
    return path


def _postgres(program: str, *arguments: str) -> None:
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


def _files(snapshot: Path) -> Iterator[tuple[Path, str]]:
    """What belongs to the snapshot: artefacts with their checksum, other files without."""
    rows = _rows_of(snapshot)
    yield from ((settings.DATA_DIR / path, sha256) for path, sha256 in rows.artefacts.items())
    for root in (*FOLDERS, LABELS):
        for folder, _, names in os.walk(settings.DATA_DIR / root):
            is_under_way = any(folder.startswith(f"{unfinished}") for unfinished in rows.under_way)
            for name in names:
                path = Path(folder) / name
                is_wanted = not is_under_way or (path.suffix in WHOLE_AT_ANY_TIME and name not in NEVER_OF_STAGES_UNDER_WAY)
                if (
                    is_wanted
                    and not name.startswith(".")
                    and name != "lock"
                    and str(path.relative_to(settings.DATA_DIR)) not in rows.artefacts
                ):
                    yield path, ""


@dataclass(frozen=True)
class _Rows:
    artefacts: dict[str, str]
    under_way: tuple[str, ...]


def _rows_of(snapshot: Path) -> _Rows:
    """Of the snapshot where it can be read; on PostgreSQL of the database, read after it: a little more than the snapshot has."""
    unfinished = Stage.objects.exclude(state=StageState.DONE).select_related("campaign")
    under_way = (
        *(f"{stage.folder}" for stage in unfinished),
        *(str(row.folder) for row in TrajectoryAnalysis.objects.exclude(state="done")),
    )
    if connection.vendor == "postgresql":
        return _Rows(dict(Artefact.objects.values_list("path", "sha256")), under_way)
    with contextlib.closing(sqlite3.connect(snapshot)) as copy:
        return _Rows(dict(copy.execute("SELECT path, sha256 FROM campaigns_artefact")), under_way)


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


# --- back ---


def restore(source: Path, *, replace: bool, say: Callable[[str], None] = lambda text: None) -> Report:
    """Bring an installation back from a backup. What was there is moved aside, never deleted. Raises WrongState."""
    with (settings.DATA_DIR / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongState(f"sseweb is running on {settings.DATA_DIR}: stop it first.") from error
        if not replace and (there := _what_is_there()):
            raise WrongState(f"{settings.DATA_DIR} is not empty ({there}): restore into another data folder, or say --replace.")
        incoming = settings.DATA_DIR / f"incoming-{os.getpid()}"
        try:
            manifest = _unpack(source, incoming)
            say("the backup is unpacked; now it takes its place")
            report = _count(incoming / "data")
            _put_in_place(incoming, manifest)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    return report


def _what_is_there() -> str:
    """What a restore would hide."""
    folders = [name for name in FOLDERS if (settings.DATA_DIR / name).is_dir() and any((settings.DATA_DIR / name).iterdir())]
    if folders:
        return ", ".join(folders)
    return "accounts in its database" if _has_accounts() else ""


def _has_accounts() -> bool:
    if "auth_user" not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM auth_user")
        return cursor.fetchone()[0] > 0


def _unpack(source: Path, incoming: Path) -> dict[str, Any]:
    try:
        with tarfile.open(source, "r:") as archive:
            archive.extractall(incoming, filter="data")
        manifest = json.loads((incoming / "manifest.json").read_text())
    except (tarfile.TarError, OSError, KeyError, ValueError) as error:
        raise WrongState(f"{source} cannot be read as a backup: {why_not(error)}.") from error
    if manifest.get("format") != FORMAT:
        raise WrongState(f"{source} has format {manifest.get('format')}, this release reads {FORMAT}.")
    if manifest["vendor"] != connection.vendor:
        raise WrongState(
            f"The backup is of {manifest['vendor']}, DATABASE_URL names {connection.vendor}: restore into the same kind of database."
        )
    return manifest


def _count(folder: Path) -> Report:
    report = Report()
    for root, _, names in os.walk(folder):
        report.files += len(names)
        report.n_bytes += sum((Path(root) / name).stat().st_size for name in names)
    return report


def _put_in_place(incoming: Path, manifest: dict[str, Any]) -> None:
    """Files first, the database last: a restore that was killed in between is simply done again."""
    aside = settings.DATA_DIR / time.strftime("before-restore-%Y%m%d-%H%M%S")
    for name in FOLDERS:
        if (settings.DATA_DIR / name).exists():
            aside.mkdir(exist_ok=True)
            (settings.DATA_DIR / name).rename(aside / name)
        if (incoming / "data" / name).exists():
            (incoming / "data" / name).rename(settings.DATA_DIR / name)
    for label in (incoming / "data" / LABELS).glob("*/*.json"):
        place = settings.DATA_DIR / LABELS / label.parent.name
        place.mkdir(parents=True, exist_ok=True)
        label.replace(place / label.name)
    connection.close()
    if manifest["vendor"] == "postgresql":
        _postgres(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--single-transaction",
            f"--dbname={settings.DATABASES['default']['NAME']}",
            str(incoming / manifest["database"]),
        )
        return
    database = Path(settings.DATABASES["default"]["NAME"])
    for ending in ("", "-wal", "-shm"):
        old = database.with_name(database.name + ending)
        if old.exists():
            aside.mkdir(exist_ok=True)
            old.rename(aside / old.name)
    (incoming / manifest["database"]).rename(database)
    shutil.rmtree(settings.DATA_DIR / "valkey", ignore_errors=True)  # messages of another time
