"""A backup of a running installation comes back elsewhere, and its campaign goes on to the same end."""

import fcntl
import io
import json
import os
import subprocess
import sys
import tarfile
import time

import pytest

from tests.stand_ins.installation import CREATE, Up

FOUND = """
import django, json; django.setup()
from django.contrib.auth import get_user_model
from campaigns.models import Artefact, Frame, Stage, TrainedModel
print(json.dumps({"users": get_user_model().objects.count(), "models": TrainedModel.objects.count(), "frames": Frame.objects.count(),
                  "done": Stage.objects.filter(state="done").count(),
                  "sums": sorted(Artefact.objects.values_list("path", "sha256"))}))
"""


def manage(up, *arguments):
    return subprocess.run(up.command(*arguments), cwd=up.root, env=up.environment, capture_output=True, text=True, timeout=120)


def label_of(up, name, energy_eV):
    folder = up.data / "labels" / name[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(energy_eV)


def back_up_and_restore(one, other, file):
    """Back up `one` in mid-campaign, restore into `other`, run both to their end; what each has found."""
    one.start()
    try:
        one.python(CREATE)
        one.wait_for(lambda: one.state()[1] >= 4, 180)
        label_of(one, "paid for", "1.5")
        made = manage(one, "backup", str(file))
        assert made.returncode == 0, made.stdout + made.stderr
        again = manage(one, "backup", str(file))
        assert "never written over" in again.stderr
        one.wait_for(lambda: one.state()[0] == "converged", 300)
        refused = manage(one, "restore", str(file))
        assert "is running" in refused.stderr
    finally:
        one.stop()
    refused = manage(one, "restore", str(file))
    assert "is not empty (campaigns)" in refused.stderr

    label_of(other, "of its own", "2.5")
    came = manage(other, "restore", str(file))
    assert came.returncode == 0, came.stdout + came.stderr
    assert "all are what they were" in came.stdout
    other.start()
    try:
        other.wait_for(lambda: other.state()[0] == "converged", 300)
        found = other.json(FOUND)
        assert sorted(path.name for path in (other.data / "labels").glob("*/*.json")) == ["of its own.json", "paid for.json"]
    finally:
        other.stop()
    return one.json(FOUND), found


@pytest.fixture
def places(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    return Up(tmp_path / "one"), Up(tmp_path / "other"), tmp_path / "backup.tar"


def test_it_goes_on_from_a_backup_to_the_same_end(places):
    one, other, file = places
    left, right = back_up_and_restore(one, other, file)
    assert left == right
    assert file.stat().st_mode & 0o077 == 0
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert "database.sqlite3" in names
    assert not any(word in name for name in names for word in ("secret_key", "valkey", "logs/"))

    replaced = manage(one, "restore", str(file), "--replace")
    assert replaced.returncode == 0, replaced.stderr
    (aside,) = one.data.glob("before-restore-*")
    assert (aside / "sseweb.sqlite3").exists()
    assert (aside / "campaigns").is_dir()


def test_a_damaged_file_is_named_in_the_backup(tmp_path):
    up = Up(tmp_path)
    up.data.mkdir(exist_ok=True)
    assert manage(up, "migrate", "-v0").returncode == 0
    (up.data / "campaigns").mkdir()
    (up.data / "campaigns" / "graph.pb").write_text("other than registered")
    up.python(
        "import django; django.setup(); from campaigns.models import Artefact; "
        "[Artefact.objects.create(path=f'campaigns/{name}', sha256='0' * 64, n_bytes=3) for name in ('graph.pb', 'lost.pb')]"
    )
    made = manage(up, "backup", str(tmp_path / "b.tar"))
    assert made.returncode == 1
    assert "graph.pb: its content has changed" in made.stdout
    assert "lost.pb: is missing" in made.stdout


def test_what_is_no_backup_is_refused(tmp_path):
    up = Up(tmp_path)
    up.data.mkdir(exist_ok=True)
    (tmp_path / "x.tar").write_bytes(os.urandom(2000))
    assert "cannot be read as a backup" in manage(up, "restore", str(tmp_path / "x.tar")).stderr
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        (tmp_path / "manifest.json").write_text(json.dumps({"format": 1, "vendor": "sqlite", "database": "x"}))
        archive.add(tmp_path / "manifest.json", "manifest.json")
        archive.add(tmp_path / "manifest.json", "../../outside")
    assert "cannot be read as a backup" in manage(up, "restore", str(tmp_path / "evil.tar")).stderr
    assert list(up.data.glob("incoming-*")) == []


def backup_of(tmp_path, **files):
    """An archive without a database."""
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        for name, text in files.items() | {("manifest.json", json.dumps({"format": 1, "vendor": "sqlite", "database": "x"}))}:
            facts = tarfile.TarInfo(name)
            facts.size = len(text)
            archive.addfile(facts, io.BytesIO(text.encode()))
    return str(tmp_path / "b.tar")


def test_a_restore_that_fails_leaves_everything_as_it_was(tmp_path):
    up = Up(tmp_path)
    for name in ("campaigns", "uploads"):
        (up.data / name).mkdir()
        (up.data / name / "mine").write_text("mine")
    failed = manage(up, "restore", "--replace", backup_of(tmp_path, **{"data/campaigns/other": "other", "data/analyses/other": "other"}))
    assert "holds no database" in failed.stderr
    assert [path.read_text() for path in up.data.glob("*/mine")] == ["mine", "mine"]
    assert not list(up.data.glob("*/other"))


@pytest.mark.parametrize("service", ["manage.py reconcile", "-m dramatiq sseweb.worker", "-m gunicorn sseweb.wsgi --bind 127.0.0.1:0"])
def test_no_service_runs_beside_a_restore(tmp_path, service):
    """`manage.py up` is not the only one that starts them."""
    up = Up(tmp_path)
    (up.data / "service.lock").touch()
    with (up.data / "service.lock").open() as ours, (tmp_path / "log").open("w+") as log:
        running = subprocess.Popen([sys.executable, *service.split()], cwd=up.root, env=up.environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while _is_free(ours):
                assert time.monotonic() < deadline, log.read()
                time.sleep(0.2)
            assert "is running on" in manage(up, "restore", "--replace", backup_of(tmp_path)).stderr
        finally:
            running.terminate()
            running.wait(60)
        fcntl.flock(ours, fcntl.LOCK_EX)  # as a restore does
        assert "A backup is being restored" in manage(up, "reconcile", "--once").stderr


def _is_free(stream):
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(stream, fcntl.LOCK_UN)
    return True
