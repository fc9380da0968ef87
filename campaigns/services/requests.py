"""What a user asks for, and whether it can be carried out: one check for the form, the estimate and the settings file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from campaigns.engines import labellers
from campaigns.engines.specs import LabellerSpec
from campaigns.enums import CLUSTER_KINDS, S0Route, StageKind
from campaigns.models import Campaign, Material
from campaigns.science import mobile_ions, time_steps
from campaigns.science.protocol import ProtocolSettings, SettingsError, settings_from_mapping
from campaigns.services import compositions, data_sets, resources, texts
from campaigns.services.errors import BadInput, sentence

LABELLING = frozenset({StageKind.PREPARE, StageKind.S0, StageKind.LABEL})
NAMING_FILES = frozenset({"basis", "pseudopotentials", "potcars"})  # options that choose among the data files of an installation
MIN_ATOMS = 2
MAX_CELLS = 12
MAX_NAME = 200
MAX_STATE = 9
MAX_CHARGE_E = 0.01  # of a unit cell that counts as neutral
MAX_WHOLE = 0.01  # an oxidation state further from a whole number is a mean, which adapts itself


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
    s0_name: str = "the data set"  # what its owner calls the file
    mobile_ion: str = ""
    seed: int = 1
    resources: dict[str, str] = field(default_factory=dict)  # where stages run, by their kind; left out: on this machine
    source_key: str = ""


@dataclass(frozen=True)
class Checked:
    """What a request that can be carried out refers to. `s0_upload` is relative to DATA_DIR."""

    materials: dict[int, Material]
    settings: ProtocolSettings
    mobile_ion: str
    mobile_ion_charge_e: float
    s0_upload: str
    warnings: list[str]

    def n_atoms(self, cells: list[CellRequest]) -> list[int]:
        """Atoms that these cells will have, as far as the occupancies tell."""
        return [round(_n_atoms(cell, self.materials[cell.material_id])) for cell in cells]


def check(owner: AbstractBaseUser, request: CampaignRequest, keep: Campaign | None = None) -> Checked:
    """Raises BadInput with every problem: by setting, and else by `name`, `cells`, `cells.1`, `labeller.charges` and so on.

    `keep`: a draft whose data set may stay, also where somebody else had uploaded it.
    """
    wanted = {cell.material_id for cell in request.cells}
    materials = Material.objects.visible_to(owner).defer("cif").in_bulk(wanted)
    problems, s0_upload, chosen = _problems(request, materials), "", None
    try:
        s0_upload = _s0_upload(owner, request, keep)
    except BadInput as error:
        problems |= error.fields
    try:
        chosen = settings_from_mapping(request.preset, request.changes)
    except SettingsError as error:
        problems |= error.problems
    if problems or chosen is None:
        raise BadInput("The campaign cannot be set up: " + "; ".join(f"{name}: {problem}" for name, problem in problems.items()), problems)
    elements = {symbol for material in materials.values() for symbol in material.facts["elements"]}
    chosen, step_notes = time_steps.fitted(chosen, request.changes, elements)
    first = materials[request.cells[0].material_id]
    mobile_ion = request.mobile_ion or first.mobile_ion
    states = [oxidation_states(cell, materials[cell.material_id]) for cell in request.cells]
    charge_e = next((float(found[mobile_ion]) for found in states if mobile_ion in found), None)
    warnings = [
        *(text for cell in request.cells if (text := _charge_warning(cell, materials[cell.material_id]))),
        *(text for cell in request.cells if (text := _loss_warning(cell, materials[cell.material_id], mobile_ion))),
        *_unlearnt(request, materials, mobile_ion),
        *_not_seen(request, _elements(materials)),
        *([f"{doubt} {first.facts.get('mobile_ion_reason', '')}".strip()] if (doubt := mobile_ions.doubt(mobile_ion, charge_e)) else []),
        *([mobile_ions.assumed(mobile_ion)] if charge_e is None else []),
        *step_notes,
    ]
    if charge_e is None:
        charge_e = mobile_ions.usual_charge_e(mobile_ion)
    return Checked(materials, chosen, mobile_ion, charge_e, s0_upload, list(dict.fromkeys(warnings)))


def check_wholly(owner: AbstractBaseUser, request: CampaignRequest, keep: Campaign | None = None) -> Checked:
    """`check`, and the uploaded data set read for the cells as they are now: else it would be refused hours later, when they are relaxed.

    Takes seconds. Raises BadInput.
    """
    checked = check(owner, request, keep)
    if request.s0_route == S0Route.UPLOAD:
        elements = elements_of(request.cells, checked.materials, checked.mobile_ion)
        data_sets.require_usable(checked.s0_upload, request.s0_upload_format, elements, request.s0_name)
    return checked


def elements_of(cells: list[CellRequest], materials: Mapping[int, Material], mobile_ion: str) -> list[str]:
    """Elements that the cells will really hold: of a dopant there may be too little for one atom."""
    found: set[str] = set()
    for cell in cells:
        material = materials[cell.material_id]
        found |= set(material.facts["elements"]) - set(_lost(cell, material, mobile_ion))
    return sorted(found)


def _unlearnt(request: CampaignRequest, materials: Mapping[int, Material], mobile_ion: str) -> list[str]:
    """Elements of evaluated cells that no training cell holds; an uploaded set must have them."""
    if request.s0_route != S0Route.FPMD:
        return []
    trained = elements_of([cell for cell in request.cells if cell.for_training], materials, mobile_ion)
    missing = sorted(set(elements_of(request.cells, materials, mobile_ion)) - set(trained))
    if not missing:
        return []
    return [f"No training cell holds {', '.join(missing)}, so that no model learns it: train on a larger cell, or evaluate one without it."]


def _lost(cell: CellRequest, material: Material, mobile_ion: str) -> list[str]:
    return compositions.lost_elements(material, cell.supercell, oxidation_states(cell, material), mobile_ion)


def _loss_warning(cell: CellRequest, material: Material, mobile_ion: str) -> str:
    lost = _lost(cell, material, mobile_ion)
    return compositions.loss(material, cell.supercell, lost) if lost else ""


def _s0_upload(owner: AbstractBaseUser, request: CampaignRequest, keep: Campaign | None) -> str:
    if keep and request.s0_upload and request.s0_upload == data_sets.token_of(keep.s0_upload):
        return keep.s0_upload
    return data_sets.stored_path(owner, request.s0_upload) if request.s0_upload else ""


def request_of(campaign: Campaign) -> CampaignRequest:
    """What was asked for when this campaign was made, to look at its cost and to change it."""
    return CampaignRequest(
        name=campaign.name,
        cells=[
            CellRequest(cell.material_id, cell.supercell, cell.for_training, cell.for_evaluation, cell.candidate, cell.oxidation_states)
            for cell in campaign.cells.all()
        ],
        labeller=campaign.labeller,
        labeller_options=campaign.labeller_options,
        preset=campaign.preset,
        changes=campaign.changes,
        s0_route=campaign.s0_route,
        s0_upload=data_sets.token_of(campaign.s0_upload),
        s0_upload_format=campaign.s0_upload_format,
        mobile_ion=campaign.mobile_ion,
        seed=campaign.seed,
        resources=campaign.resources,
        source_key=campaign.source_key,
    )


def oxidation_states(cell: CellRequest, material: Material) -> dict[str, float]:
    """Those given, the guessed ones for the rest."""
    return (material.facts.get("oxidation_states") or {}) | (cell.oxidation_states or {})


def _net_charge_e(cell: CellRequest, material: Material) -> float:
    """Of one unit cell, as the CIF's occupancies have it."""
    states = oxidation_states(cell, material)
    return sum(amount * states[symbol] for symbol, amount in compositions.amounts_of(material).items())


def _charge_warning(cell: CellRequest, material: Material) -> str:
    """Whoever gives the states has answered the doubt about the guessed ones."""
    if not cell.oxidation_states:
        doubt = material.facts.get("charge_doubt")
        return f"{material.name}: {doubt}" if doubt else ""
    if not material.is_disordered:
        return ""
    charge_e = _net_charge_e(cell, material)
    if abs(charge_e) < MAX_CHARGE_E:
        return ""
    return (
        f"With the given oxidation states the occupancies of {material.name} leave a charge of {charge_e:+.2g} e per unit cell: "
        "ordered cells get the nearest neutral composition. Check the states if that is not meant."
    )


def _states_problem(cell: CellRequest, material: Material) -> str:
    """Ordering needs a charge for each element; a cell that is ordered already must be neutral if charges are given."""
    elements, given = material.facts["elements"], cell.oxidation_states or {}
    if not isinstance(given, dict) or not all(isinstance(state, int | float) and abs(state) <= MAX_STATE for state in given.values()):
        return f"give a number between -{MAX_STATE} and {MAX_STATE} for each element, such as Li 1, S -2"
    strange = sorted(set(given) - set(elements))
    missing = sorted(set(elements) - set(oxidation_states(cell, material)))
    if strange:
        return f"{', '.join(strange)} is not in the material ({', '.join(elements)})"
    if missing and (given or material.is_disordered):
        return f"give an oxidation state for {', '.join(missing)}: it could not be guessed, and atoms are placed by their charges"
    if given and not material.is_disordered:
        whole = all(abs(state - round(state)) < MAX_WHOLE for state in given.values())
        if whole and abs(charge_e := _net_charge_e(cell, material)) > MAX_CHARGE_E:
            return f"the charges sum to {charge_e:+g} e per unit cell: an ordered cell must be neutral"
    return ""


def _problems(request: CampaignRequest, materials: dict[int, Material]) -> dict[str, str]:
    """What is wrong with a request, by field, protocol settings apart."""
    found = {spec.name: texts.NO_TEXT for spec in fields(request) if texts.has_nul(getattr(request, spec.name))}
    if found:
        return found
    if not request.name.strip():
        found["name"] = "give the campaign a name"
    elif len(request.name.strip()) > MAX_NAME:
        found["name"] = f"has {len(request.name.strip())} characters; at most {MAX_NAME} are possible"
    if not request.cells:
        found["cells"] = "choose a material and at least one cell"
    elif not any(cell.for_training for cell in request.cells):
        found["cells"] = "choose at least one cell to train on"
    elif not any(cell.for_evaluation for cell in request.cells):
        found["cells"] = "choose at least one cell to evaluate on"
    elements = _elements(materials)
    first = materials.get(request.cells[0].material_id) if request.cells else None
    mobile_ion = request.mobile_ion or (first.mobile_ion if first else "")
    for number, cell in enumerate(request.cells, start=1):
        material = materials.get(cell.material_id)
        if problem := _cell_problem(cell, material) or (mobile_ion in elements and _no_mobile_ion(cell, material, mobile_ion)):
            found[f"cells.{number}"] = problem
        elif cell.candidate and not material.is_disordered:
            found[f"cells.{number}.candidate"] = f"{material.name} is ordered, so it has one ordering, number 0; not {cell.candidate}"
        elif problem := _states_problem(cell, material):
            found[f"cells.{number}.oxidation_states"] = problem
    if request.s0_route not in S0Route.values:
        found["s0_route"] = f"must be one of {', '.join(S0Route.values)}"
    if request.s0_route == S0Route.UPLOAD and not request.s0_upload:
        found["s0_upload"] = "upload a data set, or choose the route fpmd"
    if mobile_ion and materials and mobile_ion not in elements:
        found["mobile_ion"] = f"{mobile_ion} is not in the material ({', '.join(elements)})"
    if request.labeller not in labellers.MODULES:
        found["labeller"] = f"must be one of {', '.join(labellers.MODULES)}"
    else:
        problems, _ = _of_the_method(request, elements)
        found |= {f"labeller.{option}".removesuffix("."): _in_one(texts) for option, texts in problems.items()}
        if not found and (odd := _odd_electrons(request, materials, mobile_ion)):
            found["labeller.spin"] = odd
    found |= {f"resources.{kind}".removesuffix("."): text for kind, text in resources.problems(request.resources, CLUSTER_KINDS).items()}
    if not 0 < request.seed < 2**31:
        found["seed"] = "must be a whole number between 1 and 2147483647"
    return found


def _elements(materials: Mapping[int, Material]) -> list[str]:
    return sorted({symbol for material in materials.values() for symbol in material.facts["elements"]})


def _of_the_method(request: CampaignRequest, elements: list[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What is wrong with the reference method, by option; and what may be wrong with its installation where that is not on this machine.

    Its program and its data files are needed where labels are computed; what would be wrong with an option whatever the files, is so here.
    """
    method = LabellerSpec(request.labeller, request.labeller_options)
    problems = labellers.problems(method, elements)
    known = {option.name for option in labellers.module(request.labeller).OPTIONS}
    if not LABELLING.issubset(request.resources) or not known.issuperset(request.labeller_options):
        return problems, {}
    problems.pop("", None)
    away = {name: problems[name] for name in NAMING_FILES & set(problems) - set(labellers.problems(method, []))}
    return {name: texts for name, texts in problems.items() if name not in away}, away


def _not_seen(request: CampaignRequest, elements: list[str]) -> list[str]:
    """Files of the reference method that only the machine that labels can tell about."""
    _, away = _of_the_method(request, elements)
    there = ", ".join(sorted({request.resources[kind] for kind in LABELLING & set(request.resources)}))
    return [f"Labels are computed on {there}, so that must have the files of the reference method. Here: {_in_one(texts)}"
            for texts in away.values()]  # fmt: skip


def _odd_electrons(request: CampaignRequest, materials: dict[int, Material], mobile_ion: str) -> str:
    """Of the first cell that has an odd number where the method pairs all of them: no label of it could be computed."""
    spec = LabellerSpec(request.labeller, request.labeller_options)
    for cell in request.cells:
        material = materials[cell.material_id]
        atoms = compositions.whole_atoms(material, cell.supercell, oxidation_states(cell, material), mobile_ion)
        if atoms and (problem := labellers.spin_problem(spec, atoms)):
            return f"in {material.name} {'×'.join(map(str, cell.supercell))} {problem}, or another supercell"
    return ""


def _in_one(texts: list[str]) -> str:
    return " ".join(map(sentence, texts)) if len(texts) > 1 else texts[0]


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


def _no_mobile_ion(cell: CellRequest, material: Material, mobile_ion: str) -> str:
    if not cell.for_evaluation or mobile_ion in material.facts["elements"]:
        return ""
    return f"{material.name} has no {mobile_ion}, the mobile ion: evaluate another cell, or use this one for training only"


def _n_atoms(cell: CellRequest, material: Material) -> float:
    return material.n_atoms * math.prod(cell.supercell)
