"""What operators look at: /healthz, /metrics, logs, and a start that is refused where it would give the installation away."""

import json
import logging
import os
import subprocess
import sys
import time

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from campaigns.enums import CampaignState
from campaigns.models import Campaign, Stage, StageFailure
from campaigns.services import logs
from sseweb import health
from sseweb.logs import JsonFormatter
from tests import factories
from tests.stand_ins.installation import ROOT


@pytest.fixture
def campaign(db):
    row = factories.full_campaign(factories.user("ada"), n_steps=1)
    StageFailure.objects.create(stage=row.stages.first(), attempt=1, cause="out_of_memory", message="", permanent=False)
    return row


def values(text):
    return {
        (sample.name, *sample.labels.values()): sample.value for family in text_string_to_metric_families(text) for sample in family.samples
    }


def test_metrics_say_what_waits_runs_and_fails(campaign, client):
    Campaign.objects.update(state=CampaignState.RUNNING)
    Stage.objects.filter(state="done", kind="train").update(seconds=7.0)
    factories.stage(campaign, "explore", loop=9, state="pending")
    found = values(client.get("/metrics").content.decode())
    assert found["sseweb_stages", "done"] == Stage.objects.filter(state="done").count()
    assert found["sseweb_queue_depth",] == Stage.objects.filter(state="pending").count() > 0
    assert found["sseweb_stage_seconds_total", "train"] == 7.0 * Stage.objects.filter(state="done", kind="train").count()
    assert found["sseweb_stage_failures_total", "out_of_memory"] == 1
    assert found["sseweb_campaigns", "running"] == 1
    assert found["sseweb_disk_free_bytes",] > 0


def test_metrics_are_for_this_machine_alone(db):
    assert Client(REMOTE_ADDR="192.0.2.7").get("/metrics").status_code == 404
    assert Client(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.7").get("/metrics").status_code == 404
    assert Client(REMOTE_ADDR="::1").get("/metrics").status_code == 200


def test_the_cost_of_metrics_does_not_grow_with_the_campaigns(campaign, client, django_assert_num_queries):
    with django_assert_num_queries(6):
        client.get("/metrics")
    factories.full_campaign(campaign.owner, n_steps=2)
    with django_assert_num_queries(6):
        client.get("/metrics")


def test_healthz_names_a_reconciler_that_is_silent(db, client, settings):
    assert "has not run yet" in client.get("/healthz").json()["reconciler"]
    health.report_reconciler()
    assert client.get("/healthz").json()["reconciler"] == "ok"
    long_ago = time.time() - 300
    os.utime(settings.DATA_DIR / "reconciled", (long_ago, long_ago))
    answer = client.get("/healthz")
    assert "silent for 300 s" in answer.json()["reconciler"]
    assert answer.status_code == 503


def test_a_line_of_the_log_says_which_stage_it_is_about(campaign):
    stage = campaign.stages.first()
    logs.is_about(stage)
    try:
        line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "stopping %s", "args": ("it",), "levelname": "WARNING"})))
    finally:
        logs.is_about(None)
    assert line["message"] == "stopping it"
    assert (line["campaign"], line["stage"], line["level"]) == (campaign.pk, stage.pk, "WARNING")
    assert "stage" not in json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "x"})))


GOOD_KEY = "k3-" + "abcdefghij" * 5
PRODUCTION = {"HTTPS": "1", "ALLOWED_HOSTS": "sseweb.example.org", "SECRET_KEY": GOOD_KEY}


def start(tmp_path, *arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if name not in PRODUCTION}
    kept |= {"DJANGO_SETTINGS_MODULE": "sseweb.settings", "SSEWEB_DATA_DIR": str(tmp_path)}
    return subprocess.run([sys.executable, "manage.py", *(arguments or ("check",))], cwd=ROOT, capture_output=True, text=True,
                          env=kept | environment)  # fmt: skip


def test_check_deploy_is_clean_in_production_settings(tmp_path):
    done = start(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr


SIGN_IN = """
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
get_user_model().objects.create_user("ada", password="x")
client = Client(HTTP_HOST="sseweb.example.org")
print("plain", client.get("/sign-in/").status_code)
answer = client.post("/sign-in/", {"username": "ada", "password": "x"}, secure=True)
print("transport", answer["Strict-Transport-Security"])
print(answer.cookies.output())
"""


def test_cookies_over_tls(tmp_path):
    done = start(tmp_path, "shell", "-v0", "-c", SIGN_IN, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "plain 301" in done.stdout
    assert "transport max-age=31536000" in done.stdout
    session = next(line for line in done.stdout.splitlines() if "__Host-session=" in line)
    assert {"Secure", "HttpOnly", "Path=/"} <= {word.strip() for word in session.split(";")}


@pytest.mark.parametrize(("environment", "words"), [
    ({"HTTPS": "0"}, "unencrypted"),
    ({"SECRET_KEY": ""}, "must be set in the environment"),
    ({"SECRET_KEY": "short"}, "at least 50"),
    ({"SECRET_KEY": "a" * 60}, "at least 50"),
    ({"ALLOWED_HOSTS": "*"}, "must name each host"),
    ({"ALLOWED_HOSTS": ".example.org"}, "must name each host"),
    ({"DEBUG": "1"}, "DEBUG=1"),
    ({"DATABASE_URL": "mysql://u:p@h/db"}, "DATABASE_URL"),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
])  # fmt: skip
def test_an_insecure_or_wrong_start_is_refused_with_what_to_set(tmp_path, environment, words):
    done = start(tmp_path, **(PRODUCTION | environment))
    assert done.returncode != 0
    assert words in done.stderr.splitlines()[-1]


def test_a_secret_key_that_others_can_read_is_refused(tmp_path):
    (tmp_path / "secret_key").write_text("x" * 60)
    (tmp_path / "secret_key").chmod(0o644)
    assert "chmod 600" in start(tmp_path).stderr


def test_a_secret_key_whose_writing_was_cut_off_is_refused(tmp_path):
    (tmp_path / "secret_key").touch(mode=0o600)
    assert "is empty: remove it" in start(tmp_path).stderr


def test_a_secret_key_is_made_once(tmp_path):
    assert start(tmp_path).returncode == 0
    key = (tmp_path / "secret_key").read_text()
    assert start(tmp_path).returncode == 0
    assert (tmp_path / "secret_key").read_text() == key
    assert len(key) > 50
    assert not list(tmp_path.glob(".secret_key*"))


def test_an_address_of_the_network_needs_encryption(tmp_path):
    done = start(tmp_path, "up", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "unencrypted" in done.stderr


def test_healthz_says_at_once_that_lammps_is_gone(db, client, monkeypatch):
    assert client.get("/healthz").json()["engines"] == "ok"
    monkeypatch.setattr("campaigns.engines.lammps_environment.find_spec", lambda name: None)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert "LAMMPS is not installed in this environment: run the set-up again" in answer.json()["engines"]
