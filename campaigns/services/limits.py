"""Options of the reference method on which no label depends (time limit, SCF steps, retries), changed in a campaign that does not run."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns.engines import job, labellers
from campaigns.engines.specs import LabellerSpec
from campaigns.enums import CampaignState, StageState
from campaigns.models import Campaign, Stage
from campaigns.services import activity
from campaigns.services.errors import BadInput, WrongState, sentence

CHANGED_WHILE = (CampaignState.PAUSED, CampaignState.FAILED)


def options_of(labeller: str) -> list[labellers.Option]:
    """None for a method that this release does not know."""
    return [option for option in labellers.module(labeller).OPTIONS if not option.changes_label] if labeller in labellers.MODULES else []


def change(campaign: Campaign, values: Mapping[str, Any], by: AbstractBaseUser | None = None) -> str:
    """What was changed, in words, empty where nothing was. Labels that are there stay: they would be the same ones.

    Raises WrongState, or BadInput with the problems by option.
    """
    defaults = {option.name: option.default for option in options_of(campaign.labeller)}
    if strange := sorted(set(values) - set(defaults)):
        raise BadInput(f"{', '.join(strange)} would change what a label is, or is no option of {campaign.labeller}: change it in a copy.")
    with transaction.atomic():
        campaign.refresh_from_db(from_queryset=Campaign.objects.select_for_update())
        if campaign.state not in CHANGED_WHILE:
            raise WrongState("Limits of the reference method are changed while a campaign is paused, or after it failed.")
        before = defaults | campaign.labeller_options
        changed = {name: value for name, value in values.items() if value != before[name]}
        options = campaign.labeller_options | changed
        found = labellers.problems(LabellerSpec(campaign.labeller, options), [])
        if problems := {name: sentence(" ".join(texts)) for name, texts in found.items() if name in changed}:
            raise BadInput(" ".join(problems.values()), problems)
        what = ", ".join(f"{name} {before[name]:g} → {value:g}" if _are_numbers(before[name], value) else f"{name} {before[name]} → {value}"
                         for name, value in changed.items())  # fmt: skip
        if changed:
            campaign.labeller_options = options
            campaign.save(update_fields=["labeller_options"])
            activity.record(by, "changed limits", campaign, what)
            for stage in campaign.stages.exclude(state__in=(StageState.DONE, StageState.CANCELLED)):
                _into_spec(stage, changed)
    return what


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _into_spec(stage: Stage, changed: Mapping[str, Any]) -> None:
    """A stage that was begun goes on from the specification in its folder."""
    path = stage.folder / "spec.json"
    document = job.read_json(path)
    if document and "labeller" in document["spec"]:
        document["spec"]["labeller"]["options"] |= changed
        job.write_json(path, document)
