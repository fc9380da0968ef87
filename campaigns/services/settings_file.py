"""A campaign from one document, mostly a YAML file: read, checked, turned into a request. Every problem is named with its key."""

import hashlib
from collections.abc import Callable
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
from campaigns.services.requests import MAX_CELLS, CampaignRequest, CellRequest, check

KEYS = {"name", "material", "cells", "labeller", "s0", "preset", "protocol", "mobile_ion", "seed", "resources"}
CELL_KEYS = {"material", "supercell", "training", "evaluation", "candidate", "oxidation_states"}
NO_CELL = CellRequest(0, (1, 1, 1), True, True)  # in the place of one that could not be read


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
    """Raises BadInput where it is no mapping, or names no material: then nothing else of it can be judged."""
    if not isinstance(document, dict):
        raise BadInput(f"{where} must hold keys and values ({', '.join(sorted(KEYS))}).")
    if not document.get("material") and not document.get("cells"):
        found = f"{where} names no material: give `material:` an example ({', '.join(materials.EXAMPLES)}) or the path of a CIF."
        raise BadInput(" ".join(filter(None, [_unknown(document, KEYS, where), found])))


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


def _unknown(mapping: dict[str, Any], known: set[str], where: str) -> str:
    unknown = ", ".join(sorted(map(str, set(mapping) - known)))
    return f"{where}: unknown key {unknown}; known are {', '.join(sorted(known))}." if unknown else ""


def to_request(owner: AbstractBaseUser, document: dict[str, Any], key: str, folder: Path | None) -> CampaignRequest:
    """Create the materials that the document names and say the rest as a request. Raises BadInput with everything that is wrong.

    Paths are relative to `folder`. Without one no file of this machine is read: a material is its number or an example, a data set
    for S0 the token of an upload.
    """
    reader = _Reader(owner, document, folder)
    request = reader.request(key)
    if reader.problems:
        problems = reader.problems | _further_problems(owner, request, reader)
        raise BadInput("\n".join(dict.fromkeys(problems.values())), problems)
    return request


def _further_problems(owner: AbstractBaseUser, request: CampaignRequest, reader: "_Reader") -> dict[str, str]:
    """What the check of a request finds in the parts that could be read, so that a file is not mended one line at a time."""
    unread = tuple(reader.problems)
    if reader.is_material_missing:  # what is asked of its elements cannot be judged
        unread += ("cells", "mobile_ion", "labeller.")
    try:
        check(owner, request)
    except BadInput as error:
        found = {name: text for name, text in error.fields.items() if not name.startswith(unread)}
        return {name: f"{name}: {text.removesuffix('.')}." for name, text in found.items()}
    return {}


class _Reader:
    """Reads a document part by part; what cannot be read is noted, and something stands in its place."""

    def __init__(self, owner: AbstractBaseUser, document: dict[str, Any], folder: Path | None) -> None:
        self.owner, self.document, self.folder = owner, document, folder
        self.problems: dict[str, str] = {}
        self.is_material_missing = False

    def request(self, key: str) -> CampaignRequest:
        document, source = self.document, "upload" if self.folder is None else "path"
        self._note("document", _unknown(document, KEYS, "settings"))
        labeller = document.get("labeller") or "chgnet"
        labeller = {"name": labeller} if isinstance(labeller, str) else self._mapping(labeller, "labeller")
        s0 = document.get("s0") or {}
        s0 = {"route": s0} if isinstance(s0, str) else self._mapping(s0, "s0")
        self._note("s0", _unknown(s0, {"route", source, "format"}, "s0"))
        cells = self._cells()
        return CampaignRequest(
            name=str(document.get("name") or self._name_of(cells)),
            cells=cells,
            labeller=self._word(labeller.pop("name", "chgnet"), "labeller", "chgnet"),
            labeller_options=labeller,
            preset=self._word(document.get("preset", "quick"), "preset", "quick"),
            changes=self._mapping(document.get("protocol") or {}, "protocol"),
            s0_route=self._word(s0.get("route", "upload" if source in s0 else "fpmd"), "s0: route", "fpmd"),
            s0_upload=self._try("s0_upload", "", _stored, self.owner, s0[source], self.folder) if source in s0 else "",
            s0_name=Path(str(s0.get("path") or CampaignRequest.s0_name)).name,
            s0_upload_format=self._word(s0.get("format", "auto"), "s0: format", "auto"),
            mobile_ion=self._word(document.get("mobile_ion", ""), "mobile_ion", ""),
            seed=self._try("seed", 1, _whole, document.get("seed", 1)),
            resources=self._mapping(document.get("resources") or {}, "resources"),
            source_key=key,
        )

    def _note(self, where: str, problem: str) -> None:
        if problem:
            self.problems[where] = f"{self.problems[where]} {problem}" if where in self.problems else problem

    def _try(self, where: str, instead: Any, read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except BadInput as error:
            self._note(where, str(error))
            return instead

    def _word(self, value: Any, where: str, instead: str) -> str:
        if isinstance(value, str):
            return value
        self._note(where.replace(": ", "_"), f"{where} must be a word, not {value!r}.")
        return instead

    def _mapping(self, value: Any, where: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return dict(value)
        self._note(where, f"{where} must be keys and values, not {value!r}.")
        return {}

    def _name_of(self, cells: list[CellRequest]) -> str:
        first = Material.objects.filter(pk=cells[0].material_id).first() if cells else None
        return first.name if first else "without a name"

    def _cells(self) -> list[CellRequest]:
        given = self.document.get("cells")
        if given is not None and not given:
            self._note("cells", "cells is empty: list at least one cell, or leave the key out to get those that are proposed.")
        if not given:
            material = self._material("material", self.document.get("material"))
            return proposed_cells(material) if material else [NO_CELL]
        if not isinstance(given, list):
            self._note("cells", f"cells must be a list, not {given!r}.")
            return [NO_CELL]
        if len(given) > MAX_CELLS:
            self._note("cells", f"cells must be at most {MAX_CELLS}, not {len(given)}.")
            return [NO_CELL]
        return [self._cell(f"cells.{number}", f"cells, number {number}", cell) for number, cell in enumerate(given, start=1)]

    def _cell(self, name: str, where: str, cell: Any) -> CellRequest:
        if not isinstance(cell, dict):
            self._note(name, f"{where}: must be keys and values ({', '.join(sorted(CELL_KEYS))}).")
            return NO_CELL
        self._note(name, _unknown(cell, CELL_KEYS, where))
        supercell = cell.get("supercell", [1, 1, 1])
        if not (isinstance(supercell, list) and len(supercell) == 3 and all(type(n) is int for n in supercell)):
            self._note(name, f"{where}: supercell must be three whole numbers, for instance [2, 2, 1].")
            supercell = NO_CELL.supercell
        candidate = self._try(name, 0, _candidate, cell.get("candidate", 0), where)
        asked = cell.get("material") or self.document.get("material")
        if not asked:
            self._note(name, f"{where}: names no material.")
        material = self._material("material" if asked == self.document.get("material") else name, asked) if asked else None
        return CellRequest(
            material.pk if material else NO_CELL.material_id,
            tuple(supercell),
            self._try(name, True, _yes_or_no, cell.get("training", True), f"{where}: training"),
            self._try(name, True, _yes_or_no, cell.get("evaluation", True), f"{where}: evaluation"),
            candidate,
            cell.get("oxidation_states"),
        )

    def _material(self, where: str, name: Any) -> Material | None:
        if where == "material" and where in self.problems:  # of several cells: said already
            return None
        found = self._try(where, None, _material, self.owner, name, self.folder)
        self.is_material_missing |= found is None
        return found


def _whole(value: Any, where: str = "seed") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadInput(f"{where} must be a whole number, not {value!r}.")
    return value


def _yes_or_no(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"{where} must be true or false, without quotation marks, not {value!r}.")
    return value


def _candidate(value: Any, where: str) -> int:
    number = _whole(value, f"{where}: candidate")
    if not 0 <= number <= 99:
        raise BadInput(f"{where}: candidate must be between 0 and 99, not {number}.")
    return number


def _material(owner: AbstractBaseUser, name: Any, folder: Path | None) -> Material:
    if isinstance(name, dict):
        return _written_out(owner, name)
    if isinstance(name, str) and name in materials.EXAMPLES:
        return materials.create_example(owner, name)
    examples = ", ".join(materials.EXAMPLES)
    if folder is None:
        found = Material.objects.visible_to(owner).filter(pk=name).first() if type(name) is int else None
        if found is None:
            raise BadInput(
                f"material: {name!r} is neither the number of a material of yours nor an example ({examples}): give one of these, or "
                "write the CIF into the document (material: {cif: text of the CIF})."
            )
        return found
    if not isinstance(name, str):
        raise BadInput(f"material must be an example or the path of a CIF, not {name!r}.")
    path = folder / name
    if not path.is_file():
        raise BadInput(f"material: {name} is neither an example ({examples}) nor a file.")
    return materials.create_material(owner, path.read_bytes(), path.name)


def _written_out(owner: AbstractBaseUser, given: dict[str, Any]) -> Material:
    cif, name = given.get("cif"), given.get("name", "")
    if not isinstance(cif, str) or not isinstance(name, str) or (set(given) - {"cif", "name"}):
        raise BadInput("material: give its CIF as text, and if you like a name: {cif: ..., name: ...}.")
    return materials.create_material(owner, cif.encode(), "structure.cif", name)


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
    """The reverse: a document that makes the same campaign elsewhere, and the files that it names, by name."""
    files: dict[str, bytes | Path] = {}
    document = document_here(campaign)
    materials = Material.objects.in_bulk({cell["material"] for cell in document["cells"]})
    for cell in document["cells"]:
        cell["material"] = _file_of(materials[cell["material"]], files)
    if document["s0"].pop("upload", None):
        upload = settings.DATA_DIR / campaign.s0_upload
        document["s0"]["path"] = f"s0{''.join(upload.suffixes)}"
        files[document["s0"]["path"]] = upload
    return document, files


def document_here(campaign: Campaign) -> dict[str, Any]:
    """A document that makes the same campaign in this installation: materials by their numbers, the data set by its token.

    Every setting is written out: what a preset means may change from one release to the next.
    """
    cells = [
        {
            "material": cell.material_id,
            "supercell": list(cell.supercell),
            "training": cell.for_training,
            "evaluation": cell.for_evaluation,
            "candidate": cell.candidate,
        }
        | ({"oxidation_states": cell.oxidation_states} if cell.oxidation_states else {})
        for cell in campaign.cells.all()
    ]
    s0: dict[str, Any] = {"route": campaign.s0_route}
    if campaign.s0_upload:
        s0 |= {"upload": data_sets.token_of(campaign.s0_upload), "format": campaign.s0_upload_format}
    protocol = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(campaign.settings).items()}
    return {
        "name": campaign.name,
        "cells": cells,
        "labeller": {"name": campaign.labeller} | campaign.labeller_options,
        "s0": s0,
        "preset": campaign.preset,
        "protocol": protocol,
        "mobile_ion": campaign.mobile_ion,
        "seed": campaign.seed,
    } | ({"resources": campaign.resources} if campaign.resources else {})


def _file_of(material: Material, files: dict[str, bytes | Path]) -> str:
    name = f"material-{material.pk}.cif"
    files[name] = material.cif.encode()
    return name
