"""A whole installation, started as a user starts it: broker, web, worker, reconciler; killed piece by piece while a campaign runs."""

import json
import socket
import subprocess
import sys

import psutil
import pytest
import redis

from tests.stand_ins.installation import CREATE, ROOT, Up


@pytest.fixture
def installation(tmp_path):
    up = Up(tmp_path)
    up.start()
    yield up
    up.stop()


def test_a_campaign_survives_the_death_of_every_process(installation):
    up = installation
    up.python(CREATE)
    for number, word in enumerate(("dramatiq", "reconcile", "gunicorn", "dramatiq", "valkey")):
        up.wait_for(lambda done=3 * number: up.state()[1] > done, 60)
        victims = up.children(word)
        for victim in victims:  # none has time to stop its engine because its master is gone
            victim.suspend()
        for victim in victims:
            victim.kill()
    with redis.Redis(unix_socket_path=str(up.data / "valkey.sock")) as broker:
        up.wait_for(lambda: _answers(broker), 20)
        broker.flushall()
    up.wait_for(lambda: up.state()[0] == "converged", 90)

    counts = [len(path.read_text().splitlines()) for path in up.data.glob("campaigns/*/*/*/*/*/computed")]
    assert len(counts) == up.state()[1]
    # A worker that is killed leaves its engine: the next one waits for it. Each result was computed once.
    assert counts == [1] * len(counts)


def _answers(broker):
    try:
        return broker.ping()
    except redis.RedisError:
        return False


def test_nothing_is_left_behind_when_it_stops(installation):
    family = psutil.Process(installation.process.pid).children(recursive=True)
    assert len(family) >= 4
    installation.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not (installation.data / "up.json").exists()


def test_a_running_engine_is_stopped_too_and_its_stage_waits(tmp_path):
    up = Up(tmp_path)
    (tmp_path / "behaviour.json").write_text(json.dumps({"kind": "s0", "how": "slow", "times": 10}))
    up.environment["STAND_IN_BEHAVIOUR"] = str(tmp_path / "behaviour.json")
    up.start()
    try:
        up.python(CREATE)
        up.wait_for(lambda: list(up.data.glob("campaigns/*/*/*/s0-0/*/progress.json")), 30)
        engine = psutil.Process(json.loads(next(up.data.glob("campaigns/*/*/*/s0-0/*/child.json")).read_text())["pid"])
    finally:
        up.stop()
    psutil.wait_procs([engine], timeout=5)
    assert not engine.is_running()
    assert (
        up.python("import django; django.setup(); from campaigns.models import Stage; print(Stage.objects.filter(state='running').count())")
        == "0\n"
    )


def _slow_campaign(up, folder, times=100):
    (folder / "behaviour.json").write_text(json.dumps({"kind": "s0", "how": "slow", "times": times}))
    up.environment["STAND_IN_BEHAVIOUR"] = str(folder / "behaviour.json")
    up.start()
    up.python(CREATE.replace("TINY |", 'TINY | {"s0_temperatures_K": [300.0, 400.0, 500.0, 600.0, 700.0, 800.0]} |'))
    up.wait_for(lambda: len(list(up.data.glob("campaigns/*/*/*/s0-*/*/progress.json"))) == 2, 30)


def _engines(folder):
    """Whoever's children they are by now."""
    return [process for process in psutil.process_iter(["cmdline"]) if any(str(folder) in word for word in process.info["cmdline"] or ())]


def test_a_worker_that_stops_takes_no_stage_whose_cores_come_free_by_that(tmp_path):
    up = Up(tmp_path)
    try:
        _slow_campaign(up, tmp_path)
    finally:
        up.stop()
    assert _engines(tmp_path) == []
    assert len(list(up.data.glob("campaigns/*/*/*/s0-*/*/computed"))) == 2
    states = up.json("import django, json; django.setup(); from campaigns.models import Stage; "
                     "print(json.dumps(list(Stage.objects.filter(kind='s0').values_list('state', 'owner'))))")  # fmt: skip
    assert states == [["pending", ""]] * 6


def test_an_engine_whose_worker_was_killed_is_stopped_too(tmp_path):
    up = Up(tmp_path)
    try:
        _slow_campaign(up, tmp_path)
        for victim in up.children("dramatiq"):
            victim.kill()
    finally:
        up.stop()
    assert _engines(tmp_path) == []


def test_nothing_is_left_behind_when_it_is_killed(installation):
    family = psutil.Process(installation.process.pid).children(recursive=True)
    installation.process.kill()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_a_second_one_on_the_same_data_is_refused(installation):
    second = subprocess.run([sys.executable, "manage.py", "up"], cwd=ROOT, env=installation.environment, capture_output=True, text=True)
    assert second.returncode == 1
    assert "already running" in second.stderr


def test_it_listens_on_this_machine_alone(installation):
    web = [
        connection for child in installation.children("gunicorn") for connection in child.net_connections() if connection.status == "LISTEN"
    ]
    assert {connection.laddr.ip for connection in web} == {"127.0.0.1"}


def test_the_last_port_is_kept_where_it_is_free(tmp_path):
    from sseweb.management.commands.up import _port

    kept = tmp_path / "port"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    kept.write_text(str(free))
    assert _port("127.0.0.1", None, kept) == free
    with socket.socket() as other:
        other.bind(("127.0.0.1", free))
        other.listen()
        assert _port("127.0.0.1", None, kept) != free
    assert _port("127.0.0.1", None, kept) == int(kept.read_text())
