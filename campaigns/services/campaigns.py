"""Campaigns from draft to end: create, update, start, pause, resume, cancel, retry."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from campaigns.engines import installed, labellers
from campaigns.engines.specs import LabellerSpec
from campaigns.enums import ASIDE, CampaignState, StageKind, StageState
from campaigns.models import Campaign, Cell, Project
from campaigns.services import activity, method_checks, projects, protocol, quotas, stages
from campaigns.services.errors import AlreadyDone, Outdated, WrongState, sentence
from campaigns.services.requests import CampaignRequest, Checked, check_wholly, oxidation_states
from campaigns.services.wake import wake

FROM_SCRATCH = ("unphysical", "bad_output")  # causes for which the checkpoints themselves are to blame
NO_DRAFT = "This campaign is no draft any more: its settings cannot be changed. Set up a new one."


def create(owner: AbstractBaseUser, request: CampaignRequest, project: Project | None = None) -> Campaign:
    """Check everything, the uploaded data set too, and make a draft, private or in a project. Raises BadInput with problems by field."""
    quotas.check_count(owner, Campaign, settings.QUOTA_CAMPAIGNS, "campaigns")
    checked = check_wholly(owner, request)
    with transaction.atomic():
        campaign = Campaign.objects.create(owner=owner, source_key=request.source_key, **_columns(request, checked))
        _create_cells(campaign, request, checked)
        activity.record(owner, "created", campaign)
        projects.move(campaign, project, owner)
    return campaign


def update(campaign: Campaign, request: CampaignRequest, by: AbstractBaseUser, version: int | None = None) -> None:
    """Change a draft; it is no longer the campaign of the settings file that it may have come from.

    `version`: that of the draft which the change is meant for. Raises BadInput, WrongState, and Outdated where another change came first.
    """
    checked = check_wholly(by, request, keep=campaign)
    with transaction.atomic():
        draft = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.DRAFT)
        wanted = draft if version is None else draft.filter(version=version)
        if not wanted.update(source_key="", version=F("version") + 1, **_columns(request, checked)):
            raise Outdated(_who_was_first(campaign)) if draft.exists() else WrongState(NO_DRAFT)
        campaign.refresh_from_db()
        method_checks.stop(campaign)  # of what it was
        campaign.cells.all().delete()
        _create_cells(campaign, request, checked)
        activity.record(by, "changed", campaign)


def _who_was_first(campaign: Campaign) -> str:
    last = campaign.activities.filter(what="changed").first()
    who = f"{last.who} has saved this draft at {last.at:%H:%M} UTC" if last else "This draft was saved elsewhere"
    return f"{who}, after you had opened it. What you typed is still here and not saved: save again to replace the other version by yours."


def _columns(request: CampaignRequest, checked: Checked) -> dict[str, Any]:
    return {
        "name": request.name.strip()[:200],
        "mobile_ion": checked.mobile_ion,
        "mobile_ion_charge": checked.mobile_ion_charge_e,
        "labeller": request.labeller,
        "labeller_options": request.labeller_options,
        "s0_route": request.s0_route,
        "s0_upload": checked.s0_upload,
        "s0_upload_format": request.s0_upload_format,
        "preset": request.preset,
        "protocol": asdict(checked.settings),
        "seed": request.seed,
        "resources": request.resources,
    }


def _create_cells(campaign: Campaign, request: CampaignRequest, checked: Checked) -> None:
    for cell in request.cells:
        material, (a, b, c) = checked.materials[cell.material_id], cell.supercell
        Cell.objects.create(
            campaign=campaign,
            material=material,
            for_training=cell.for_training,
            for_evaluation=cell.for_evaluation,
            supercell_a=a,
            supercell_b=b,
            supercell_c=c,
            candidate=cell.candidate,
            oxidation_states=oxidation_states(cell, material) if cell.oxidation_states else None,
        )


def start(campaign: Campaign, by: AbstractBaseUser | None = None) -> None:
    """Raises WrongState, also where a program is missing that would be needed hours later."""
    _require_engines(campaign)
    _move(campaign, (CampaignState.DRAFT,), CampaignState.RUNNING, "start", by, started_at=timezone.now())


def _require_engines(campaign: Campaign) -> None:
    """Of the stages that run on this machine. A reference method is asked for its program alone: its options were checked at the set-up."""
    here = {kind for kind in (StageKind.LABEL, StageKind.TRAIN, StageKind.EXPLORE, StageKind.EVALUATE) if kind not in campaign.resources}
    elements = sorted({symbol for cell in campaign.cells.select_related("material") for symbol in cell.material.facts["elements"]})
    lacking = [
        *(
            labellers.problems(LabellerSpec(campaign.labeller, campaign.labeller_options), elements).get("", [])
            if StageKind.LABEL in here
            else []
        ),
        *(installed.training_lacks() if StageKind.TRAIN in here else []),
        *(installed.dynamics_lacks() if here & {StageKind.EXPLORE, StageKind.EVALUATE} else []),
    ]
    if lacking and campaign.state == CampaignState.DRAFT:
        raise WrongState("Not started, as something is missing on this machine. " + " ".join(map(sentence, lacking)))


def resume(campaign: Campaign, by: AbstractBaseUser | None = None) -> None:
    _move(campaign, (CampaignState.PAUSED,), CampaignState.RUNNING, "resume", by)


def pause(campaign: Campaign, by: AbstractBaseUser | None = None) -> None:
    """Running engines are stopped within a second; they go on from their last checkpoint."""
    _move(campaign, (CampaignState.RUNNING,), CampaignState.PAUSED, "pause", by)


def cancel(campaign: Campaign, by: AbstractBaseUser | None = None) -> None:
    """For good. What was computed stays and can be looked at."""
    with transaction.atomic():
        _move(
            campaign,
            (CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.FAILED),
            CampaignState.CANCELLED,
            "cancel",
            by,
            finished_at=timezone.now(),
            reason=f"Cancelled by {by.get_username()}." if by else "Cancelled from the command line.",
        )
        campaign.stages.filter(state__in=(StageState.PENDING, StageState.RUNNING)).update(state=StageState.CANCELLED, owner="")


def retry(campaign: Campaign, by: AbstractBaseUser | None = None) -> None:
    """A failed campaign goes on, its failed stages from their checkpoints. What was computed and came out unusable starts in a new folder
    with another seed; the old one stays. Where no stage failed, the models were not physical: the last training step is repeated with a
    larger batch.
    """
    _move(
        campaign, (CampaignState.FAILED,), CampaignState.RUNNING, "retry", by, finished_at=None, before_advance=lambda: _try_again(campaign)
    )


def _try_again(campaign: Campaign) -> None:
    failed = list(campaign.stages.filter(state=StageState.FAILED).exclude(kind__in=ASIDE))
    for stage in failed:
        last = stage.failures.last()
        if last is not None and (last.cause in FROM_SCRATCH or stages.is_given_up(stage)):
            stage.attempt += 1
        if not (stage.folder / "result.json").exists():  # else the engine is done, and only its registration failed
            for name in ("spec.json", "failure.json"):  # what was mended may stand there
                (stage.folder / name).unlink(missing_ok=True)
        stage.state, stage.tries, stage.due_at, stage.sent_at, stage.message, stage.cause = StageState.PENDING, 0, None, None, "", ""
        stage.save()
    if not failed:
        campaign.repeat += 1
        campaign.save(update_fields=["repeat"])


_IT_HAS_ENDED = "It has ended and stays as it is; a copy of it can be run with other settings."
WHAT_THEN = {
    CampaignState.DRAFT: "It has not been started yet: start it, or run its settings file.",
    CampaignState.RUNNING: "It is at work; pause it to interrupt it.",
    CampaignState.PAUSED: "Resume it to let it go on.",
    CampaignState.FAILED: "Mend the cause, then retry it: nothing that is finished is lost. Limits of the reference method and "
    "thresholds of the protocol are changed on the page “Settings”, the rest of the set-up in a copy.",
    CampaignState.CONVERGED: _IT_HAS_ENDED,
    CampaignState.NOT_CONVERGED: _IT_HAS_ENDED,
    CampaignState.CANCELLED: _IT_HAS_ENDED,
    CampaignState.IMPORTED: "It was imported to look at. Go on from it: what it has kept becomes the starting set of a new campaign.",
}
IN_WORDS = {CampaignState.DRAFT: "a draft"}  # where the word of the state alone is no English
DONE = {"start": "started", "resume": "resumed", "pause": "paused", "cancel": "cancelled", "retry": "retried"}


def _move(
    campaign: Campaign,
    sources: tuple[CampaignState, ...],
    target: CampaignState,
    verb: str,
    by: AbstractBaseUser | None,
    before_advance: Any = None,
    **values: Any,
) -> None:
    """One conditional UPDATE, so that two clicks or two browsers do it once; then what is to be done is sent."""
    with transaction.atomic():
        values = {"reason": ""} | values
        moved = Campaign.objects.filter(pk=campaign.pk, state__in=sources).update(state=target, **values)
        campaign.refresh_from_db()
        if not moved:
            refusal = AlreadyDone if campaign.state == target else WrongState
            state = IN_WORDS.get(campaign.state, campaign.get_state_display())
            raise refusal(f"This campaign is {state}: it cannot be {DONE[verb]} now. {WHAT_THEN[campaign.state]}")
        activity.record(by, DONE[verb], campaign)
        if before_advance:
            before_advance()
        if target == CampaignState.RUNNING:
            quotas.check_running(campaign)
            waiting = list(campaign.stages.filter(state=StageState.PENDING).values_list("pk", flat=True))
            protocol.advance(campaign)
            wake(waiting)
