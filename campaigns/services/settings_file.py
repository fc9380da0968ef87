"""A campaign from one document, mostly a YAML file: read, checked, turned into a request. Every problem is named with its key."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.files.base import File

from campaigns.engines import disk
from campaigns.models import Campaign, Material
from campaigns.services import data_sets, materials
from campaigns.services.errors import BadInput
from campaigns.services.requests import CampaignRequest, CellRequest

KEYS = {"name", "material", "cells", "labeller", "s0", "preset", "protocol", "mobile_ion", "seed", "resources"}
CELL_KEYS = {"material", "supercell", "training", "evaluation", "candidate", "oxidation_states"}


def load(path: Path) -> tuple[dict[str, Any], str]:
    """The document and its key: the same file with the same CIFs and data set goes on with the same campaign. Raises BadInput."""
    try:
        content = path.read_bytes()
        document = yaml.safe_load(content)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {disk.why_not(error)}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not YAML: {error}") from error
    check_keys(document, str(path))
    return document, _key(content, document, path.resolve().parent)


def check_keys(document: Any, where: str) -> None:
    """Raises BadInput where it is no mapping, names no material, or has a key that means nothing."""
    if not isinstance(document, dict):
        raise BadInput(f"{where} must hold keys and values ({', '.join(sorted(KEYS))}).")
    _refuse_unknown(document, KEYS, where)
    if not document.get("material") and not document.get("cells"):
        raise BadInput(f"{where} names no material: give `material:` an example ({', '.join(materials.EXAMPLES)}) or the path of a CIF.")


def _key(content: bytes, document: dict[str, Any], folder: Path) -> str:
    """sha256 of the settings file and of every file that it names: a corrected CIF makes another campaign."""
    found = hashlib.sha256(content)
    cells, s0 = document.get("cells"), document.get("s0")
    names = [document.get("material"), s0.get("path") if isinstance(s0, dict) else None]
    names += [cell.get("material") for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []
    for name in names:
        if isinstance(name, str) and name and name not in materials.EXAMPLES and (folder / name).is_file():
            with (folder / str(name)).open("rb") as stream:
                found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()


def _refuse_unknown(mapping: dict[str, Any], known: set[str], where: str) -> None:
    unknown = set(mapping) - known
    if unknown:
        raise BadInput(f"{where}: unknown key {', '.join(map(str, sorted(unknown)))}; known are {', '.join(sorted(known))}.")


def to_request(owner: AbstractBaseUser, document: dict[str, Any], key: str, folder: Path | None) -> CampaignRequest:
    """Create the materials that the document names and say the rest as a request.

    Paths are relative to `folder`. Without one no file of this machine is read: a material is its number or an example, a data set
    for S0 the token of an upload.
    """
    labeller = document.get("labeller") or {"name": "chgnet"}
    labeller = {"name": labeller} if isinstance(labeller, str) else _mapping(labeller, "labeller")
    s0 = document.get("s0") or {}
    s0 = {"route": s0} if isinstance(s0, str) else _mapping(s0, "s0")
    source = "upload" if folder is None else "path"
    _refuse_unknown(s0, {"route", source, "format"}, "s0")
    cells = _cells(owner, document, folder)
    return CampaignRequest(
        name=str(document.get("name") or Material.objects.get(pk=cells[0].material_id).name),
        cells=cells,
        labeller=_word(labeller.pop("name", "chgnet"), "labeller"),
        labeller_options=labeller,
        preset=_word(document.get("preset", "quick"), "preset"),
        changes=_mapping(document.get("protocol") or {}, "protocol"),
        s0_route=_word(s0.get("route", "upload" if source in s0 else "fpmd"), "s0: route"),
        s0_upload=_stored(owner, s0[source], folder) if source in s0 else "",
        s0_upload_format=_word(s0.get("format", "auto"), "s0: format"),
        mobile_ion=_word(document.get("mobile_ion", ""), "mobile_ion"),
        seed=_whole(document.get("seed", 1)),
        resources=_mapping(document.get("resources") or {}, "resources"),
        source_key=key,
    )


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{where} must be a word, not {value!r}.")
    return value


def _whole(value: Any, where: str = "seed") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadInput(f"{where} must be a whole number, not {value!r}.")
    return value


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{where} must be keys and values, not {value!r}.")
    return dict(value)


def _cells(owner: AbstractBaseUser, document: dict[str, Any], folder: Path | None) -> list[CellRequest]:
    if not document.get("cells"):
        return proposed_cells(_material(owner, document["material"], folder))
    if not isinstance(document["cells"], list):
        raise BadInput(f"cells must be a list, not {document['cells']!r}.")
    cells = []
    for number, cell in enumerate(document["cells"], start=1):
        where = f"cells, number {number}"
        if not isinstance(cell, dict):
            raise BadInput(f"{where}: must be keys and values ({', '.join(sorted(CELL_KEYS))}).")
        _refuse_unknown(cell, CELL_KEYS, where)
        supercell = cell.get("supercell", [1, 1, 1])
        if not (isinstance(supercell, list) and len(supercell) == 3 and all(isinstance(n, int) for n in supercell)):
            raise BadInput(f"{where}: supercell must be three whole numbers, for instance [2, 2, 1].")
        material = cell.get("material") or document.get("material")
        if not material:
            raise BadInput(f"{where}: names no material.")
        cells.append(
            CellRequest(
                _material(owner, material, folder).pk,
                tuple(supercell),
                bool(cell.get("training", True)),
                bool(cell.get("evaluation", True)),
                _candidate(cell.get("candidate", 0), where),
                cell.get("oxidation_states"),
            )
        )
    return cells


def _candidate(value: Any, where: str) -> int:
    number = _whole(value, f"{where}: candidate")
    if not 0 <= number <= 99:
        raise BadInput(f"{where}: candidate must be between 0 and 99, not {number}.")
    return number


def _material(owner: AbstractBaseUser, name: Any, folder: Path | None) -> Material:
    if folder is None and name not in materials.EXAMPLES:
        found = Material.objects.visible_to(owner).filter(pk=name).first() if type(name) is int else None
        if found is None:
            raise BadInput(
                f"material: {name!r} is neither the number of a material of yours nor an example ({', '.join(materials.EXAMPLES)})."
            )
        return found
    if not isinstance(name, str):
        raise BadInput(f"material must be an example or the path of a CIF, not {name!r}.")
    if name in materials.EXAMPLES:
        return materials.create_example(owner, name)
    path = folder / str(name)
    if not path.is_file():
        raise BadInput(f"material: {name} is neither an example ({', '.join(materials.EXAMPLES)}) nor a file.")
    return materials.create_material(owner, path.read_bytes(), path.name)


def proposed_cells(material: Material) -> list[CellRequest]:
    """The training and the evaluation cell that the program proposes; one cell for both where they are the same."""
    proposed = material.facts["proposed_cells"]
    training, evaluation = tuple(proposed["training"]["supercell"]), tuple(proposed["evaluation"]["supercell"])
    if training == evaluation:
        return [CellRequest(material.pk, training, True, True)]
    return [CellRequest(material.pk, training, True, False), CellRequest(material.pk, evaluation, False, True)]


def _stored(owner: AbstractBaseUser, name: Any, folder: Path | None) -> str:
    """The token of a data set, stored here where it is a file."""
    if folder is None:
        return str(name)
    path = folder / str(name)
    if not path.is_file():
        raise BadInput(f"s0: {path} is not a file; put a folder such as deepmd/npy into a .tar.gz or .zip.")
    with path.open("rb") as stream:
        upload = File(stream, name=path.name)
        if upload.size > settings.MAX_DATA_SET_BYTES:
            raise BadInput(f"s0: {path} is larger than {settings.MAX_DATA_SET_BYTES / 1e6:.0f} MB.")
        return data_sets.store_upload(owner, upload)


def document_of(campaign: Campaign) -> tuple[dict[str, Any], dict[str, bytes | Path]]:
    """The reverse: a document that makes the same campaign elsewhere, and the files that it names, by name.

    Every setting is written out: what a preset means may change from one release to the next.
    """
    files: dict[str, bytes | Path] = {}
    cells = [
        {
            "material": _file_of(cell.material, files),
            "supercell": list(cell.supercell),
            "training": cell.for_training,
            "evaluation": cell.for_evaluation,
            "candidate": cell.candidate,
        }
        | ({"oxidation_states": cell.oxidation_states} if cell.oxidation_states else {})
        for cell in campaign.cells.select_related("material")
    ]
    s0: dict[str, Any] = {"route": campaign.s0_route}
    if campaign.s0_upload:
        upload = settings.DATA_DIR / campaign.s0_upload
        s0 |= {"path": f"s0{''.join(upload.suffixes)}", "format": campaign.s0_upload_format}
        files[s0["path"]] = upload
    protocol = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(campaign.settings).items()}
    document = {
        "name": campaign.name,
        "cells": cells,
        "labeller": {"name": campaign.labeller} | campaign.labeller_options,
        "s0": s0,
        "preset": campaign.preset,
        "protocol": protocol,
        "mobile_ion": campaign.mobile_ion,
        "seed": campaign.seed,
    } | ({"resources": campaign.resources} if campaign.resources else {})
    return document, files


def _file_of(material: Material, files: dict[str, bytes | Path]) -> str:
    name = f"material-{material.pk}.cif"
    files[name] = material.cif.encode()
    return name
