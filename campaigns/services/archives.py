"""Everything of a campaign as one zip file that another installation imports with nothing lost.

    manifest.json   format, schema, sha256 and size of every file, how many rows each table has
    rows/*.jsonl    rows, one JSON object a line (services/archive_rows.py)
    files/...       the campaign's folder: loop-1/step-2/...
    upload/...      the data set that was given as S0
    derived/...     results as tables and figures, for people; made anew from the rest

An import puts everything or nothing: files are unpacked and checked beside the data, moved to a folder whose number no other campaign will
ever get, and the rows come last, in one transaction.
"""

import json
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from campaigns.engines import bounded
from campaigns.engines.job import PROCESS_FILES
from campaigns.engines.open_archive import FORMAT, SCHEMA
from campaigns.enums import CampaignState, StageState
from campaigns.models import Artefact, Campaign, Stage, TrainedModel
from campaigns.science.protocol import SettingsError, problems_of_values, raise_for
from campaigns.services import activity, archive_rows, reading, streamed_zip
from campaigns.services.errors import BadInput, Busy, ServiceError

IMPORTING = ".importing"
LEFTOVER_S = 3600.0
READ_CPU_S, READ_WALL_S = 1800.0, 7200.0
MAX_ROWS_BYTES = 1_000_000_000
_ELEMENT = re.compile(r"[A-Z][a-z]?")

# Functions that give files for people (name: content), of other apps.
DERIVED: list[Callable[[Campaign], dict[str, bytes]]] = []


def archive(campaign: Campaign) -> Iterator[bytes]:
    """The zip file, chunk after chunk. Raises ServiceError before the first where a file of the campaign is missing or damaged in size."""
    for artefact in Artefact.objects.beginning_with(f"campaigns/{campaign.pk}/"):
        if not artefact.file.is_file() or artefact.file.stat().st_size != artefact.n_bytes:
            raise ServiceError(
                f"{artefact.path} is missing or damaged: bring it back from a backup; `manage.py check_data` tells what else is."
            )
    upload = settings.DATA_DIR / campaign.s0_upload if campaign.s0_upload else None
    if upload is not None and not upload.is_file():
        raise ServiceError("The data set that was given as S0 is missing: bring it back from a backup.")
    with transaction.atomic():
        rows = dict(archive_rows.dump(campaign))
        unfinished = {stage.folder for stage in campaign.stages.exclude(state=StageState.DONE).select_related("campaign")}
    derived = {name: content for make in DERIVED for name, content in make(campaign).items()}

    def last(sums: dict[str, str], sizes: dict[str, int]) -> tuple[str, bytes]:
        counts = {name: text.count(b"\n") for name, text in rows.items()}
        facts = {"format": FORMAT, "schema": SCHEMA, "made_at": timezone.now().isoformat(timespec="seconds"), "rows": counts}
        about = {"campaign": {"id": campaign.pk, "name": campaign.name, "state": campaign.state}, "sha256": sums, "n_bytes": sizes}
        return "manifest.json", json.dumps(facts | about, indent=1, ensure_ascii=False).encode()

    def members() -> Iterator[tuple[str, Path | bytes]]:
        yield from ((f"rows/{name}.jsonl", text) for name, text in rows.items())
        if upload is not None:
            yield f"upload/{archive_rows.upload_name(campaign.s0_upload)}", upload
        for path in _files(campaign.folder, unfinished):
            if path.is_file():  # an engine under way may have removed it
                yield f"files/{path.relative_to(campaign.folder)}", path
        yield from ((f"derived/{name}", content) for name, content in derived.items())

    return streamed_zip.stream(members(), last)


def _files(folder: Path, unfinished: set[Path]) -> Iterator[Path]:
    """Regular files of a campaign. What an unfinished stage is to do is said anew where it goes on, for it names places."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name in PROCESS_FILES or path.name.startswith("."):
            continue
        if path.name == "spec.json" and path.parent in unfinished:
            continue
        yield path


def take_in(owner: AbstractBaseUser, path: Path) -> Campaign:
    """Import an archive as a campaign of `owner`, with keys of this installation. One that ran or was paused comes in paused.

    Raises BadInput with what is wrong; then nothing of it is here.
    """
    work = settings.DATA_DIR / "exports"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name) / "archive"
        folder.mkdir()
        try:
            arguments = [str(path), str(folder), str(settings.MAX_ARCHIVE_BYTES)]
            with reading.place():
                bounded.run_json("campaigns.engines.open_archive", arguments, cpu_s=READ_CPU_S, wall_s=READ_WALL_S)
        except bounded.ChildBusy as error:
            raise Busy(f"The archive was not read. {error}", {"archive": str(error)}) from error
        except bounded.ChildRefused as error:
            raise BadInput(f"The archive cannot be imported: {error}", {"archive": str(error)}) from error
        return _put(owner, folder)


def _put(owner: AbstractBaseUser, folder: Path) -> Campaign:
    texts = _texts(folder / "rows")
    with placed(owner, folder / "files") as key:
        upload: Path | None = None
        try:
            with transaction.atomic():
                campaign = archive_rows.Loader(texts, owner, key).load()
                _check(campaign)
                upload = _put_upload(owner, campaign, folder / "upload")
                _come_to_rest(campaign)
                activity.record(owner, "imported", campaign, "an archive")
        except BaseException as error:
            if upload is not None:
                upload.unlink(missing_ok=True)
            if isinstance(error, IntegrityError):
                raise BadInput(f"The archive contradicts itself: {error}.") from error
            raise
    return campaign


@contextmanager
def placed(owner: AbstractBaseUser, files: Path) -> Iterator[int]:
    """Move `files` to the folder of a campaign that is to be: its key. They are gone where the rows cannot be made."""
    key = _reserve_key(owner)
    target = settings.DATA_DIR / "campaigns" / str(key)
    files.mkdir(exist_ok=True)
    (files / IMPORTING).touch()
    target.parent.mkdir(parents=True, exist_ok=True)
    files.rename(target)
    try:
        yield key
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    (target / IMPORTING).unlink()


def _texts(folder: Path) -> dict[str, str]:
    found = sorted(folder.glob("*.jsonl"))
    if sum(path.stat().st_size for path in found) > MAX_ROWS_BYTES:
        raise BadInput("The rows of the archive are larger than a campaign can be.")
    try:
        return {path.name.removesuffix(".jsonl"): path.read_text(encoding="utf-8") for path in found}
    except UnicodeDecodeError as error:
        raise BadInput("The rows of the archive are no text.") from error


def _reserve_key(owner: AbstractBaseUser) -> int:
    """A key that no campaign has or will ever have: the database gives none twice. So a folder of this name is nobody else's, also when
    we are killed on the way."""
    with transaction.atomic():
        row = Campaign.objects.create(owner=owner, name="import", mobile_ion="Li", labeller="", preset="quick", protocol={})
        key = row.pk
        row.delete()
    return key


def _check(campaign: Campaign) -> None:
    """What the kinds of columns do not say. Raises BadInput."""
    try:
        raise_for(problems_of_values(campaign.settings))
    except (SettingsError, TypeError, KeyError, ValueError) as error:
        raise BadInput(f"The settings of the archived campaign cannot be used here: {error}") from error
    elements = [campaign.mobile_ion]
    for model in TrainedModel.objects.filter(campaign=campaign):
        elements += model.type_map
    if not all(isinstance(symbol, str) and _ELEMENT.fullmatch(symbol) for symbol in elements):
        raise BadInput("The archive names something as an element that is none.")
    prefix = f"campaigns/{campaign.pk}/"
    for artefact in Artefact.objects.beginning_with(prefix):
        if not artefact.file.is_file() or artefact.file.stat().st_size != artefact.n_bytes:
            raise BadInput(f"The archive does not hold {artefact.path.removeprefix(prefix)}, which its rows name.")


def _put_upload(owner: AbstractBaseUser, campaign: Campaign, folder: Path) -> Path | None:
    """Where the data set for S0 lies now; the row says so."""
    if not campaign.s0_upload:
        return None
    source = folder / campaign.s0_upload
    if not source.is_file():
        raise BadInput("The archive does not hold the data set that was given as S0.")
    token = secrets.token_hex(16)
    target = settings.DATA_DIR / "uploads" / str(owner.pk) / (token + archive_rows.endings(source.name))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)
    campaign.s0_upload = str(target.relative_to(settings.DATA_DIR))
    campaign.save(update_fields=["s0_upload"])
    return target


def _come_to_rest(campaign: Campaign) -> None:
    """Nothing starts by itself: whoever imported it looks first."""
    Stage.objects.filter(campaign=campaign, state=StageState.RUNNING).update(state=StageState.PENDING)
    if campaign.state == CampaignState.RUNNING:
        campaign.state, campaign.reason = CampaignState.PAUSED, "Imported while it ran: resume it, and it goes on from its checkpoints."
        campaign.save(update_fields=["state", "reason"])


def remove_leftovers() -> None:
    """Folders of imports that were killed between files and rows."""
    for marker in (settings.DATA_DIR / "campaigns").glob(f"*/{IMPORTING}"):
        key = marker.parent.name
        if key.isdigit() and time.time() - marker.stat().st_mtime > LEFTOVER_S:
            if Campaign.objects.filter(pk=int(key)).exists():
                marker.unlink()  # killed after the last row
            else:
                shutil.rmtree(marker.parent, ignore_errors=True)
