"""Trajectories that users bring: kept, described, deleted. `trajectory_runs` analyses them."""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from analysis.engines import file_order
from analysis.models import AnalysisState, TrajectoryAnalysis
from analysis.services import trajectory_runs
from campaigns.services import activity, check_data, deletion, quotas
from campaigns.services.errors import BadInput, WrongState

UPLOAD_KEPT = timedelta(days=1)  # of one that was cut off
MAX_FILES = 50
HEAD_BYTES = 4096  # static/js/app.js sends as much to have a form checked
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class AnalysisRequest:
    """What a user says of his files; either the time between frames or, for dumps, the time step."""

    name: str
    mobile_ion: str
    temperature_K: float
    frame_interval_fs: float | None
    timestep_fs: float | None
    elements: list[str]
    charge: float
    hop_length_A: float


def in_order(files: Sequence[UploadedFile]) -> list[UploadedFile]:
    """By their names, 9 before 10; the engine orders those that count their steps."""
    return sorted(files, key=lambda file: file_order.natural(file.name))


def check(files: Sequence[UploadedFile], request: AnalysisRequest) -> None:
    """Whether the files, of which a browser may have sent the beginnings alone, can be analysed as asked. Raises BadInput."""
    if not files:
        raise BadInput("Choose at least one file.", {"files": "choose at least one file"})
    if len(files) > MAX_FILES or sum(file.size for file in files) > settings.MAX_TRAJECTORY_BYTES:
        most_MB = settings.MAX_TRAJECTORY_BYTES / 1e6
        limit = f"at most {MAX_FILES} files with {most_MB:.0f} MB together are accepted; store frames less often, or compress them"
        raise BadInput(f"The files are too large: {limit}.", {"files": limit})
    heads = [file.read(HEAD_BYTES) for file in files]
    for file in files:
        file.seek(0)
    _check_times(heads, request)


def _check_times(heads: Sequence[bytes], request: AnalysisRequest) -> None:
    if request.frame_interval_fs is None and request.timestep_fs is None and not all(map(_says_time, heads)):
        words = "give this, or the time step where the files say MD steps; it is needed unless extended XYZ says Time for each frame"
        raise BadInput("Give the time between frames.", {"frame_interval_fs": words})


def _says_time(head: bytes) -> bool:
    """Whether the second line of the file, where extended XYZ describes its frame, says its time."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
        except zlib.error:
            return False
    return bool(re.search(rb"(?<!\S)Time=", b"".join(head.splitlines()[1:2])))


def create(owner: AbstractBaseUser, files: Sequence[UploadedFile], request: AnalysisRequest) -> TrajectoryAnalysis:
    """Keep the files and have them analysed: first the files, which may take long, under a name that no other ever has; then the row.
    Raises BadInput."""
    check(files, request)
    quotas.check_count(owner, TrajectoryAnalysis, settings.QUOTA_TRAJECTORIES, "trajectories")
    quotas.check_bytes(owner, sum(file.size for file in files))
    row = TrajectoryAnalysis(
        owner=owner,
        name=(request.name.strip() or files[0].name)[:200],
        file_names=[file.name[:200] for file in files],
        mobile_ion=request.mobile_ion,
        temperature_K=request.temperature_K,
    )
    deletion.leave(row.folder, after=UPLOAD_KEPT)
    try:
        row.folder.mkdir(parents=True)
        stored = [_store(row.folder, number, file) for number, file in enumerate(files)]
        row.spec = {"files": stored, "file_names": row.file_names} | _said(request)
        with transaction.atomic():
            row.save()
            activity.record(owner, "created", row)
            deletion.keep(row.folder)
            trajectory_runs.wake(row.pk)
    except BaseException:
        deletion.clear(row.folder)
        raise
    return row


def _said(request: AnalysisRequest) -> dict[str, object]:
    """What the spec has from the form."""
    return {
        "mobile_ion": request.mobile_ion,
        "temperature_K": request.temperature_K,
        "frame_interval_fs": request.frame_interval_fs,
        "timestep_fs": request.timestep_fs,
        "elements": request.elements or None,
        "charge": request.charge,
        "hop_length_A": request.hop_length_A,
    }


def again(row: TrajectoryAnalysis, request: AnalysisRequest) -> None:
    """Have the files that are kept analysed as they are described now. Raises BadInput, and WrongState while an analysis is under way or
    where a file is not there any more.
    """
    kept = trajectory_runs.kept(row)
    if not kept or not all(path.is_file() for path in kept):
        raise WrongState(f"The files of {row.name} are not all there any more: upload them again.")
    _check_times(list(map(_head, kept)), request)
    with transaction.atomic():
        now = TrajectoryAnalysis.objects.select_for_update().get(pk=row.pk)
        if not now.has_ended:
            raise WrongState(f"{row.name} is being analysed: it can be corrected when that has ended.")
        for path in row.folder.iterdir():  # a result that is there would not be made again
            if path not in kept and path.is_file():
                path.unlink()
        now.name, now.mobile_ion, now.temperature_K = request.name.strip() or row.name, request.mobile_ion, request.temperature_K
        now.spec, now.state, now.message, now.result, now.started_at = now.spec | _said(request), AnalysisState.WAITING, "", None, None
        now.save()
        trajectory_runs.wake(row.pk)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _store(folder: Path, number: int, file: UploadedFile) -> str:
    """Under a name of ours; of the user's only the words that tell a format are kept."""
    lower = file.name.lower()
    kind = "XDATCAR" if "xdatcar" in lower else "run.extxyz" if ".xyz" in lower or ".extxyz" in lower else "run.dump"
    path = folder / f"{number:02d}-{kind}{'.gz' if lower.endswith('.gz') else ''}"
    with path.open("xb") as stream:
        for chunk in file.chunks():
            stream.write(chunk)
    return str(path)


def _bytes_of(owner: AbstractBaseUser) -> int:
    return sum(files_of(row)[1] for row in TrajectoryAnalysis.objects.filter(owner=owner).only("folder_name"))


quotas.MORE_BYTES.append(_bytes_of)


def files_of(row: TrajectoryAnalysis) -> tuple[int, int]:
    """How many files it has, and their bytes together."""
    sizes = [path.stat().st_size for path in row.folder.glob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def _lost_files() -> Iterator[str]:
    """What `check_data` says of trajectories."""
    rows = list(TrajectoryAnalysis.objects.order_by("id"))
    for row in rows:
        result = ["result.json"] if row.state == AnalysisState.DONE else []
        for path in (*trajectory_runs.kept(row), *(row.folder / name for name in result)):
            if not path.is_file() or not path.stat().st_size:
                yield f"trajectory {row.pk} ({row}): {path.name} is missing or empty in {row.folder}"
    yield from check_data.folders_without_row("analyses", {row.folder.name for row in rows})


check_data.MORE.append(_lost_files)


def delete(row: TrajectoryAnalysis, by: AbstractBaseUser | None = None) -> None:
    """The row, then its files; what a kill between the two leaves, the sweep removes."""
    folder = row.folder
    with transaction.atomic():
        activity.record(by, "deleted", row)
        row.delete()
        deletion.leave(folder)
    deletion.clear(folder)
