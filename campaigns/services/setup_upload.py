"""A set-up that a user uploads: the zip file that the page of a campaign gives, or a YAML or JSON file alone. It becomes a draft."""

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.files.uploadedfile import UploadedFile

from campaigns.engines import bounded, unpacking
from campaigns.models import Campaign, Project
from campaigns.services import campaigns, data_sets, exports, materials, settings_file
from campaigns.services.errors import BadInput, Busy

MAX_DOCUMENT_BYTES = 2_500_000  # with CIFs and potential files written into it
MAX_FILES = 100
NAMES = ("settings.yaml", "settings.yml", "settings.json")


def create_draft(owner: AbstractBaseUser, file: UploadedFile, project: Project | None = None) -> Campaign:
    """Raises BadInput with everything that is wrong. Materials that could be read stay."""
    with tempfile.TemporaryDirectory(dir=exports.work_folder()) as name:
        path = Path(name) / "upload"
        with path.open("wb") as stream:
            for chunk in file.chunks():
                stream.write(chunk)
        if not zipfile.is_zipfile(path):
            document = _read(path, file.name)
            return campaigns.create(owner, settings_file.to_request(owner, document, "", None), project)
        folder = _unpacked(path, Path(name) / "files", file.name)
        document = _read(next(folder / one for one in NAMES if (folder / one).is_file()), file.name)
        _require_inside(document, folder)
        request = settings_file.to_request(owner, document, "", folder)
        try:
            return campaigns.create(owner, request, project)
        except BadInput:
            if request.s0_upload:
                data_sets.forget(owner, request.s0_upload)
            raise


def _unpacked(path: Path, folder: Path, name: str) -> Path:
    """The folder that holds the settings file."""
    folder.mkdir()
    try:
        unpacking.unpack(path, folder, settings.MAX_DATA_SET_BYTES + MAX_FILES * settings.MAX_CIF_BYTES, MAX_FILES)
    except unpacking.ArchiveRefused as error:
        raise BadInput(f"{name} cannot be used: {error}.".replace(f"{path.name} ", "it ")) from error
    for place in (folder, *sorted(one for one in folder.iterdir() if one.is_dir())):
        if any((place / one).is_file() for one in NAMES):
            return place
    raise BadInput(f"{name} holds no settings.yaml: choose the zip file that “Set-up” on the Settings page of a campaign gives.")


def _read(path: Path, name: str) -> dict[str, Any]:
    size = path.stat().st_size
    if size > MAX_DOCUMENT_BYTES:
        raise BadInput(f"The settings file in {name} has {size / 1e6:.1f} MB; at most {MAX_DOCUMENT_BYTES / 1e6:g} MB are accepted.")
    try:
        document = bounded.run_json("campaigns.engines.read_document", [], stdin=path.read_bytes())
    except bounded.ChildBusy as error:
        raise Busy(f"{name} was not read. {error}") from error
    except bounded.ChildRefused as error:
        raise BadInput(f"{name} is no set-up of a campaign: {error}") from error
    settings_file.check_keys(document, name)
    return document


def _require_inside(document: dict[str, Any], folder: Path) -> None:
    """No file of this machine is read but those that were uploaded."""
    for name in _files_named(document):
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"The settings file names {name!r}, which is not in the zip file: put it there, and name it as it lies there.")


def _files_named(document: dict[str, Any]) -> Iterator[str]:
    cells, s0 = document.get("cells"), document.get("s0")
    parts = [document, *(cells if isinstance(cells, list) else [])]
    named = [part.get("material") for part in parts if isinstance(part, dict)] + [s0.get("path") if isinstance(s0, dict) else None]
    yield from (name for name in named if isinstance(name, str) and name not in materials.EXAMPLES)
