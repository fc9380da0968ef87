"""A person's verdict on a configuration: it counts instead of cleaning's, now and in every later training set, until it is withdrawn."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F

from campaigns.enums import Verdict
from campaigns.models import Frame, Overruling
from campaigns.services import activity, texts
from campaigns.services.errors import BadInput, WrongState

WHY = "Say why: whoever reads this training set later must be able to judge it."
VERDICTS = (Verdict.KEPT, Verdict.REJECTED)


def overrule(frame: Frame, by: AbstractBaseUser, verdict: str, reason: str) -> Overruling:
    """Keep or reject a configuration whatever cleaning says. It belongs to data sets that are exported from now on, and to the training
    sets that are made from now on; the one under way stays what it is.

    Raises BadInput without a reason or for another verdict, WrongState where there is no label or nothing to change.
    """
    if verdict not in VERDICTS:
        raise BadInput("A configuration is either kept or rejected.", {"verdict": "choose keep or reject"})
    return _record(frame, by, verdict, reason)


def withdraw(frame: Frame, by: AbstractBaseUser, reason: str) -> Overruling:
    """Cleaning's verdict counts again. Raises BadInput without a reason, WrongState where nobody has overruled it."""
    return _record(frame, by, "", reason)


def _record(frame: Frame, by: AbstractBaseUser, verdict: str, reason: str) -> Overruling:
    said = texts.reason(reason, WHY)
    with transaction.atomic():
        now = Frame.objects.select_for_update().get(pk=frame.pk)
        if now.verdict == Verdict.UNLABELLED:
            raise WrongState("This configuration has no label: there is nothing to keep or to reject.")
        if now.overruled == verdict:
            raise WrongState(
                f"This configuration is overruled to “{verdict}” already." if verdict else "Nobody has overruled this verdict."
            )
        counts = verdict or now.cleaning_verdict
        changes = F("verdict_changes") + (counts != now.verdict)
        Frame.objects.filter(pk=now.pk).update(overruled=verdict, verdict=counts, verdict_changes=changes)
        activity.record(by, "overruled a verdict", now.campaign, f"configuration {now.pk}: {verdict or 'as cleaning says'}")
        made = Overruling.objects.create(frame=now, verdict=verdict, reason=said, by=by, by_name=by.get_username()[:150])
    frame.refresh_from_db()
    return made
