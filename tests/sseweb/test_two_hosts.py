"""Two worker hosts, each with a name and process numbers of its own, on one PostgreSQL, one Valkey and one data folder.

One is frozen as a whole in mid-stage, as a machine that is cut off; the file server's taking its lock away is played by a new lock file.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests import servers
from tests.stand_ins.installation import CREATE, ROOT, Up

NAMESPACES = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]


def namespaces_work():
    try:
        return subprocess.run([*NAMESPACES, "hostname", "one"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.skipif(servers.postgres_programs() is None, reason="PostgreSQL is not installed (apt-get install postgresql)"),
    pytest.mark.skipif(not namespaces_work(), reason="namespaces need rights that these tests do not have"),
]


class Host:
    """`manage.py work` as on a machine of its own."""

    def __init__(self, name, up):
        command = f'hostname {name} && exec "$0" manage.py work --threads 4'
        self.name = name
        self.process = psutil.Popen([*NAMESPACES, "sh", "-c", command, sys.executable], cwd=ROOT, env=up.environment)

    def _all(self):
        """Parents first: none is left to notice that its child stands still."""
        return [self.process, *self.process.children(recursive=True)]

    def freeze(self):
        for process in self._all():
            process.suspend()

    def thaw(self):
        for process in self._all():
            process.resume()

    def engines(self):
        return [one for one in self._all() if "tests.stand_ins.engine" in one.cmdline()]

    def stop(self):
        self.thaw()
        for process in self.process.children():
            process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def installation(tmp_path):
    postgres = servers.Postgres().start()
    valkey = servers.Valkey(tmp_path).start()
    up = Up(tmp_path)
    up.data.mkdir(exist_ok=True)
    behaviour = tmp_path / "behaviour.json"
    behaviour.write_text(json.dumps({"kind": "evaluate", "how": "wait", "times": 1}))
    up.environment |= {
        "DATABASE_URL": postgres.create(), "BROKER_URL": valkey.url, "SSEWEB_CORES": "1", "STAND_IN_BEHAVIOUR": str(behaviour),
    }  # fmt: skip
    yield up
    valkey.stop()
    postgres.stop("immediate")
    postgres.remove()


@pytest.fixture
def hosts(installation):
    subprocess.run(installation.command("migrate", "-v0"), cwd=ROOT, env=installation.environment, check=True)
    found = [Host(name, installation) for name in ("anode", "cathode")]
    yield found
    for host in found:
        host.stop()


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it takes too long: {what}"
        time.sleep(0.2)
    return found


def answer(up, question):
    import psycopg

    with psycopg.connect(up.environment["DATABASE_URL"], autocommit=True) as connection:
        return connection.execute(question).fetchall()


def has_ended(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def host_of(folder):
    return json.loads((folder / "child.json").read_text())["where"].split()[0]


def test_a_stage_of_a_host_that_is_cut_off_is_taken_over_and_its_late_result_refused(installation, hosts, tmp_path):
    up = installation
    up.python(CREATE)
    folder = Path(wait_for(lambda: (tmp_path / "waits").exists() and (tmp_path / "waits").read_text(), 300, "a stage that waits"))
    lost = next(host for host in hosts if host.name == host_of(folder))
    other = next(host for host in hosts if host is not lost)
    (late,) = lost.engines()
    lost.freeze()
    (folder / "lock").unlink()

    wait_for(lambda: answer(up, "SELECT state FROM campaigns_campaign") == [("converged",)], 400, "the campaign's end")
    assert host_of(folder) == other.name
    result, files = (folder / "result.json").stat().st_mtime_ns, sorted(path.name for path in folder.iterdir())

    (tmp_path / "leave").touch()
    lost.thaw()
    wait_for(lambda: has_ended(late), 120, "the late engine's end")
    assert not (tmp_path / "went on").exists()  # it has noticed before it wrote anything
    assert (folder / "result.json").stat().st_mtime_ns == result
    assert sorted(path.name for path in folder.iterdir()) == files

    begun = {path.parent: len(path.read_text().splitlines()) for path in up.data.glob("campaigns/*/*/*/*/*/computed")}
    assert begun.pop(folder) == 2
    assert set(begun.values()) == {1}
    worked = {name for (name,) in answer(up, "SELECT DISTINCT host FROM campaigns_stage")}
    assert worked == {"anode", "cathode"}
    assert answer(up, "SELECT COUNT(*) FROM campaigns_stage WHERE state <> 'done'") == [(0,)]
    checked = subprocess.run(up.command("check_data"), cwd=ROOT, env=up.environment, capture_output=True, text=True)
    assert "all are what they were" in checked.stdout
