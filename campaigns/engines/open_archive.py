"""Unpacks an archive of a campaign and checks every file of it against its manifest, before anything else looks at it.

    python -m campaigns.engines.open_archive FILE FOLDER MAX_BYTES

unpacks into FOLDER and prints the manifest without its checksums, or with exit status 3 why the archive is refused: for
campaigns/engines/bounded.py.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from campaigns.engines import unpacking

FORMAT = "sseweb campaign archive"
SCHEMA = 1
MANIFEST = "manifest.json"
MAX_FILES = 500_000
MAX_MANIFEST_BYTES = 200_000_000


class ArchiveRefused(ValueError):
    """The archive cannot be used; the message says why and what to do."""


def open_archive(path: Path, folder: Path, max_bytes: int) -> dict[str, Any]:
    """Unpack into an empty folder and check everything. Returns the manifest. Raises ArchiveRefused."""
    try:
        unpacking.unpack(path, folder, max_bytes, MAX_FILES)
    except unpacking.ArchiveRefused as error:
        raise ArchiveRefused(f"{error}. Fetch the archive again, or make a new one.") from error
    manifest = read_manifest(folder)
    there = {str(found.relative_to(folder)) for found in folder.rglob("*") if found.is_file()} - {MANIFEST}
    wanted = set(manifest["sha256"])
    if there != wanted:
        missing, strange = sorted(wanted - there), sorted(there - wanted)
        said = [f"{missing[0]} is missing"] if missing else []
        said += [f"{strange[0]} is not in its manifest"] if strange else []
        raise ArchiveRefused(f"The archive is not whole: {' and '.join(said)}. Fetch it again, or make a new one.")
    for name, digest in manifest["sha256"].items():
        if _digest(folder / name) != digest:
            raise ArchiveRefused(f"{name} is not what the manifest says: the archive is damaged. Fetch it again, or make a new one.")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file() or path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ArchiveRefused("This is no archive of a campaign: it has no manifest.json. Make one with Archive on a campaign's page.")
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ArchiveRefused("The manifest is not JSON: the archive is damaged.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not isinstance(manifest.get("sha256"), dict):
        raise ArchiveRefused("This is no archive of a campaign, but another package of this program. A campaign's page makes one.")
    schema = manifest.get("schema")
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise ArchiveRefused(f"The archive has the schema {schema!r}, this release knows {SCHEMA}: update this installation first.")
    return manifest


def _digest(path: Path) -> str:
    """sha256, and the file on the disk before a row says that it is there."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    return digest


if __name__ == "__main__":
    try:
        found = open_archive(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    except ArchiveRefused as error:
        print(error)
        sys.exit(3)
    print(json.dumps({name: value for name, value in found.items() if name not in ("sha256", "n_bytes")}))
