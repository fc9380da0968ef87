"""What one user may keep: how many rows of each kind, and how many bytes of files that he gave. Asked before anything is written."""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model

from campaigns.enums import CampaignState
from campaigns.models import Campaign
from campaigns.services.errors import ServiceError

# Functions of an owner that say how many bytes of his files lie elsewhere; the analysis app adds its own.
MORE_BYTES: list[Callable[[AbstractBaseUser], int]] = []


class QuotaExceeded(ServiceError):
    code = "quota"


def check_count(owner: AbstractBaseUser, model: type[Model], limit: int, things: str) -> None:
    """Raises QuotaExceeded where one more would be too many."""
    n = model._default_manager.filter(owner=owner).count()
    if n >= limit:
        raise QuotaExceeded(f"You have {n} {things}, as many as an account may have here. Delete some, or ask the administrator for more.")


def check_running(campaign: Campaign) -> None:
    """Campaigns that run at the same time share the cores: more of them finish no sooner."""
    n = Campaign.objects.filter(owner=campaign.owner_id, state=CampaignState.RUNNING).exclude(pk=campaign.pk).count()
    if n >= settings.QUOTA_RUNNING:
        raise QuotaExceeded(f"{n} of your campaigns are running, as many as an account may run here. Wait for one, or pause it.")


def check_bytes(owner: AbstractBaseUser, n_bytes: int) -> None:
    """Raises QuotaExceeded where a file of this size would be too much."""
    used = used_bytes(owner)
    if used + n_bytes > settings.QUOTA_BYTES:
        raise QuotaExceeded(
            f"Your files take {used / 1e6:.0f} MB of the {settings.QUOTA_BYTES / 1e6:.0f} MB that an account may have here, "
            f"and this would add {n_bytes / 1e6:.0f} MB. Delete trajectories or campaigns that you no longer need, or ask for more."
        )


def used_bytes(owner: AbstractBaseUser) -> int:
    return folder_bytes(settings.DATA_DIR / "uploads" / str(owner.pk)) + sum(more(owner) for more in MORE_BYTES)


def folder_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
