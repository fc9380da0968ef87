"""A trajectory brought by a user: uploaded, analysed in a bounded child, shown, deleted."""

import errno
import gzip
import io
from datetime import timedelta
from threading import Timer

import ase.io
import numpy as np
import pytest
from ase import Atoms
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from analysis.models import TrajectoryAnalysis
from analysis.services import trajectories, trajectory_runs
from campaigns.engines import job
from campaigns.models import Leftover
from campaigns.services import data_folder, deletion
from campaigns.services.closing import closing
from tests.analysis.science import walks


def extended_xyz(n_frames=300):
    rng = np.random.default_rng(2)
    ions = walks.lattice_walk(rng, n_frames, 12, 0.5, edge_A=2.0) + rng.uniform(0, 9, (1, 12, 3))
    framework = rng.uniform(0, 9, (1, 4, 3)) + 0.05 * rng.normal(size=(n_frames, 4, 3))
    stream = io.StringIO()
    frames = [Atoms("Na12S4", positions=one, cell=np.eye(3) * 9, pbc=True) for one in np.concatenate([ions, framework], axis=1)]
    ase.io.write(stream, frames, format="extxyz")
    return stream.getvalue().encode()


def sent(*files, **changes):
    return {"files": [SimpleUploadedFile(name, content) for name, content in files], "mobile_ion": "Na", "temperature_K": "600",
            "frame_interval_fs": "100", "charge": "1"} | changes  # fmt: skip


@pytest.fixture
def upload(as_ada):
    def post(*files, **changes):
        response = as_ada.post(reverse("trajectory-list"), sent(*files, **changes))
        assert response.status_code == 302, response.context["form"].errors
        return TrajectoryAnalysis.objects.latest("pk")

    return post


def test_it_is_analysed_and_shown(as_ada, upload):
    row = upload(("../../my <run>.xyz", extended_xyz()))
    page = reverse("trajectory", args=[row.pk])
    assert "waiting for a worker" in as_ada.get(page).content.decode()
    assert all(str(row.folder) in path for path in row.spec["files"])
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.message, row.result["run"]["verdict"]) == ("done", "", "diffusive")
    text = as_ada.get(page).content.decode()
    assert "diffusive" in text
    assert "my &lt;run&gt;.xyz" in text
    assert f'<a href="{reverse("trajectory-list")}" aria-current="page">' in text
    assert as_ada.get(reverse("trajectory-live", args=[row.pk])).status_code == 286
    assert as_ada.get(reverse("trajectory-json", args=[row.pk])).json()["result"]["n_mobile"] == 12
    assert as_ada.get(reverse("plot-trajectory-msd", args=[row.pk])).json()["doc"]
    assert "MSD of Na reaches " in as_ada.get(reverse("plot-trajectory-msd", args=[row.pk])).json()["said"]
    for term in ("fit window", "non-Gaussian parameter", "collective D"):
        assert f"What is meant by: {term}" in text
    for kind in ("rdf", "van-hove-self", "van-hove-distinct"):
        drawn = as_ada.get(reverse("plot-trajectory-structure", args=[row.pk, kind])).json()
        assert drawn["doc"]
        assert "Å" in drawn["said"]
    assert "times its mean" in as_ada.get(reverse("plot-trajectory-density", args=[row.pk, 2])).json()["said"]
    assert as_ada.get(reverse("plot-trajectory-structure", args=[row.pk, "nothing"])).status_code == 404
    as_ada.post(reverse("trajectory-delete", args=[row.pk]))
    assert not row.folder.exists()
    assert not TrajectoryAnalysis.objects.exists()


def test_files_are_one_run_in_the_order_of_their_names(upload):
    whole = extended_xyz().decode().splitlines(keepends=True)
    half = 150 * 18
    row = upload(("b.xyz", "".join(whole[half:]).encode()), ("a.xyz", "".join(whole[:half]).encode()))
    assert row.file_names == ["a.xyz", "b.xyz"]
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.result["n_frames"] == 300


@pytest.mark.parametrize(("content", "changes", "words"), [
    (b"\x00\x01 nonsense", {}, "cannot be read"),
    (extended_xyz(1), {}, "at least two"),
    (extended_xyz(30), {"mobile_ion": "Li"}, "There is no Li"),
    (b"", {}, None),
])  # fmt: skip
def test_what_cannot_be_analysed_says_why(as_ada, content, changes, words):
    response = as_ada.post(reverse("trajectory-list"), sent(("run.xyz", content), **changes))
    if words is None:
        assert response.status_code == 422
        assert "empty" in str(response.context["form"].errors["files"])
        return
    row = TrajectoryAnalysis.objects.get()
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.state == "failed"
    assert words in row.message
    assert "Traceback" not in row.message
    assert "00-run" not in row.message


def test_many_files_are_called_by_their_names_and_the_same_is_said_once(upload):
    """Twenty dumps that were cut in their first frame, as of a job that was stopped at once."""
    box = b"ITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n"
    cut = b"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\n" + box + b"ITEM: ATOMS id element xu yu zu\n1 Na 0 0"
    row = upload(*((f"mine-{number:02d}.dump", cut) for number in range(20)))
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.message.startswith("mine-00.dump, mine-01.dump, mine-02.dump and 17 more files hold 0 frames")
    whole = extended_xyz(30)
    row = upload(("first.xyz", whole), ("second.xyz", whole))
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.message.startswith("second.xyz, frame 1 is the same as first.xyz, frame 1")


@pytest.mark.parametrize(("changes", "field"), [
    ({"mobile_ion": "lithium"}, "mobile_ion"), ({"mobile_ion": "Xx"}, "mobile_ion"), ({"elements": "Li, Q"}, "elements"),
    ({"temperature_K": "-5"}, "temperature_K"), ({"frame_interval_fs": ""}, "frame_interval_fs"),
    ({"files": []}, "files"),
])  # fmt: skip
def test_a_wrong_form_is_refused_at_its_field(as_ada, changes, field):
    response = as_ada.post(reverse("trajectory-list"), sent(("run.xyz", b"1")) | changes)
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert not TrajectoryAnalysis.objects.exists()


def timed_xyz(n_frames, key="Time"):
    lines = extended_xyz(n_frames).decode().split("\n")
    return "\n".join(f"{line} {key}={50.0 * (number // 18)}" if number % 18 == 1 else line for number, line in enumerate(lines)).encode()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_time_between_frames_is_taken_from_files_that_say_it(upload, pack):
    row = upload(("run.xyz" if pack is bytes else "run.xyz.gz", pack(timed_xyz(60))), frame_interval_fs="")
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert (row.message, row.result["frame_interval_fs"]) == ("", 50.0)
    assert any("was taken from the files, where Time is in fs" in flag for flag in row.result["run"]["details"]["flags"])


@pytest.mark.parametrize(("given_fs", "is_flagged"), [("50", False), ("50000", False), ("100", True)])
def test_a_given_time_between_frames_counts_and_another_one_in_the_files_is_said(upload, given_fs, is_flagged):
    row = upload(("run.xyz", timed_xyz(60)), frame_interval_fs=given_fs)
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.result["frame_interval_fs"] == float(given_fs)
    assert any("which was used: check it" in flag for flag in row.result["run"]["details"]["flags"]) == is_flagged


def test_a_form_is_checked_by_the_beginnings_of_its_files(as_ada):
    head = ("run.xyz", timed_xyz(60)[:4096])
    asked = sent(head, frame_interval_fs="") | {"check-only": "1"}
    assert as_ada.post(reverse("trajectory-list"), asked).status_code == 204
    asked = sent(("run.xyz", extended_xyz(60)[:4096]), frame_interval_fs="") | {"check-only": "1"}
    assert "unless extended XYZ says Time" in as_ada.post(reverse("trajectory-list"), asked).content.decode()
    assert not TrajectoryAnalysis.objects.exists()


def test_too_large_is_said_at_once(as_ada, settings):
    settings.MAX_TRAJECTORY_BYTES = 1000
    response = as_ada.post(reverse("trajectory-list"), sent(("run.xyz", b"x" * 5000)))
    assert response.status_code == 422
    assert "at most" in str(response.context["form"].errors["files"])


def test_an_interrupted_analysis_waits_again_and_is_done_once(upload, monkeypatch):
    row = upload(("run.xyz", extended_xyz(60)))

    def interrupted(*arguments, **options):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("campaigns.engines.bounded.run", interrupted)
        with pytest.raises(SystemExit):
            trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.state == "waiting"
    trajectory_runs.run(row.pk)
    first = TrajectoryAnalysis.objects.get()
    trajectory_runs.run(row.pk)  # a message that came twice
    assert TrajectoryAnalysis.objects.get().started_at == first.started_at
    assert first.state == "done"


def test_one_whose_files_are_gone_is_not_analysed_again(as_ada, upload):
    row = upload(("run.xyz", extended_xyz(60)))
    trajectory_runs.run(row.pk)
    for path in trajectory_runs.kept(row):
        path.unlink()
    said = {"name": "", "mobile_ion": "Li", "temperature_K": "600", "frame_interval_fs": "100"}
    assert "are not all there any more: upload them again" in as_ada.post(reverse("trajectory-again", args=[row.pk]), said).content.decode()
    row.refresh_from_db()
    assert row.state == "done"


def test_one_whose_worker_was_killed_is_taken_when_its_claim_has_run_out(upload):
    row = upload(("run.xyz", extended_xyz(60)))
    mine = TrajectoryAnalysis.objects.filter(pk=row.pk)
    now = timezone.now()
    mine.update(
        state="running", started_at=now, sent_at=now - timedelta(minutes=1), claimed_by="dead", lease_until=now + timedelta(seconds=9)
    )
    trajectory_runs.reconcile()
    trajectory_runs.run(row.pk)
    assert (mine.get().claimed_by, mine.get().sent_at < now) == ("dead", True)
    mine.update(lease_until=now)
    trajectory_runs.reconcile()
    assert mine.get().sent_at > now
    trajectory_runs.run(row.pk)
    assert (mine.get().state, mine.get().claimed_by) == ("done", "")


def test_a_worker_that_is_to_stop_gives_it_back_at_once(upload):
    row = upload(("run.xyz", extended_xyz(60)))
    stop = Timer(0.5, closing.set)
    stop.start()
    try:
        trajectory_runs.run(row.pk)
    finally:
        stop.join()
        closing.clear()
    row.refresh_from_db()
    assert (row.state, row.sent_at, row.claimed_by) == ("waiting", None, "")
    assert not (row.folder / "result.json").exists()


def test_it_waits_while_an_engine_of_another_host_holds_the_folder(upload):
    row = upload(("run.xyz", extended_xyz(60)))
    with job.folder_lock(row.folder):
        trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.message) == ("waiting", "")


class TooLarge(SimpleUploadedFile):
    """For the disk."""

    def chunks(self, chunk_size=None):
        yield b"1"
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_upload_that_does_not_fit_on_the_disk_leaves_nothing_and_blocks_nobody(upload, settings):
    request = trajectories.AnalysisRequest("", "Na", 600.0, 100.0, None, [], 1.0, 1.0)
    ada = get_user_model().objects.get()
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            trajectories.create(ada, [TooLarge("run.xyz", b"1")], request)
    assert list((settings.DATA_DIR / "analyses").iterdir()) == []
    assert not Leftover.objects.exists()
    assert upload(("run.xyz", extended_xyz(2))).folder.is_dir()
    assert not Leftover.objects.exists()


def test_an_upload_that_was_killed_is_swept(settings, db):
    data_folder.check()
    cut_off = settings.DATA_DIR / "analyses" / "x"
    deletion.leave(cut_off, after=trajectories.UPLOAD_KEPT)
    cut_off.mkdir(parents=True)
    deletion.sweep()
    assert cut_off.exists()
    Leftover.objects.update(due_at=timezone.now())
    assert deletion.sweep() == 1
    assert not cut_off.exists()


@pytest.mark.parametrize(("typed", "charge"), [("", -2.0), ("-1", -1.0)])
def test_without_a_charge_the_usual_one_of_the_ion_is_taken(upload, typed, charge):
    assert upload(("my.xyz", extended_xyz()), mobile_ion="S", charge=typed).spec["charge"] == charge


def test_a_failed_one_is_corrected_and_analysed_again_on_its_kept_files(as_ada, upload):
    row = upload(("run.xyz", extended_xyz()), mobile_ion="Li", charge="")
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.state == "failed"
    kept = sorted(path.read_bytes() for path in row.folder.glob("*run*"))
    page, again = reverse("trajectory", args=[row.pk]), reverse("trajectory-again", args=[row.pk])
    assert "Correct and analyse again" in as_ada.get(page).content.decode()
    said = {"name": "", "mobile_ion": "Na", "temperature_K": "600", "frame_interval_fs": ""}
    refused = as_ada.post(again, said)
    assert refused.status_code == 422
    assert "unless extended XYZ says Time" in refused.content.decode()
    assert as_ada.post(again, said | {"frame_interval_fs": "100"}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.message, row.spec["charge"]) == ("waiting", "", 1)
    assert "can be corrected when that has ended" in as_ada.post(again, said | {"frame_interval_fs": "100"}).content.decode()
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.message, row.result["run"]["verdict"]) == ("done", "", "diffusive")
    assert sorted(path.read_bytes() for path in row.folder.glob("*run*")) == kept
    first_cm2_s = row.result["run"]["diffusivity_cm2_s"]
    as_ada.post(again, said | {"frame_interval_fs": "200"})  # a result that was wrong, too
    trajectory_runs.run(row.pk)
    row.refresh_from_db()
    assert row.result["run"]["diffusivity_cm2_s"] == pytest.approx(first_cm2_s / 2)


def test_the_charge_is_that_of_the_ion_and_stands_beside_the_conductivity(as_ada, upload):
    as_magnesium = extended_xyz().replace(b"Na ", b"Mg ")
    row = upload(("run.xyz", as_magnesium), mobile_ion="Mg", charge="")
    assert row.spec["charge"] == 2
    trajectory_runs.run(row.pk)
    assert "conductivity, for 2 e" in as_ada.get(reverse("trajectory", args=[row.pk])).content.decode()
    response = as_ada.post(reverse("trajectory-list"), sent(("run.xyz", b"1"), mobile_ion="Xe", charge=""))
    assert "Give the charge of Xe" in str(response.context["form"].errors["charge"])
    assert upload(("run.xyz", as_magnesium), mobile_ion="Mg", charge="1.5").spec["charge"] == 1.5


def test_files_without_steps_are_one_run_with_9_before_10(upload):
    whole = extended_xyz().decode().splitlines(keepends=True)
    half = 150 * 18
    row = upload(("run_10.xyz", "".join(whole[half:]).encode()), ("run_9.xyz", "".join(whole[:half]).encode()))
    assert row.file_names == ["run_9.xyz", "run_10.xyz"]
