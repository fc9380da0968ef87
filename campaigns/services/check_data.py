"""Is every file still what its row says? For backups, moved data folders and disks that lie."""

import hashlib
from collections.abc import Iterator

from campaigns.enums import StageState
from campaigns.models import Artefact, Stage


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
