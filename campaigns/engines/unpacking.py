"""Unpacks a .zip or .tar(.gz, .bz2, .xz) that somebody else packed: regular files only, inside the folder only, no more than the limits."""

import errno
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

MAX_FILES = 20_000
MAX_BYTES = 4 * 2**30
CHUNK_BYTES = 2**20


class ArchiveRefused(ValueError):
    """The archive cannot be unpacked safely; the message says why."""


def is_archive(path: Path) -> bool:
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def unpack(path: Path, folder: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES, *, skip_links: bool = False) -> None:
    """Unpack into an empty folder; links are refused, or left out. Raises ArchiveRefused; what was unpacked until then stays."""
    left_bytes, count = max_bytes, 0
    try:
        for name, stream in _members(path, skip_links):
            count += 1
            if count > max_files:
                raise ArchiveRefused(f"{path.name} holds more than {max_files} files")
            target = folder / _safe(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            left_bytes -= _copy(stream, target, left_bytes, path.name)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise  # the disk is full: not the archive's fault
        raise ArchiveRefused(f"{path.name} is damaged or cannot be unpacked: {error}") from error
    if count == 0:
        raise ArchiveRefused(f"{path.name} holds no files")


def _members(path: Path, skip_links: bool) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if stat.S_ISLNK(member.external_attr >> 16):
                    if skip_links:
                        continue
                    raise ArchiveRefused(f"{path.name} holds a link ({member.filename}): pack the files themselves")
                if not member.is_dir():
                    with archive.open(member) as stream:
                        yield member.filename, stream
        return
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isdir() or (skip_links and (member.issym() or member.islnk())):
                continue
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is None:
                raise ArchiveRefused(f"{path.name} holds a link or a device ({member.name}): pack the files themselves")
            with stream:
                yield member.name, stream


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or ":" in path.parts[0]:
        raise ArchiveRefused(f"the archive holds a file outside of its own folder: {name!r}")
    return path


def _copy(stream: IO[bytes], target: Path, left_bytes: int, archive: str) -> int:
    """Copy, counting what comes out and not what the archive claims. Returns the number of bytes."""
    copied = 0
    with target.open("xb") as output:
        while chunk := stream.read(CHUNK_BYTES):
            copied += len(chunk)
            if copied > left_bytes:
                output.close()
                shutil.rmtree(target.parent, ignore_errors=True)
                raise ArchiveRefused(f"{archive} is larger than the limit when it is unpacked")
            output.write(chunk)
    return copied
