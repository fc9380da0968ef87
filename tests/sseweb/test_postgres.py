"""PostgreSQL and Valkey by their addresses, as for several machines: the same campaign to the same end, whatever happens to them."""

import signal
import time

import psutil
import pytest
import redis

from tests import servers
from tests.sseweb.test_backup import back_up_and_restore
from tests.stand_ins.installation import CREATE, Up

pytestmark = pytest.mark.skipif(servers.postgres_programs() is None, reason="PostgreSQL is not installed (apt-get install postgresql)")

ACCOUNT = """
import django, json; django.setup()
from django.db import connection
from campaigns.models import Campaign, Frame, MdRun, Stage, TrainedModel
stages = [s for s in Stage.objects.select_related("campaign")]
lines = lambda s: (s.folder / "computed").read_text().splitlines()
print(json.dumps({"vendor": connection.vendor, "done": sum(s.state == "done" for s in stages), "begun": [len(lines(s)) for s in stages],
                  "models": TrainedModel.objects.count(), "frames": Frame.objects.count(), "runs": MdRun.objects.count()}))
"""


@pytest.fixture
def postgres():
    server = servers.Postgres().start()
    yield server
    server.stop("immediate")
    server.remove()


@pytest.fixture
def valkey(tmp_path):
    server = servers.Valkey(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
def installation(tmp_path, postgres, valkey):
    up = Up(tmp_path)
    up.environment |= {"DATABASE_URL": postgres.create(), "BROKER_URL": valkey.url}
    up.start()
    yield up
    up.stop()


def _to_its_end(up, seconds=300):
    up.wait_for(lambda: up.state()[0] == "converged", seconds)
    account = up.json(ACCOUNT)
    assert account["vendor"] == "postgresql"
    assert not (up.data / "sseweb.sqlite3").exists()
    return account


def _worker(up):
    """The process whose threads wait for engines (its master is our child's child)."""
    master = next(one for one in up.children("dramatiq") if one.ppid() == up.process.pid)
    return next(one for one in master.children() if "dramatiq" in " ".join(one.cmdline()))


def test_broker_wiped_and_database_restarted_in_mid_campaign(installation, postgres, valkey):
    up = installation
    up.python(CREATE)
    up.wait_for(lambda: up.state()[1] >= 3, 180)
    with redis.Redis.from_url(valkey.url) as broker:
        broker.flushall()
    up.wait_for(lambda: up.state()[1] >= 7, 180)
    postgres.stop("immediate")  # as a crash of the server
    time.sleep(2)
    postgres.start()
    account = _to_its_end(up)
    assert account["begun"] == [1] * account["done"]  # an engine is not stopped for a database that is started again


def test_a_worker_that_freezes_beyond_its_lease_is_fenced(installation):
    """SIGSTOP: its engines are waited for by its successor, and what it believes when it wakes changes nothing."""
    up = installation
    up.python(CREATE)
    up.wait_for(lambda: up.state()[1] >= 3, 180)
    frozen = _worker(up)
    frozen.suspend()
    second = psutil.Popen(up.command("work", "--threads", "3"), cwd=up.root, env=up.environment)
    try:
        done = up.state()[1]
        up.wait_for(lambda: up.state()[1] >= done + 6, 180)  # another worker has taken over what the frozen one held
        frozen.resume()
        account = _to_its_end(up)
    finally:
        second.send_signal(signal.SIGTERM)
        second.wait(30)
    assert account["begun"] == [1] * account["done"]
    assert frozen.is_running()


def test_a_backup_comes_back(tmp_path, postgres, valkey):
    places = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        places.append(Up(tmp_path / name))
        places[-1].environment |= {"DATABASE_URL": postgres.create(name), "BROKER_URL": valkey.url[:-1] + str(len(places))}
    left, right = back_up_and_restore(*places, tmp_path / "backup.tar")
    assert left == right
