"""So many inputs are read at the same time, in all processes of a machine; who comes too late is told so at once, and others are served."""

import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.engines.bounded import ChildBusy
from campaigns.models import Material
from campaigns.services import materials, reading
from campaigns.services.errors import Busy
from tests import factories
from tests.stand_ins.installation import ROOT
from tests.web.programs import program

LIH = (ROOT / "campaigns/examples/cifs/lih_rocksalt_model.cif").read_bytes()
HOLD = """
import sys
from contextlib import ExitStack
from django.conf import settings
settings.configure(DATA_DIR=__import__("pathlib").Path(sys.argv[1]))
from campaigns.services import reading
with ExitStack() as held:
    for _ in range(int(sys.argv[2])):
        held.enter_context(reading.place())
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def others(data_dir):
    """Another process that holds all places."""
    argv = [sys.executable, "-c", HOLD, str(data_dir), str(reading.AT_WORK)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_who_finds_no_place_waits_for_a_while_and_is_told(others, monkeypatch):
    monkeypatch.setattr(reading, "PATIENCE_S", 0.3)
    began = time.monotonic()
    with pytest.raises(ChildBusy, match="send it again in half a minute"), reading.place():
        pass
    assert time.monotonic() - began >= 0.3


def test_a_place_of_a_process_that_was_killed_is_free(others, monkeypatch):
    others.kill()
    others.wait()
    with reading.place():
        pass


def test_of_those_who_wait_there_are_few(data_dir):
    """Else every thread of the web server waits."""
    with ExitStack() as held:
        for _ in range(reading.AT_THE_DOOR):
            held.enter_context(reading._held("door", reading.AT_THE_DOOR, 0.0))
        began = time.monotonic()
        with pytest.raises(ChildBusy), reading.place():
            pass
        assert time.monotonic() - began < 1.0
    with reading.place():
        pass


@pytest.mark.django_db
def test_programs_are_told_when_to_come_back_and_people_keep_their_form(others, monkeypatch, client):
    monkeypatch.setattr(reading, "PATIENCE_S", 0.0)
    ada = factories.user("ada")
    with pytest.raises(Busy):
        materials.create_material(ada, LIH, "lih.cif")
    answer = program(ada).post(reverse("api:material-list"), {"cif": LIH.decode()}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "30", "busy")
    client.force_login(ada)
    page = client.post(reverse("material-new"), {"cif_file": SimpleUploadedFile("lih.cif", LIH)})
    assert "as many files as it can at once" in page.content.decode()
    assert page.status_code == 422
    assert not Material.objects.exists()
