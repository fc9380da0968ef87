"""What a user asks for, and whether it can be carried out: one check for the form, the estimate and the settings file."""

import math
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from campaigns.engines import labellers
from campaigns.engines.specs import LabellerSpec
from campaigns.enums import S0Route
from campaigns.models import Material
from campaigns.science.protocol import ProtocolSettings, SettingsError, settings_from_mapping
from campaigns.services import data_sets
from campaigns.services.errors import BadInput, sentence

MIN_ATOMS = 2


@dataclass(frozen=True)
class CellRequest:
    material_id: int
    supercell: tuple[int, int, int]
    for_training: bool
    for_evaluation: bool
    candidate: int = 0
    oxidation_states: dict[str, float] | None = None


@dataclass(frozen=True)
class CampaignRequest:
    """What a user asks for. `changes` are the protocol settings that differ from the preset."""

    name: str
    cells: list[CellRequest]
    labeller: str
    labeller_options: dict[str, Any] = field(default_factory=dict)
    preset: str = "quick"
    changes: dict[str, Any] = field(default_factory=dict)
    s0_route: str = "fpmd"
    s0_upload: str = ""
    s0_upload_format: str = "auto"
    mobile_ion: str = ""
    seed: int = 1
    source_key: str = ""


@dataclass(frozen=True)
class Checked:
    """What a request that can be carried out refers to. `s0_upload` is relative to DATA_DIR."""

    materials: dict[int, Material]
    settings: ProtocolSettings
    mobile_ion: str
    s0_upload: str

    def n_atoms(self, cells: list[CellRequest]) -> list[int]:
        """Atoms that these cells will have, as far as the occupancies tell."""
        return [round(_n_atoms(cell, self.materials[cell.material_id])) for cell in cells]


def check(owner: AbstractBaseUser, request: CampaignRequest) -> Checked:
    """Raises BadInput with every problem: by setting, and else by `name`, `cells`, `cells.1`, `labeller.charges` and so on."""
    wanted = {cell.material_id for cell in request.cells}
    materials = Material.objects.visible_to(owner).defer("cif").in_bulk(wanted)
    problems, s0_upload, chosen = _problems(request, materials), "", None
    try:
        s0_upload = data_sets.stored_path(owner, request.s0_upload) if request.s0_upload else ""
    except BadInput as error:
        problems |= error.fields
    try:
        chosen = settings_from_mapping(request.preset, request.changes)
    except SettingsError as error:
        problems |= error.problems
    if problems or chosen is None:
        raise BadInput("The campaign cannot be set up: " + "; ".join(f"{name}: {problem}" for name, problem in problems.items()), problems)
    return Checked(materials, chosen, request.mobile_ion or materials[request.cells[0].material_id].mobile_ion, s0_upload)


def _problems(request: CampaignRequest, materials: dict[int, Material]) -> dict[str, str]:
    """What is wrong with a request, by field, protocol settings apart."""
    found = {}
    if not request.name.strip():
        found["name"] = "give the campaign a name"
    if not request.cells:
        found["cells"] = "choose a material and at least one cell"
    elif not any(cell.for_training for cell in request.cells):
        found["cells"] = "choose at least one cell to train on"
    elif not any(cell.for_evaluation for cell in request.cells):
        found["cells"] = "choose at least one cell to evaluate on"
    for number, cell in enumerate(request.cells, start=1):
        if problem := _cell_problem(cell, materials.get(cell.material_id)):
            found[f"cells.{number}"] = problem
    if request.s0_route not in S0Route.values:
        found["s0_route"] = f"must be one of {', '.join(S0Route.values)}"
    if request.s0_route == S0Route.UPLOAD and not request.s0_upload:
        found["s0_upload"] = "upload a data set, or choose the route fpmd"
    elements = sorted({symbol for material in materials.values() for symbol in material.facts["elements"]})
    if request.mobile_ion and materials and request.mobile_ion not in elements:
        found["mobile_ion"] = f"{request.mobile_ion} is not in the material ({', '.join(elements)})"
    if request.labeller not in labellers.MODULES:
        found["labeller"] = f"must be one of {', '.join(labellers.MODULES)}"
    else:
        problems = labellers.problems(LabellerSpec(request.labeller, request.labeller_options), elements)
        found |= {f"labeller.{option}".removesuffix("."): " ".join(map(sentence, texts)) for option, texts in problems.items()}
    if not 0 < request.seed < 2**31:
        found["seed"] = "must be a whole number between 1 and 2147483647"
    return found


def _cell_problem(cell: CellRequest, material: Material | None) -> str:
    if material is None:
        return "the material does not exist (any more)"
    if min(cell.supercell) < 1 or max(cell.supercell) > 10:
        return "each repetition of a supercell must be between 1 and 10"
    n_atoms = _n_atoms(cell, material)
    if n_atoms < MIN_ATOMS:
        return f"the cell has {n_atoms:g} atom: repeat it, dynamics needs at least {MIN_ATOMS}"
    if n_atoms > 5000:
        return f"the cell has {n_atoms:g} atoms; at most 5000 are possible"
    return ""


def _n_atoms(cell: CellRequest, material: Material) -> float:
    return material.n_atoms * math.prod(cell.supercell)
