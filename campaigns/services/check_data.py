"""Is every file still what its row says, and every folder one that a row knows? For backups, moved data folders and disks that lie."""

import hashlib
from collections.abc import Callable, Collection, Iterator

from django.conf import settings

from campaigns.enums import StageState
from campaigns.models import Artefact, Campaign, Leftover, Stage

# Functions that say what is wrong with files that have no artefact row; the analysis app adds its own.
MORE: list[Callable[[], Iterator[str]]] = []


def damaged_artefacts() -> Iterator[tuple[Artefact, str]]:
    """Every artefact, with what is wrong with its file; an empty text where nothing is."""
    for artefact in Artefact.objects.order_by("path").iterator():
        yield artefact, _problem(artefact)


def _problem(artefact: Artefact) -> str:
    try:
        n_bytes = artefact.file.stat().st_size
        if n_bytes != artefact.n_bytes:
            return f"{artefact.path}: has {n_bytes} bytes, its row says {artefact.n_bytes}"
        with artefact.file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{artefact.path}: is missing"
    except OSError as error:
        return f"{artefact.path}: cannot be read ({error.strerror})"
    return (
        ""
        if digest == artefact.sha256
        else f"{artefact.path}: its content has changed (sha256 {digest[:12]}…, was {artefact.sha256[:12]}…)"
    )


def stages_without_result() -> Iterator[str]:
    """Finished stages whose folder has lost what they found."""
    for stage in Stage.objects.filter(state=StageState.DONE).select_related("campaign").order_by("id").iterator():
        if not (stage.folder / "result.json").is_file():
            yield f"stage {stage.pk} ({stage}): result.json is missing in {stage.folder}"


def lost_uploads() -> Iterator[str]:
    """Data sets that were given as S0: a campaign reads its own when it starts, and so does whoever copies it."""
    for campaign in Campaign.objects.exclude(s0_upload="").only("name", "s0_upload").order_by("id"):
        path = settings.DATA_DIR / campaign.s0_upload
        if not path.is_file() or not path.stat().st_size:
            yield f"campaign {campaign.pk} ({campaign}): its data set for S0 is missing or empty ({campaign.s0_upload})"


def folders_without_row(parent: str, known: Collection[str]) -> Iterator[str]:
    """Nothing removes them, for their rows may have been lost: an older database was put back. What a deletion has named goes by itself."""
    going = set(Leftover.objects.values_list("path", flat=True))
    for folder in sorted((settings.DATA_DIR / parent).glob("*")):
        if folder.name not in known and f"{parent}/{folder.name}" not in going:
            yield f"{parent}/{folder.name}: no row knows this folder; bring back the database that does, or remove it"


def _campaign_folders() -> Iterator[str]:
    yield from folders_without_row("campaigns", {str(pk) for pk in Campaign.objects.values_list("pk", flat=True)})


MORE += [stages_without_result, lost_uploads, _campaign_folders]
