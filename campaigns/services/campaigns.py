"""Campaigns from draft to end: create, start, pause, resume, cancel, retry, delete."""

import shutil
from dataclasses import asdict, dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from campaigns.engines import labellers
from campaigns.engines.runners import local
from campaigns.engines.specs import LabellerSpec
from campaigns.enums import CampaignState, S0Route, StageState
from campaigns.models import Artefact, Campaign, Cell, Material
from campaigns.science.protocol import SettingsError, settings_from_mapping
from campaigns.services import data_sets, protocol
from campaigns.services.errors import BadInput, WrongState
from campaigns.services.wake import wake

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


def create(owner: AbstractBaseUser, request: CampaignRequest) -> Campaign:
    """Check everything and make a draft. Raises BadInput with the problems by field."""
    return _keep(Campaign(owner=owner), request)


def change_draft(campaign: Campaign, request: CampaignRequest) -> Campaign:
    """What a draft asks for, anew. Raises BadInput, and WrongState once it was started."""
    if campaign.state != CampaignState.DRAFT:
        raise WrongState("The campaign has been started: its set-up cannot be changed any more. Copy it into a new one instead.")
    return _keep(campaign, request)


def check(owner: AbstractBaseUser, request: CampaignRequest) -> dict[str, str]:
    """What is wrong with a request, by field; empty where a campaign can be made of it."""
    problems = _problems(request, _materials(owner, request))
    try:
        if request.s0_upload:
            data_sets.stored_path(owner, request.s0_upload)
        settings_from_mapping(request.preset, request.changes)
    except SettingsError as error:
        problems |= error.problems
    except BadInput as error:
        problems |= error.fields
    return problems


def _materials(owner: AbstractBaseUser, request: CampaignRequest) -> dict[int, Material]:
    return Material.objects.visible_to(owner).in_bulk({cell.material_id for cell in request.cells})


def _keep(campaign: Campaign, request: CampaignRequest) -> Campaign:
    if problems := check(campaign.owner, request):
        raise BadInput("The campaign cannot be set up: " + "; ".join(f"{name}: {problem}" for name, problem in problems.items()), problems)
    materials = _materials(campaign.owner, request)
    first = materials[request.cells[0].material_id]
    mobile_ion = request.mobile_ion or first.mobile_ion
    columns = {
        "name": request.name.strip()[:200],
        "mobile_ion": mobile_ion,
        "mobile_ion_charge": _charge(first, mobile_ion),
        "labeller": request.labeller,
        "labeller_options": request.labeller_options,
        "s0_route": request.s0_route,
        "s0_upload": data_sets.stored_path(campaign.owner, request.s0_upload) if request.s0_upload else "",
        "s0_upload_format": request.s0_upload_format,
        "preset": request.preset,
        "protocol": asdict(settings_from_mapping(request.preset, request.changes)),
        "seed": request.seed,
        "source_key": request.source_key,
    }
    for name, value in columns.items():
        setattr(campaign, name, value)
    with transaction.atomic():
        campaign.save()
        campaign.cells.all().delete()
        for cell in request.cells:
            a, b, c = cell.supercell
            Cell.objects.create(
                campaign=campaign,
                material=materials[cell.material_id],
                for_training=cell.for_training,
                for_evaluation=cell.for_evaluation,
                supercell_a=a,
                supercell_b=b,
                supercell_c=c,
                candidate=cell.candidate,
                oxidation_states=cell.oxidation_states,
            )
    return campaign


def request_of(campaign: Campaign) -> CampaignRequest:
    """The request that would make this campaign again, without the key of a settings file."""
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
    )


def _problems(request: CampaignRequest, materials: dict[int, Material]) -> dict[str, str]:
    """What is wrong with a request, by field, protocol settings apart."""
    found = {}
    if not request.name.strip():
        found["name"] = "give the campaign a name"
    if not any(cell.for_training for cell in request.cells):
        found["cells"] = "choose at least one cell to train on"
    elif not any(cell.for_evaluation for cell in request.cells):
        found["cells"] = "choose at least one cell to evaluate on"
    for cell in request.cells:
        problem = _cell_problem(cell, materials.get(cell.material_id))
        if problem:
            found["cells"] = problem
    if request.s0_route not in S0Route.values:
        found["s0_route"] = f"must be one of {', '.join(S0Route.values)}"
    if request.s0_route == S0Route.UPLOAD and not request.s0_upload:
        found["s0_upload"] = "upload a data set, or choose the route fpmd"
    elements = sorted({symbol for material in materials.values() for symbol in material.facts["elements"]})
    for cell in request.cells:
        foreign = sorted(set(cell.oxidation_states or {}) - set(elements))
        if foreign:
            found["cells"] = f"the oxidation states name {', '.join(foreign)}, which the material does not hold"
    if request.mobile_ion and request.mobile_ion not in elements:
        found["mobile_ion"] = f"{request.mobile_ion} is not in the material ({', '.join(elements)})"
    if request.labeller not in labellers.MODULES:
        found["labeller"] = f"must be one of {', '.join(labellers.MODULES)}"
    elif problems := labellers.check(LabellerSpec(request.labeller, request.labeller_options), elements):
        found["labeller"] = " ".join(problems)
    if not 0 < request.seed < 2**31:
        found["seed"] = "must be a whole number between 1 and 2147483647"
    return found


def _cell_problem(cell: CellRequest, material: Material | None) -> str:
    if material is None:
        return "the material does not exist (any more)"
    if min(cell.supercell) < 1 or max(cell.supercell) > 10:
        return "each repetition of a supercell must be between 1 and 10"
    n_atoms = material.n_atoms * cell.supercell[0] * cell.supercell[1] * cell.supercell[2]
    if n_atoms < MIN_ATOMS:
        return f"the cell has {n_atoms:g} atom: repeat it, dynamics needs at least {MIN_ATOMS}"
    if n_atoms > 5000:
        return f"the cell has {n_atoms:g} atoms; at most 5000 are possible"
    return ""


def _charge(material: Material, mobile_ion: str) -> float:
    states = material.facts.get("oxidation_states") or {}
    return float(states.get(mobile_ion, 1.0))


def start(campaign: Campaign) -> None:
    _move(campaign, (CampaignState.DRAFT,), CampaignState.RUNNING, "start", started_at=timezone.now())


def resume(campaign: Campaign) -> None:
    _move(campaign, (CampaignState.PAUSED,), CampaignState.RUNNING, "resume")


def pause(campaign: Campaign) -> None:
    """Running engines are stopped within a second; they go on from their last checkpoint."""
    _move(campaign, (CampaignState.RUNNING,), CampaignState.PAUSED, "pause")


def cancel(campaign: Campaign) -> None:
    """For good. What was computed stays and can be looked at."""
    with transaction.atomic():
        _move(
            campaign,
            (CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.FAILED),
            CampaignState.CANCELLED,
            "cancel",
            finished_at=timezone.now(),
            reason="Cancelled by its owner.",
        )
        campaign.stages.filter(state__in=(StageState.PENDING, StageState.RUNNING)).update(state=StageState.CANCELLED, owner="")


def retry(campaign: Campaign) -> None:
    """A failed campaign goes on: failed stages try again from their checkpoints."""
    with transaction.atomic():
        _move(
            campaign,
            (CampaignState.FAILED,),
            CampaignState.RUNNING,
            "retry",
            finished_at=None,
            before_advance=lambda: campaign.stages.filter(state=StageState.FAILED).update(
                state=StageState.PENDING, tries=0, due_at=None, sent_at=None, message="", cause=""
            ),
        )


def _move(
    campaign: Campaign, sources: tuple[CampaignState, ...], target: CampaignState, verb: str, before_advance: Any = None, **values: Any
) -> None:
    """One conditional UPDATE, so that two clicks or two browsers do it once; then what is to be done is sent."""
    with transaction.atomic():
        values = {"reason": ""} | values
        moved = Campaign.objects.filter(pk=campaign.pk, state__in=sources).update(state=target, **values)
        campaign.refresh_from_db()
        if not moved:
            raise WrongState(f"This campaign is {campaign.get_state_display()}: it cannot {verb} now.")
        if before_advance:
            before_advance()
        if target == CampaignState.RUNNING:
            waiting = list(campaign.stages.filter(state=StageState.PENDING).values_list("pk", flat=True))
            protocol.advance(campaign)
            wake(waiting)


def delete(campaign: Campaign) -> None:
    """Rows and files. Only a campaign at rest: no engine writes into the folder any more."""
    if campaign.state == CampaignState.RUNNING:
        raise WrongState("This campaign is running: cancel it first.")
    if any(local.find(stage.folder) for stage in campaign.stages.exclude(state=StageState.DONE).select_related("campaign")):
        raise WrongState("An engine of this campaign is still stopping: try again in some seconds.")
    folder, prefix = campaign.folder, f"campaigns/{campaign.pk}/"
    with transaction.atomic():
        campaign.delete()
        Artefact.objects.filter(path__startswith=prefix).delete()
    shutil.rmtree(folder, ignore_errors=True)
