"""An installation back from what `backup` wrote, while no service of any host works on the data folder."""

import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from campaigns.engines.disk import why_not
from campaigns.services import data_folder
from campaigns.services.errors import WrongState
from sseweb import service_lock
from sseweb.backup import FOLDERS, FORMAT, LABELS, Report, postgres


def restore(source: Path, *, replace: bool, say: Callable[[str], None] = lambda text: None) -> Report:
    """Bring an installation back from a backup. What was there is moved aside, never deleted. Raises WrongState."""
    with service_lock.alone():
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
        call_command("migrate", verbosity=0)
        data_folder.join()
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


class _Moves:
    """Renames that are taken back, the last first, where not all of them succeed."""

    def __init__(self) -> None:
        self._done: list[tuple[Path, Path]] = []

    def move(self, path: Path, place: Path) -> None:
        """Where there is such a file or folder."""
        if path.exists():
            place.parent.mkdir(exist_ok=True)
            path.rename(place)
            self._done.append((path, place))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for path, place in reversed(self._done) if error else ():
            place.rename(path)


def _put_in_place(incoming: Path, manifest: dict[str, Any]) -> None:
    """Files first, the database last. Where that fails everything is as it was; a restore that was killed in between is done again, and
    finds what was there in the first of the folders that it moved aside."""
    aside = settings.DATA_DIR / time.strftime("before-restore-%Y%m%d-%H%M%S")
    for label in (incoming / "data" / LABELS).glob("*/*.json"):
        place = settings.DATA_DIR / LABELS / label.parent.name
        place.mkdir(parents=True, exist_ok=True)
        label.replace(place / label.name)
    connection.close()
    with _Moves() as moves:
        for name in FOLDERS:
            moves.move(settings.DATA_DIR / name, aside / name)
            moves.move(incoming / "data" / name, settings.DATA_DIR / name)
        if manifest["vendor"] == "postgresql":
            _load_postgres(incoming / manifest["database"])
        else:
            _replace_sqlite(moves, incoming / manifest["database"], aside)
    shutil.rmtree(settings.DATA_DIR / "valkey", ignore_errors=True)  # messages of another time


def _load_postgres(dump: Path) -> None:
    database = settings.DATABASES["default"]["NAME"]
    postgres("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", f"--dbname={database}", str(dump))


def _replace_sqlite(moves: _Moves, copy: Path, aside: Path) -> None:
    if not copy.is_file():
        raise WrongState("The backup holds no database: it is not whole.")
    database = Path(settings.DATABASES["default"]["NAME"])
    for ending in ("", "-wal", "-shm"):
        old = database.with_name(database.name + ending)
        moves.move(old, aside / old.name)
    moves.move(copy, database)
