"""No child process is given a secret: parsers of uploads, engines, and what speaks with a queueing system."""

import json
import sys

import pytest

from campaigns.engines import bounded
from campaigns.engines.backends import BACKENDS
from campaigns.engines.environment import SECRETS
from campaigns.engines.runners import cluster, local
from campaigns.engines.runners.profile import Profile
from tests.slurm import MACHINE

SHOWS = "import json, os, sys; json.dump(dict(os.environ), open({place}, 'w'))"


@pytest.fixture
def shows(tmp_path, monkeypatch):
    """A module that writes its environment down, and where."""
    place = tmp_path / "environment.json"
    (tmp_path / "shows_environment.py").write_text(SHOWS.format(place=repr(str(place))))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CP2K_DATA_DIR", "/opt/cp2k/data")
    for name in SECRETS:
        monkeypatch.setenv(name, "hush")
    return place


def seen(place):
    found = json.loads(place.read_text())
    assert found["CP2K_DATA_DIR"] == "/opt/cp2k/data"
    return set(SECRETS) & set(found) | {name for name, value in found.items() if "hush" in value}


def test_a_parser_sees_none(shows):
    bounded.run("shows_environment", [])
    assert seen(shows) == set()


def test_an_engine_sees_none(shows, tmp_path):
    child = local.start("shows_environment", tmp_path, 1)
    child._popen.wait(60)
    assert seen(shows) == set()


def test_what_speaks_with_a_cluster_sees_none(shows, tmp_path, monkeypatch):
    """It submits with the environment that it has: sbatch hands that on to the job."""
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{SHOWS.format(place=repr(str(shows)))}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    profile = Profile(MACHINE, {}, str(program), BACKENDS["tensorflow"])
    assert cluster.ask("campaigns.engines.hello", tmp_path, "here", profile).outcome == "unknown"  # it said nothing
    assert seen(shows) == set()
