"""Read-only links to a campaign's results: made, withdrawn, found again."""

import hashlib
import secrets

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from campaigns.models import Campaign, SharedLink
from campaigns.services import activity, texts

TOKEN_BYTES = 32


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def make_link(campaign: Campaign, by: AbstractBaseUser, note: str = "") -> tuple[SharedLink, str]:
    """The link and its token, which is told this once: only its digest is kept."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    link = SharedLink.objects.create(campaign=campaign, digest=_digest(token), note=texts.plain(note, "note")[:200], made_by=by)
    activity.record(by, "made a link", campaign, link.note)
    return link, token


@transaction.atomic
def withdraw(link: SharedLink, by: AbstractBaseUser) -> None:
    """From now on nobody can open it. Twice is the same as once."""
    if SharedLink.objects.filter(pk=link.pk, withdrawn_at=None).update(withdrawn_at=timezone.now()):
        activity.record(by, "withdrew a link", link.campaign, link.note)


def campaign_of(token: str) -> Campaign | None:
    """What a link opens, if it was not withdrawn."""
    link = SharedLink.objects.filter(digest=_digest(token), withdrawn_at=None).select_related("campaign").first()
    return link.campaign if link else None
