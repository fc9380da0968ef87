"""A stage's job on a real queue: submitted once, asked for, cancelled; and what no answer means."""

import os
import stat
import time

import pytest

from campaigns.engines import hello, job, label
from campaigns.engines.runners import cluster, profile

MODULE = "campaigns.engines.hello"
STAND_IN = "tests.stand_ins.engine"


def slurm_profile(*flags, queue="debug", **resources):
    document = {
        "machine": {"batch_type": "Slurm", "context_type": "LocalContext", "local_root": "./"},
        "resources": {"cpu_per_node": 1, "queue_name": queue, "group_size": 1, "custom_flags": list(flags)} | resources,
    }
    return profile.read(document)[""]


SHELL = profile.read(
    {"machine": {"batch_type": "Shell", "context_type": "local", "local_root": "./"}, "resources": {"group_size": 1, "cpu_per_node": 1}}
)[""]


@pytest.fixture
def folder(tmp_path):
    job.write_spec(tmp_path / "stage", "hello", hello.HelloSpec())
    return tmp_path / "stage"


def ask_until(folder, chosen, condition, module=MODULE, limit_s=30.0):
    deadline = time.monotonic() + limit_s
    while not condition(found := cluster.ask(module, folder, "q", chosen)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def hidden(folder, name, text):
    """A program that stands in front of the system's."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:{os.environ['PATH']}"


def test_a_job_is_submitted_and_leaves_its_result(slurm, folder):
    chosen = slurm_profile("#SBATCH --comment=tests", envs={"GREETING": "it is mine"})
    submitted = cluster.submit(MODULE, folder, "q", chosen)
    assert (submitted.outcome, submitted.state, submitted.resource) == ("ok", "queued", "q")
    ask_until(folder, chosen, lambda found: found.state == "ended")
    assert job.read_json(folder / "result.json")["missing"] == []
    assert cluster.read(folder).job_id == submitted.job_id
    assert cluster.seconds_at_work(folder) >= 0
    (script,) = (folder / "job-1").glob(".*.sub")
    assert "--dependency=singleton" in script.read_text()
    assert f"--job-name {submitted.name}" in script.read_text()
    assert "export GREETING='it is mine'" in script.read_text()


def test_a_queue_that_does_not_want_the_job_says_so(slurm, folder):
    refused = cluster.submit(MODULE, folder, "q", slurm_profile(queue="nowhere"))
    assert refused.outcome == "refused"
    assert "Invalid partition" in refused.detail


def test_a_submission_that_was_cut_off_before_its_record_is_found_again(slurm, folder, tmp_path, monkeypatch):
    """The process that submits is killed with SIGKILL when Slurm has the job already, and nothing says so yet."""
    log = tmp_path / "sbatch.log"
    real = slurm.command("sh", "-c", "command -v sbatch")
    # Held, so that it is still in the queue when it is looked for.
    kill = f'{real} --hold "$@" >> {log}; kill -s KILL -- "-$(ps -o pgid= -p $$ | tr -d " ")"'
    monkeypatch.setenv("PATH", hidden(tmp_path / "bin", "sbatch", kill))
    cut_off = cluster.submit(MODULE, folder, "q", slurm_profile())
    assert cut_off.outcome == "unknown"
    assert (cluster.read(folder).state, cluster.read(folder).job_id) == ("submitting", "")

    monkeypatch.setenv("PATH", hidden(tmp_path / "bin", "sbatch", f"echo again >> {log}; exit 1"))
    found = cluster.submit(MODULE, folder, "q", slurm_profile())
    assert found.outcome == "ok"
    assert log.read_text().split() == [found.job_id] == slurm.jobs(found.name)


def test_jobs_of_one_stage_never_run_side_by_side(slurm, folder, tmp_path):
    job.write_spec(folder, "hello", hello.HelloSpec())
    first = cluster.submit(MODULE, folder, "q", slurm_profile("#SBATCH --hold"))
    (folder / "job.json").unlink()  # a record that was lost with a disk
    second = cluster.submit(MODULE, folder, "q", slurm_profile())
    assert slurm.command("squeue", "-h", "-j", second.job_id, "-o", "%t %r") == "PD Dependency"
    assert first.job_id != second.job_id
    slurm.command("scancel", second.job_id)
    assert ask_until(folder, slurm_profile(), lambda found: found.job_id == first.job_id).state == "queued"  # the one that is left


def test_no_answer_says_nothing_about_the_job(slurm, folder):
    chosen = slurm_profile("#SBATCH --hold")
    submitted = cluster.submit(MODULE, folder, "q", chosen)
    slurm.stop("slurmctld")
    try:
        away = cluster.ask(MODULE, folder, "q", chosen)
    finally:
        slurm.start("slurmctld")
    assert (away.outcome, away.state, away.job_id) == ("unknown", "queued", submitted.job_id)
    assert "slurm controller" in away.detail.lower()
    back = ask_until(folder, chosen, lambda found: found.outcome == "ok")
    assert back.state == "queued"


def test_a_job_that_does_not_start_says_what_it_waits_for(slurm, folder):
    cluster.submit(MODULE, folder, "q", slurm_profile("#SBATCH --hold"))
    assert cluster.ask(MODULE, folder, "q", slurm_profile()).waits_for == "JobHeldUser"


def test_days_in_the_queue_are_no_silence_of_the_engine(folder, tmp_path):
    """The script of a job that has just started has not come to the engine yet."""
    (tmp_path / "slow.sh").write_text("sleep 3")
    slow = profile.read({
        "machine": {"batch_type": "Shell", "context_type": "local"},
        "resources": {"cpu_per_node": 1, "source_list": [str(tmp_path / "slow.sh")]},
    })[""]  # fmt: skip
    cluster.submit(MODULE, folder, "q", slow)
    queued_since = time.time() - 2 * 86400
    for path in folder.rglob("*"):
        os.utime(path, (queued_since, queued_since))
    assert cluster.ask(MODULE, folder, "q", slow).state == "running"
    assert cluster.seconds_of_silence(folder) < 60
    ask_until(folder, slow, lambda found: found.state == "ended")


QOS = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize("reason", ["sbatch: error: QOSMaxSubmitJobPerUserLimit\n", ""])
def test_a_queue_that_is_full_is_asked_again_and_quoted(slurm, folder, tmp_path, monkeypatch, reason):
    with monkeypatch.context() as full:
        full.setenv("PATH", hidden(tmp_path / "bin", "sbatch", f'echo "{reason}{QOS}" >&2; exit 1'))
        waits = cluster.submit(MODULE, folder, "q", slurm_profile())
    assert (waits.outcome, waits.state, waits.job_id) == ("ok", "submitting", "")
    assert "It says: Batch job submission failed: Job violates accounting/QOS policy" in waits.detail
    assert cluster.submit(MODULE, folder, "q", slurm_profile()).state == "queued"


def test_a_job_that_is_too_long_for_its_queue_is_refused(slurm, folder, tmp_path, monkeypatch):
    said = f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{QOS}"
    monkeypatch.setenv("PATH", hidden(tmp_path / "bin", "sbatch", f'echo "{said}" >&2; exit 1'))
    refused = cluster.submit(MODULE, folder, "q", slurm_profile())
    assert refused.outcome == "refused"
    assert refused.detail.endswith("[QOSMaxWallDurationPerJobLimit]")


@pytest.mark.parametrize(
    ("batch_type", "program", "said", "outcome"),
    [
        ("PBS", "qsub", "qsub: would exceed queue generic's per-user limit", "ok"),
        ("Torque", "qsub", "qsub: Maximum number of jobs already in queue", "ok"),
        ("PBS", "qsub", "qsub: Unknown queue", "refused"),
        ("LSF", "bsub", "User's pending job threshold reached. Job not submitted.", "ok"),
        ("LSF", "bsub", "gpu: No such queue. Job not submitted.", "refused"),
        ("LSF", "bsub", "Failed in an LSF library call: Communication time out. Connection refused", "unknown"),
    ],
)
def test_other_queues_in_their_own_words(folder, tmp_path, monkeypatch, batch_type, program, said, outcome):
    monkeypatch.setenv("PATH", hidden(tmp_path / "bin", program, f'echo "{said}" >&2; exit 1'))
    machine = {"batch_type": batch_type, "context_type": "local"}
    answer = cluster.submit(MODULE, folder, "q", profile.read({"machine": machine, "resources": {"cpu_per_node": 1}})[""])
    assert answer.outcome == outcome
    assert said in answer.detail


def test_stop_takes_the_job_from_the_queue(slurm, folder):
    chosen = slurm_profile("#SBATCH --hold")
    submitted = cluster.submit(MODULE, folder, "q", chosen)
    assert cluster.stop(MODULE, folder, "q", chosen).state == "stopped"
    assert submitted.job_id not in slurm.jobs()
    again = cluster.submit(MODULE, folder, "q", slurm_profile())
    assert again.job_id != submitted.job_id


def test_a_job_that_was_cancelled_from_outside_is_told_apart(slurm, folder):
    chosen = slurm_profile("#SBATCH --hold")
    submitted = cluster.submit(MODULE, folder, "q", chosen)
    slurm.command("scancel", submitted.job_id)
    assert ask_until(folder, chosen, lambda found: found.state == "ending").cause == ""  # its last files may be on their way
    assert ask_until(folder, chosen, lambda found: found.state == "ended").cause == "job_cancelled"


def test_a_machine_without_a_queue_runs_jobs_as_processes(folder):
    submitted = cluster.submit(MODULE, folder, "q", SHELL)
    assert submitted.state == "queued"
    ask_until(folder, SHELL, lambda found: found.state == "ended")
    assert job.has_result(folder)


def test_a_job_that_is_not_over_is_not_submitted_again(folder):
    """Of two workers that wanted to submit the same stage the second comes to the folder when the first is done."""
    first = cluster.submit(MODULE, folder, "q", SHELL)
    second = cluster.submit(MODULE, folder, "q", SHELL)
    assert (second.outcome, second.state, second.job_id) == ("ok", "queued", first.job_id)
    assert not (folder / "job-2").exists()
    ask_until(folder, SHELL, lambda found: found.state == "ended")
    assert job.has_result(folder)


def test_nothing_is_submitted_while_an_engine_works_in_the_folder(folder):
    """Else it would find that `child.json` is not its own, and throw its result away."""
    cluster.submit(MODULE, folder, "q", SHELL)
    ask_until(folder, SHELL, lambda found: found.state == "ended")
    cluster.close(folder, lambda: True)
    with job.folder_lock(folder):
        job.record_child(folder)
        (folder / label.UNDER_WAY).write_text("{}")
        assert cluster.submit(MODULE, folder, "q", SHELL).outcome == "unknown"
        assert (folder / "child.json").exists()
    assert cluster.submit(MODULE, folder, "q", SHELL).state == "queued"
    assert not (folder / label.UNDER_WAY).exists()
    ask_until(folder, SHELL, lambda found: found.state == "ended")


def test_stopping_a_process_stops_what_it_started(folder, tmp_path, monkeypatch):
    behaviour = tmp_path / "behaviour.json"
    behaviour.write_text('{"kind": "judge", "how": "hang", "times": 1}')
    monkeypatch.setenv("STAND_IN_BEHAVIOUR", str(behaviour))
    from campaigns.engines.judge_specs import JudgeSpec
    from campaigns.engines.runners import local

    job.write_spec(folder, "judge", JudgeSpec([], "Li", 1.0, 1, 1, [], 0.1, 1.0, 5.0, 2.0))
    cluster.submit(STAND_IN, folder, "q", SHELL)
    ask_until(folder, SHELL, lambda found: local.find(folder) is not None, STAND_IN)
    assert cluster.ask(STAND_IN, folder, "q", SHELL).state == "running"
    assert cluster.stop(STAND_IN, folder, "q", SHELL).state == "stopped"
    deadline = time.monotonic() + 10
    while local.find(folder) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_folder_that_the_cluster_does_not_see(slurm, tmp_path):
    refused = cluster.submit(MODULE, tmp_path, "q", slurm_profile())
    assert refused.outcome == "refused"
    assert "must be shared" in refused.detail


def test_a_machine_behind_ssh_that_shares_the_folder(login_node, folder):
    machine = {"batch_type": "Shell", "context_type": "SSHContext", "local_root": "./", "remote_root": "/x", "remote_profile": login_node}
    there = profile.read({"machine": machine, "resources": {"group_size": 1, "cpu_per_node": 1}})[""]
    submitted = cluster.submit(MODULE, folder, "q", there)
    assert (submitted.outcome, submitted.state) == ("ok", "queued")
    ask_until(folder, there, lambda found: found.state == "ended")
    assert job.has_result(folder)


def test_a_machine_that_is_not_reached(folder):
    remote = {"hostname": "127.0.0.1", "port": 9, "username": "nobody", "timeout": 2}
    machine = {"batch_type": "Slurm", "context_type": "SSHContext", "local_root": "./", "remote_root": "/x", "remote_profile": remote}
    there = profile.read({"machine": machine, "resources": {"group_size": 1, "cpu_per_node": 1}})[""]
    nothing = cluster.submit(MODULE, folder, "q", there)
    assert nothing.outcome == "unknown"
    assert cluster.read(folder).state == "submitting"
