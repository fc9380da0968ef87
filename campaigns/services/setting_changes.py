"""Thresholds changed when a campaign is under way: for the rest of it, by whom, when and why kept beside what was before."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns.enums import CampaignState
from campaigns.models import Campaign, SettingChange
from campaigns.science.protocol import SPECS, THRESHOLDS, ProtocolSettings, SettingsError, settings_from_mapping
from campaigns.services import activity, texts
from campaigns.services.errors import BadInput, Outdated, WrongState, sentence

UNDER_WAY = (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.FAILED)
WHY = "Say why: whoever reads these results later must be able to judge it."


def change_settings(
    campaign: Campaign, changes: Mapping[str, Any], by: AbstractBaseUser, reason: str, version: int | None = None
) -> list[SettingChange]:
    """For every stage that begins from now on; what was computed, cleaned and judged before stays as it is. A row for each that differs.

    `version`: that of the set-up which the change is meant for. Raises BadInput, WrongState, and Outdated where another change came first.
    """
    said = texts.reason(reason, WHY)
    with transaction.atomic():
        now = Campaign.objects.select_for_update().get(pk=campaign.pk)
        _require_under_way(now, version)
        wanted = _checked(now, changes)
        before = now.settings
        differ = {name: value for name in changes if (value := getattr(wanted, name)) != getattr(before, name)}
        if not differ:
            raise BadInput("Nothing was changed: these are the settings that it has.", {"changes": "nothing differs"})
        here = {"campaign": now, "reason": said, "loop": now.loop, "step": now.step, "by": by, "by_name": by.get_username()[:150]}
        made = [SettingChange.objects.create(setting=name, old=getattr(before, name), new=value, **here) for name, value in differ.items()]
        now.protocol, now.version = now.protocol | differ, now.version + 1
        now.save(update_fields=["protocol", "version"])
        activity.record(by, "changed settings", now, f"{'; '.join(map(in_words, made))}. {said}")
    campaign.refresh_from_db()
    return made


def in_words(change: SettingChange) -> str:
    return f"{change.label}: {_value(change.old)} → {_value(change.new)} {change.unit}".rstrip()


def _value(value: Any) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else f"{value:.10g}"


def _require_under_way(campaign: Campaign, version: int | None) -> None:
    if campaign.state == CampaignState.DRAFT:
        raise WrongState("This campaign is a draft: all of its settings can still be edited, without giving a reason.")
    if campaign.state not in UNDER_WAY:
        raise WrongState(f"This campaign is {campaign.get_state_display()}: its settings stay as they were. Copy it and change the copy.")
    if version is not None and version != campaign.version:
        raise Outdated("Somebody has changed its settings after you had opened them. Look at what they are now, and change them again.")


def _checked(campaign: Campaign, changes: Mapping[str, Any]) -> ProtocolSettings:
    fixed = {name: "says what the stages are and stays as it was: change it in a copy" for name in changes if name not in THRESHOLDS}
    problems = fixed | {name: "is not a setting of the protocol" for name in changes if name not in SPECS}
    try:
        if not problems:
            wanted = settings_from_mapping(campaign.preset, campaign.protocol | dict(changes))
            if wanted.max_loops >= campaign.loop:
                return wanted
            problems = {"max_loops": f"it is in loop {campaign.loop} already"}
    except SettingsError as error:
        problems = error.problems
    said = " ".join(sentence(f"{name}: {problem}") for name, problem in problems.items())
    raise BadInput(f"Nothing was changed. {said}", {name: sentence(problem) for name, problem in problems.items()})
