"""Deleting campaigns: what goes is said before; rows go first, in one transaction; files that no row names any more go after.

The same transaction notes the folder as a leftover, and `sweep` removes those after a kill between the two. A folder that has no row
and no such note is left alone: its row may have been lost, not deleted.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, QuerySet, Sum
from django.utils import timezone

from campaigns.engines import labellers
from campaigns.engines.runners import local
from campaigns.enums import CampaignState, JobState, StageState
from campaigns.models import Artefact, Campaign, Leftover
from campaigns.services import activity, data_folder, method_checks
from campaigns.services.errors import WrongState

log = logging.getLogger(__name__)
UPLOADS_KEPT_S = 7 * 86400  # a form that is being filled in is no row yet
UNUSED_KEPT_S = 30 * 86400  # then in the trash: a user who gave a file did not ask for its deletion
UNUSED = "unused-"


@dataclass(frozen=True)
class Loss:
    """What goes with a campaign."""

    stages: int
    labels: int
    configurations: int
    models: int
    runs: int
    core_hours: float
    files: int
    n_bytes: int
    kept_files: int  # of these, files that other campaigns refer to: they stay
    labels_stay: bool  # in the store of labels, which no campaign owns


def what_goes(campaign: Campaign) -> Loss:
    files = list(_files(campaign.folder))
    kept = _referred_to_elsewhere(campaign)
    upload = _own_upload(campaign)
    sizes = [_size(path) for path in [*files, *([upload] if upload else [])] if path not in kept]
    totals = campaign.stages.aggregate(labels=Sum("labels_computed"))
    return Loss(
        stages=campaign.stages.count(),
        labels=totals["labels"] or 0,
        configurations=campaign.frames.count(),
        models=campaign.trained_models.count(),
        runs=campaign.md_runs.count(),
        core_hours=sum(seconds * cores for seconds, cores in campaign.stages.values_list("seconds", "cores")) / 3600,
        files=len(sizes),
        n_bytes=sum(sizes),
        kept_files=len(kept),
        labels_stay=bool(totals["labels"]) and labellers.keeps_labels(campaign.labeller),
    )


def delete(campaign: Campaign, by: AbstractBaseUser | None = None) -> None:
    """Rows and files. Only a campaign at rest: no engine writes into the folder any more. Raises WrongState, and WrongFolder."""
    data_folder.check()
    campaign.refresh_from_db()
    if campaign.state == CampaignState.RUNNING:
        raise WrongState("This campaign is running: cancel it first.")
    method_checks.stop(campaign)
    if any(local.find(stage.folder) for stage in campaign.stages.exclude(state=StageState.DONE).select_related("campaign")):
        raise WrongState("An engine of this campaign is still stopping: try again in some seconds.")
    if campaign.stages.exclude(job_state=JobState.NONE).exists():
        raise WrongState("A job of this campaign on a cluster is still being cancelled: try again in a minute.")
    folder, upload = campaign.folder, _own_upload(campaign)
    with transaction.atomic():
        activity.record(by, "deleted", campaign)
        campaign.delete()
        leave(folder)
    clear(folder)
    if upload:
        upload.unlink(missing_ok=True)


def _references() -> Iterator[tuple[type[Model], str]]:
    """Every model with a column that points to artefacts, and the column."""
    for relation in Artefact._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete:
            yield relation.related_model, relation.field.name


def _unreferenced(artefacts: QuerySet[Artefact]) -> QuerySet[Artefact]:
    """Those that no row of any model points to."""
    for model, column in _references():
        artefacts = artefacts.exclude(Exists(model._default_manager.filter(**{column: OuterRef("pk")})))
    return artefacts


def _referred_to_elsewhere(campaign: Campaign) -> set[Path]:
    """Files in the campaign's folder that rows of other campaigns point to."""
    own = Artefact.objects.beginning_with(f"campaigns/{campaign.pk}/")
    found: set[int] = set()
    for model, column in _references():
        names = {field.name for field in model._meta.get_fields()}
        of_campaign = next(path for name, path in _CAMPAIGN_OF.items() if name in names)
        rows = model._default_manager.filter(**{f"{column}__in": own.values("pk")}).exclude(**{of_campaign: campaign})
        found |= set(rows.order_by().values_list(f"{column}_id", flat=True))  # no join: it would look at each row once for each file
    return {artefact.file for artefact in Artefact.objects.filter(pk__in=found)}


_CAMPAIGN_OF = {"campaign": "campaign", "model": "model__campaign", "md_run": "md_run__campaign"}


def _own_upload(campaign: Campaign) -> Path | None:
    """The data set that was uploaded for this campaign, where no other (a copy of it) starts from it too."""
    if not campaign.s0_upload or Campaign.objects.filter(s0_upload=campaign.s0_upload).exclude(pk=campaign.pk).exists():
        return None
    path = settings.DATA_DIR / campaign.s0_upload
    return path if path.is_file() and (settings.DATA_DIR / "uploads") in path.parents else None


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root) / name for name in names)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # removed meanwhile
        return 0


@contextlib.contextmanager
def deletions_wait() -> Iterator[None]:
    """While a backup reads files, none is removed: rows go, their files with the next sweep."""
    with (settings.DATA_DIR / "deletion.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        yield


def remove_folder(folder: Path) -> bool:
    """What no artefact names goes; a folder without any goes whole, and at once out of sight. Whether there was anything to remove."""
    with (settings.DATA_DIR / "deletion.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # a backup is being made
        return _remove_folder(folder)


def _remove_folder(folder: Path) -> bool:
    prefix = f"{folder.relative_to(settings.DATA_DIR)}/"
    kept = {settings.DATA_DIR / path for path in Artefact.objects.beginning_with(prefix).values_list("path", flat=True)}
    if kept:
        goes = [path for path in _files(folder) if path not in kept]
        for path in goes:
            path.unlink(missing_ok=True)
        return bool(goes)
    away = _trash() / uuid.uuid4().hex
    try:
        folder.rename(away)
    except FileNotFoundError:
        return False
    shutil.rmtree(away, ignore_errors=True)
    return True


def leave(path: Path, after: timedelta = timedelta(0)) -> None:
    """Note a place that goes: at the next sweep, or so much later unless the note is taken back (`keep`)."""
    Leftover.objects.update_or_create(path=_name(path), defaults={"due_at": timezone.now() + after})


def keep(path: Path) -> None:
    """It has an owner now, or is gone."""
    Leftover.objects.filter(path=_name(path)).delete()


def clear(path: Path) -> bool:
    """Remove what was noted. The note stays for as long as something does: files that a row still names, or that a backup reads."""
    _unreferenced(Artefact.objects.beginning_with(f"{_name(path)}/")).delete()
    is_cleared = remove_folder(path)
    if not path.exists():
        keep(path)
    return is_cleared


def _name(path: Path) -> str:
    return str(path.relative_to(settings.DATA_DIR))


def sweep() -> int:
    """Remove what a killed deletion left, and uploads that nobody took up; returns how many places were cleared. Raises WrongFolder."""
    data_folder.check()
    cleared = _empty_trash()
    due = Leftover.objects.filter(due_at__lte=timezone.now()).values_list("path", flat=True)
    cleared += sum(clear(settings.DATA_DIR / path) for path in list(due))
    used = set(Campaign.objects.exclude(s0_upload="").values_list("s0_upload", flat=True))
    for upload in (path for owner in _entries(settings.DATA_DIR / "uploads") for path in _entries(owner)):
        if upload.is_file() and _name(upload) not in used and _age_s(upload) > UPLOADS_KEPT_S:
            away = _trash() / f"{UNUSED}{uuid.uuid4().hex}-{upload.name}"
            upload.rename(away)
            os.utime(away)
            cleared += 1
    if cleared:
        log.info("removed %d folders and uploads that nothing refers to", cleared)
    return cleared


def _trash() -> Path:
    trash = settings.DATA_DIR / "trash"
    trash.mkdir(exist_ok=True)
    return trash


def _empty_trash() -> int:
    goes = [path for path in _entries(settings.DATA_DIR / "trash") if not path.name.startswith(UNUSED) or _age_s(path) > UNUSED_KEPT_S]
    for path in goes:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(goes)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _age_s(path: Path) -> float:
    return time.time() - path.lstat().st_mtime
