"""Which installation a command uses: the one that runs, one that is just starting, or one of its own."""

import fcntl
import threading
import time

import pytest
from django.core.management.base import CommandError

from campaigns.engines.job import write_json
from sseweb import installation
from sseweb.installation import Installation


@pytest.fixture
def lock(data_dir):
    """Held as `manage.py up` holds it while it migrates: there is no record yet."""
    with (data_dir / "up.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream


def test_one_that_is_just_starting_is_waited_for(lock, data_dir):
    def migrated():
        time.sleep(1.0)
        write_json(data_dir / "up.json", {"pid": 1, "address": "http://127.0.0.1:8000/"})

    thread = threading.Thread(target=migrated)
    thread.start()
    one = Installation()
    assert one.keep() is False
    thread.join()
    assert one.address == "http://127.0.0.1:8000/"
    assert one._process is None


def test_one_that_never_gets_ready_is_said(lock, monkeypatch):
    monkeypatch.setattr(installation, "START_TIMEOUT_S", 0.5)
    with pytest.raises(CommandError, match="did not start"):
        Installation().keep()
