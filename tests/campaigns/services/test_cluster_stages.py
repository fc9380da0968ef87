"""Stages of a campaign on a real Slurm: each computed once, whatever dies; nothing that is not known counts as failed."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import psutil
import pytest
from django.db import connection
from django.utils import timezone

from campaigns.engines import job
from campaigns.engines.runners import cluster, local
from campaigns.enums import CLUSTER_KINDS, CampaignState, JobState, StageState
from campaigns.models import Resource, Stage
from campaigns.progress import stage_progress
from campaigns.services import campaigns, deletion, resources, stages
from campaigns.services.errors import WrongState
from tests.campaigns.engines.conftest import morse_frames, train_spec
from tests.campaigns.engines.runners.test_cluster import hidden
from tests.slurm import document

pytestmark = pytest.mark.django_db(transaction=True)


# A worker of its own, on the test's database and data folder.
WORKER = """
import os
from pathlib import Path
Path({pid_file!r}).write_text(str(os.getpid()))
import django
django.setup()
from django.conf import settings
from django.db import connections
connections["default"].settings_dict["NAME"] = {database!r}
settings.DATA_DIR = Path({data_dir!r})
settings.STAGE_MODULES = dict.fromkeys(settings.STAGE_MODULES, "tests.stand_ins.engine")
from campaigns.services import stages
stages.run({pk})
"""


@pytest.fixture
def short_campaign(make_campaign, settings):
    """The smallest that runs through every kind of stage."""

    def make(resource="debug", kinds=CLUSTER_KINDS):
        settings.CLUSTER_POLL_S = 1
        campaign = make_campaign(s0_temperatures_K=[300.0], ramp_T_max_K=300.0, evaluation_temperatures_K=[600.0], max_loops=1)
        campaign.resources = dict.fromkeys(kinds, resource)
        campaign.save()
        return campaign

    return make


@pytest.fixture
def first_stage(slurm, short_campaign, stand_ins):
    resources.add("debug", document())
    campaign = short_campaign()
    campaigns.start(campaign)
    return campaign.stages.get()


def visit(stage):
    """What the reconciler and a worker do when a lease has ended."""
    Stage.objects.filter(pk=stage.pk).update(lease_until=timezone.now() - timedelta(seconds=1), due_at=None)
    stages.run(stage.pk)
    stage.refresh_from_db()


def visit_until(stage, condition, limit_s=40.0):
    deadline = time.monotonic() + limit_s
    while True:
        visit(stage)
        if condition():
            return
        assert time.monotonic() < deadline, (stage.state, stage.job_state, stage.message, cluster.read(stage.folder))
        time.sleep(0.3)


def is_done(stage):
    return lambda: stage.state == StageState.DONE


def computed(stage):
    """How many processes computed this stage."""
    return len((stage.folder / "computed").read_text().splitlines())


def test_every_stage_of_a_campaign_runs_through_slurm(slurm, short_campaign, stand_ins):
    resources.add("debug", document(cores=3))
    campaign = short_campaign()
    campaigns.start(campaign)
    deadline = time.monotonic() + 120
    while campaign.state == CampaignState.RUNNING:
        assert time.monotonic() < deadline, list(campaign.stages.values_list("kind", "state", "job_state", "message"))
        for stage in campaign.stages.filter(state__in=(StageState.PENDING, StageState.RUNNING)):
            visit(stage)
        campaign.refresh_from_db()
    assert (campaign.state, campaign.reason) == (CampaignState.CONVERGED, campaign.reason)
    for stage in campaign.stages.all():
        assert (stage.kind, computed(stage), stage.tries) == (stage.kind, 1, 0)
        if stage.kind == "judge":
            assert stage.resource == ""
            continue
        assert (stage.resource, stage.cores, stage.job_state) == ("debug", 3, JobState.NONE)
        assert cluster.read(stage.folder).job_id
    assert {stage.kind for stage in campaign.stages.exclude(resource="")} == {*map(str, CLUSTER_KINDS), "probe"}


def test_a_job_takes_no_core_of_this_machine(slurm, short_campaign, make_campaign, stand_ins, settings):
    settings.ENGINE_CORES = 1
    resources.add("debug", document("#SBATCH --hold", cores=8))
    there, here, later = short_campaign(), make_campaign(), make_campaign()
    for campaign in (there, here, later):
        campaigns.start(campaign)
    assert stages.claim(there.stages.get().pk) is not None
    assert stages.claim(here.stages.get().pk) is not None
    assert stages.claim(later.stages.get().pk) is None
    queued = there.stages.get()
    visit(queued)
    assert (queued.state, queued.job_state) == (StageState.RUNNING, JobState.QUEUED)
    assert stage_progress(queued).message.startswith(f"queued on debug as job {cluster.read(queued.folder).job_id} since ")
    time.sleep(1.1)
    visit(queued)
    assert stage_progress(queued).message.endswith("UTC: JobHeldUser")


def test_a_job_that_waits_for_ever_is_queued_and_does_not_hang(slurm, short_campaign, stand_ins, settings):
    settings.STAGE_SILENCE_S = 0
    resources.add("debug", document(queue="closed"))
    campaign = short_campaign()
    campaigns.start(campaign)
    stage = campaign.stages.get()
    for _ in range(3):
        visit(stage)
        time.sleep(1.1)
    assert (stage.state, stage.job_state, stage.tries) == (StageState.RUNNING, JobState.QUEUED, 0)


def test_cancelled_from_outside_is_tried_again(first_stage, slurm, stand_ins):
    stand_ins("prepare", "hang")
    visit_until(first_stage, lambda: local.find(first_stage.folder) is not None)
    slurm.command("scancel", cluster.read(first_stage.folder).job_id)
    visit_until(first_stage, lambda: first_stage.failures.exists())
    assert first_stage.failures.get().cause == "job_cancelled"
    assert (first_stage.state, first_stage.tries) == (StageState.PENDING, 1)
    visit_until(first_stage, is_done(first_stage))


def test_a_job_that_came_further_is_no_failed_try_whatever_ended_it(first_stage, slurm, stand_ins, tmp_path, monkeypatch):
    """PBS and LSF do not say that it was the time limit, nor does Slurm after some minutes. One label of 4100 is hours of work."""
    monkeypatch.setenv("PATH", hidden(tmp_path / "bin", "scontrol", "echo Invalid job id specified >&2; exit 1"))
    stand_ins("prepare", "hang", times=2)
    for n_labels, tries in ((1, 0), (1, 1)):
        visit_until(first_stage, lambda: local.find(first_stage.folder) is not None)
        job.Progress(first_stage.folder)(n_labels, 4100, "labels")
        slurm.command("scancel", cluster.read(first_stage.folder).job_id)
        visit_until(first_stage, lambda: first_stage.state == StageState.PENDING)
        assert (first_stage.cause, first_stage.tries) == ("job_lost", tries)
    further, no_further = first_stage.failures.all()
    assert "goes on from the last checkpoint" in further.message
    assert "no further than the job before: ask for more time" in no_further.message


def test_a_worker_killed_between_the_submission_and_its_record(first_stage, slurm, tmp_path, monkeypatch):
    """SIGKILL to the worker and to the process that submits, when Slurm has the job and nothing says so yet."""
    log, worker_file = tmp_path / "sbatch.log", tmp_path / "worker"
    real = slurm.command("sh", "-c", "command -v sbatch")
    kill = f'{real} "$@" >> {log}; kill -s KILL "$(cat {worker_file})"; kill -s KILL -- "-$(ps -o pgid= -p $$ | tr -d " ")"'
    path, before = hidden(tmp_path / "bin", "sbatch", kill), os.environ["PATH"]
    program = WORKER.format(
        pid_file=str(worker_file),
        database=str(connection.settings_dict["NAME"]),
        data_dir=str(first_stage.folder.parents[4].parent),
        pk=first_stage.pk,
    )
    worker = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PATH": path, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert worker.returncode == -signal.SIGKILL, worker.stderr
    assert (cluster.read(first_stage.folder).state, cluster.read(first_stage.folder).job_id) == ("submitting", "")

    monkeypatch.setenv("PATH", before)
    visit_until(first_stage, is_done(first_stage))
    assert len(log.read_text().split()) == 1
    assert (computed(first_stage), first_stage.tries) == (1, 0)


def test_a_controller_that_is_away_fails_nothing(first_stage, slurm, stand_ins):
    """For longer than the job runs."""
    stand_ins("prepare", "slow")
    visit_until(first_stage, lambda: local.find(first_stage.folder) is not None)
    slurm.stop("slurmctld")
    away = []
    try:
        began = time.monotonic()
        while time.monotonic() - began < 20:
            time.sleep(1.1)
            visit(first_stage)
            away.append(first_stage.job_state)
            assert first_stage.state in (StageState.RUNNING, StageState.DONE)
            if first_stage.state == StageState.DONE:  # the file says so: nobody need be asked
                time.sleep(max(0.0, 20 - (time.monotonic() - began)))
    finally:
        slurm.start("slurmctld")
    visit_until(first_stage, is_done(first_stage))
    assert JobState.UNKNOWN in away
    assert (first_stage.tries, computed(first_stage), first_stage.failures.count()) == (0, 1, 0)


def test_pause_cancels_the_job_and_resume_goes_on(first_stage, slurm, stand_ins):
    stand_ins("prepare", "hang")
    visit_until(first_stage, lambda: local.find(first_stage.folder) is not None)
    job_id = cluster.read(first_stage.folder).job_id
    campaigns.pause(first_stage.campaign)
    Stage.objects.update(lease_until=timezone.now() - timedelta(seconds=1), sent_at=None)
    assert stages.reconcile() == 1
    stages.run(first_stage.pk)
    first_stage.refresh_from_db()
    assert (first_stage.state, first_stage.job_state, first_stage.tries) == (StageState.PENDING, JobState.NONE, 0)
    assert job_id not in slurm.command("squeue", "-h", "-t", "PD,R", "-o", "%i").split()

    campaigns.resume(first_stage.campaign)
    visit_until(first_stage, is_done(first_stage))
    assert first_stage.tries == 0


def test_cancel_cancels_the_job_before_the_campaign_can_be_deleted(slurm, short_campaign, stand_ins):
    resources.add("debug", document("#SBATCH --hold"))
    campaign = short_campaign()
    campaigns.start(campaign)
    stage = campaign.stages.get()
    visit(stage)
    with pytest.raises(WrongState, match="needed by campaign"):
        resources.remove("debug")
    campaigns.cancel(campaign)
    with pytest.raises(WrongState, match="still being cancelled"):
        deletion.delete(campaign)
    visit(stage)
    assert slurm.jobs() == []
    deletion.delete(campaign)
    resources.remove("debug")
    assert not Resource.objects.exists()


def test_half_a_result_is_made_again(first_stage):
    """A file system that was full, or lost its last blocks."""
    visit(first_stage)
    result = first_stage.folder / "result.json"
    _wait_for(result.exists)
    result.write_text(result.read_text()[:40])
    visit_until(first_stage, lambda: first_stage.failures.exists())
    assert first_stage.failures.get().cause == "disk_full"
    visit_until(first_stage, is_done(first_stage))
    assert computed(first_stage) == 2


def test_a_time_limit_that_is_reached_lets_the_training_go_on_from_its_checkpoint(slurm, short_campaign, settings, tmp_path):
    """The real DeePMD-kit. A job that came further than the one before is no failed try, however often it takes."""
    resources.add("debug", document())
    campaign = short_campaign()
    campaigns.start(campaign)
    stage = campaign.stages.get()
    settings.STAGE_MODULES = {stage.kind: "campaigns.engines.train"}
    morse_frames(12, seed=3).save(tmp_path / "frames.npz")
    spec = train_spec(tmp_path / "frames.npz", 12, n_batches=400, compress=False, max_force_rms_ratio=10.0)
    job.write_spec(stage.folder, "train", spec)
    checkpoint = stage.folder / "try-1" / "checkpoint"
    visit_until(stage, checkpoint.exists, limit_s=200)
    for process in psutil.Process(job.read_json(stage.folder / "child.json")["pid"]).children(recursive=True):
        process.suspend()  # held, so that it does not end before its time is up
    slurm.command("scontrol", "update", f"JobId={cluster.read(stage.folder).job_id}", "EndTime=now")
    visit_until(stage, lambda: stage.failures.exists(), limit_s=120)
    failure = stage.failures.get()
    assert (failure.cause, stage.tries, stage.state) == ("walltime", 0, StageState.PENDING)
    assert "goes on from the last checkpoint" in failure.message

    visit(stage)
    _wait_for((stage.folder / "result.json").exists, 200)
    steps = [int(line.split()[0]) for line in (stage.folder / "try-1" / "lcurve.out").read_text().splitlines() if not line.startswith("#")]
    assert steps.count(min(steps)) == 1  # it did not begin again
    assert max(steps) == 400
    assert (stage.folder / "job-2").is_dir()


def _wait_for(condition, limit_s=30.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


# --- what users and administrators are told ------------------------------------------------------------------------


def test_a_resource_that_is_gone_is_said(short_campaign, stand_ins):
    campaign = short_campaign("nowhere")
    campaigns.start(campaign)
    visit(campaign.stages.get())
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.FAILED
    assert "There is no resource nowhere" in campaign.reason


def test_a_queue_that_refuses_is_said(slurm, short_campaign, stand_ins):
    resources.add("wrong", document(queue="nowhere"))
    campaign = short_campaign("wrong")
    campaigns.start(campaign)
    visit(campaign.stages.get())
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.FAILED
    assert "Invalid partition name" in campaign.reason
