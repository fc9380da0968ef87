"""What logs hold and do not hold, and that they and the database do not grow for ever."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.utils import timezone
from knox.models import AuthToken

from sseweb import expired, log_files
from sseweb.management.commands.up import WEB_LOG
from sseweb.supervisor import Service, Supervisor
from tests import factories
from tests.sseweb.test_operations import start
from tests.stand_ins.installation import ROOT

TOKEN = "kZ0aV8secret"
PATHS = (
    f"/shared/{TOKEN}/",
    f"/shared/{TOKEN}/plots/arrhenius/?theme=dark",
    f"/account/set-password/MQ/{TOKEN}/",
    "/campaigns/7/live/ramp/?seen=ab",
    "/campaigns/7/",
)


@pytest.fixture
def web_log(tmp_path):
    """What gunicorn writes, started as `up` starts it, while these addresses are asked for."""
    (tmp_path / "answer.py").write_text("def app(environ, start):\n    start('200 OK', [])\n    return [b'']\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(**environment):
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "answer:app", "--bind", f"127.0.0.1:{port}", *WEB_LOG.split()],
                cwd=tmp_path, env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"} | environment, stdout=log, stderr=log)  # fmt: skip
        try:
            for path in PATHS:
                asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Referer": f"https://x/shared/{TOKEN}/"})
                _answered(asked, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        return (tmp_path / "log").read_text()

    return run


def _answered(asked, process):
    for _ in range(200):
        try:
            return urllib.request.urlopen(asked, timeout=5).close()
        except OSError:
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("gunicorn does not answer")


def test_no_token_of_an_address_is_in_the_log_of_the_web_server_and_no_line_for_a_look(web_log):
    found = web_log()
    assert TOKEN not in found
    assert "GET /shared/*** " not in found
    assert "GET /shared/***/ HTTP" in found
    assert "GET /shared/***/plots/arrhenius/?theme=dark" in found
    assert "GET /account/set-password/MQ/***/ HTTP" in found
    assert "/live/" not in found
    assert "GET /campaigns/7/ HTTP" in found


def test_lines_of_the_web_server_are_json_where_that_is_asked_for(web_log):
    lines = [json.loads(line) for line in web_log(LOG_FORMAT="json").splitlines()]
    assert {line["logger"] for line in lines} == {"gunicorn.access", "gunicorn.error"}
    assert sum("GET /shared/***/" in line["message"] for line in lines) == 2


def test_no_token_of_an_address_is_in_what_django_says(tmp_path):
    code = f"""
import logging
from django.test import Client
Client(HTTP_HOST="localhost").get("/shared/{TOKEN}/x/")
logging.error("see %s", "/shared/{TOKEN}/")
"""
    for log_format in ("line", "json"):
        done = start(tmp_path, "shell", "-v0", "-c", code, LOG_FORMAT=log_format)
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stderr
        assert "Not Found: /shared/***/x/" in done.stderr
        assert "see /shared/***/" in done.stderr


def test_a_log_that_is_large_is_put_aside_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MAX_BYTES", 10_000)
    log = tmp_path / "web.log"
    code = "import itertools, sys\nfor n in itertools.count(): print(f'{n:099d}', flush=True)"
    writer = Service("writer", [sys.executable, "-c", code], log)
    writer.start()
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "web.log.3").exists() and time.monotonic() < deadline:
            log_files.rotate(log)
    finally:
        writer.kill()
        writer.popen.wait()
    assert {path.name for path in tmp_path.glob("web.log*")} == {"web.log", "web.log.1", "web.log.2", "web.log.3"}
    lines = [line for number in (3, 2, 1) for line in (tmp_path / f"web.log.{number}").read_text().splitlines()]
    whole = [line for line in lines if len(line) == 99]
    assert len(whole) > 200
    assert whole == sorted(whole)
    assert not log.read_bytes().startswith(b"\0")  # emptied, with no hole where it was


def test_the_supervisor_puts_logs_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "MAX_BYTES", 10)
    log = tmp_path / "web.log"
    log.write_text("x" * 20)
    Supervisor([Service("web", [], log)])._rotate_logs()
    assert (log.read_text(), (tmp_path / "web.log.1").read_text()) == ("", "x" * 20)


def test_what_has_expired_is_swept_and_nothing_else(db):
    ada, now = factories.user("ada"), timezone.now()
    for days in (-1, 1):
        Session.objects.create(session_key=f"key{days}", session_data="", expire_date=now + timedelta(days=days))
        AuthToken.objects.create(ada, expiry=timedelta(days=days))
    for days in (0, 2, 400):
        at = now - timedelta(days=days)
        row = {"user_agent": str(days), "path_info": "/", "username": "ada"}
        AccessAttempt.objects.create(**row, failures_since_start=1, get_data="", post_data="")
        AccessLog.objects.create(**row)
        AccessAttempt.objects.filter(user_agent=days).update(attempt_time=at)
        AccessLog.objects.filter(user_agent=days).update(attempt_time=at)
    expired.sweep()
    assert [row.session_key for row in Session.objects.all()] == ["key1"]
    assert AuthToken.objects.count() == 1
    assert [row.user_agent for row in AccessAttempt.objects.all()] == ["0"]
    assert {row.user_agent for row in AccessLog.objects.all()} == {"0", "2"}
