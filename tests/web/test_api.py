"""The API: what a program can do."""

import io
import zipfile

import numpy as np
import pytest
from ase.io import write
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken
from rest_framework.throttling import UserRateThrottle

from campaigns.api.parts import DataSetView
from campaigns.models import Campaign, Material
from campaigns.science.data_set_formats import labelled_atoms
from campaigns.services import materials
from tests import factories
from tests.factories import some_frames
from tests.web.programs import at, post

CIF = (materials._CIFS / "li3n_P6mmm.cif").read_text()


def test_the_last_owner_stays(api, ada):
    project = post(api, "project-list", {"name": "mine"}).json()
    refused = api.delete(at("project-member", project["id"], project["members"][0]["id"]))
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert "needs an owner" in refused.json()["detail"]


def test_a_draft_is_replaced_unless_another_change_came_first(api, ada):
    draft = post(api, "campaign-list", {"material": "li3n"}).json()
    address = at("campaign-detail", draft["id"])
    changed = api.put(f"{address}?version=0", {"material": "li3n", "seed": 5}, content_type="application/json").json()
    assert (changed["seed"], changed["version"]) == (5, 1)
    refused = api.put(f"{address}?version=0", {"material": "li3n", "seed": 6}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "outdated")
    assert "ada has saved this draft" in refused.json()["detail"]
    assert Campaign.objects.get().seed == 5


def test_an_estimate_makes_no_campaign(api):
    found = post(api, "campaign-estimate", {"material": "li3n"}).json()
    assert found["labels"] > 0
    assert found["total_seconds_one_loop"] > 0
    assert not Campaign.objects.exists()


def test_a_data_set_becomes_s0(api):
    stream = io.StringIO()
    structures = [labelled_atoms(some_frames(3), row, {}) for row in range(3)]
    write(stream, structures, format="extxyz")
    file = SimpleUploadedFile("set.extxyz", stream.getvalue().encode())
    kept = api.post(at("data-set-list"), {"file": file, "elements": "Li Ge P S"})
    assert kept.status_code == 201
    assert kept.json()["found"]["n_frames"] == 3
    s0 = {"upload": kept.json()["token"], "format": "extxyz"}
    made = post(api, "campaign-list", {"material": "lgps", "s0": s0})
    assert (made.status_code, made.json()["s0_route"]) == (201, "upload")


def test_an_upload_that_is_too_large_is_refused_by_what_it_says_of_itself(api, monkeypatch):
    monkeypatch.setattr(DataSetView, "max_upload_bytes", 1000)
    file = SimpleUploadedFile("set.extxyz", b"x" * 300_000)
    refused = api.post(at("data-set-list"), {"file": file})
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_a_trajectory_is_brought_and_judged(api, ada):
    random = np.random.default_rng(1)
    steps = np.cumsum(random.normal(0, 0.2, (60, 4, 3)), axis=0)
    text = "".join(
        '4\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3\n' + "".join(f"Li {x:.4f} {y:.4f} {z:.4f}\n" for x, y, z in frame)
        for frame in steps
    )
    file = SimpleUploadedFile("run.xyz", text.encode())
    made = api.post(at("trajectoryanalysis-list"), {"files": [file], "mobile_ion": "Li", "temperature_K": 700, "frame_interval_fs": 100})
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    assert api.get(at("trajectoryanalysis-msd", made.json()["id"])).json() == []
    refused = api.post(at("trajectoryanalysis-list"), {"mobile_ion": "Li", "temperature_K": 700})
    assert refused.status_code == 400
    assert set(refused.json()["fields"]) == {"files"}


def test_campaigns_side_by_side(api, full, bob):
    theirs = factories.full_campaign(bob, frames_per_step=4)
    found = api.get(at("compare"), {"campaign": [full.pk, theirs.pk], "temperature_K": 700}).json()
    (row,) = found["campaigns"]
    assert (row["campaign_id"], row["temperature_K"]) == (full.pk, 700)
    assert row["activation_energy_eV"] == pytest.approx(api.get(at("fit-list", full.pk)).json()["results"][-1]["activation_energy_eV"])
    assert found["published"]
    assert api.get(at("compare"), {"temperature_K": "warm"}).status_code == 400


def test_a_run_with_its_displacement(api, full):
    runs = api.get(at("run-list", full.pk), {"purpose": "evaluate"}).json()["results"]
    judged = next(run for run in runs if run["verdict"] == "diffusive")
    assert judged["diffusivity_cm2_s"] > 0
    curves = api.get(at("one-run-msd", judged["id"])).json()
    assert curves[0]["species"] == "Li"
    assert len(curves[0]["t_ps"]) == len(curves[0]["msd_A2"]) == 200


def test_who_asks_too_often_is_told_to_wait(api, monkeypatch):
    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "2/min"})
    cache.clear()
    answers = [api.get(at("campaign-list")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].json()["code"] == "throttled"
    cache.clear()


def test_what_was_done_is_in_the_log(api, ada):
    campaign = post(api, "campaign-list", {"material": "li3n"}).json()["id"]
    post(api, "campaign-start", None, campaign)
    list(api.get(at("campaign-setup", campaign)).streaming_content)
    lines = api.get(at("activity-list", campaign)).json()["results"]
    assert [(line["who"], line["what"]) for line in lines] == [("ada", "exported"), ("ada", "started"), ("ada", "created")]


def test_from_a_cif_to_a_started_campaign(api, ada):
    material = post(api, "material-list", {"cif": CIF, "name": "my nitride"})
    assert material.status_code == 201
    assert (material.json()["reduced_formula"], material.json()["mobile_ion"]) == ("Li3N", "Li")
    assert api.get(reverse("api:material-cif", args=[material.json()["id"]])).content.decode() == CIF

    document = {"material": material.json()["id"], "name": "by a program", "preset": "quick", "protocol": {"max_loops": 1}, "seed": 7}
    first = post(api, "campaign-list", document, **{"Idempotency-Key": "monday"})
    again = post(api, "campaign-list", document, **{"Idempotency-Key": "monday"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    campaign = Campaign.objects.get()
    assert (campaign.owner, campaign.settings.max_loops, campaign.seed) == (ada, 1, 7)
    assert post(api, "campaign-list", document).json()["id"] != campaign.pk

    started = post(api, "campaign-start", None, campaign.pk)
    assert (started.status_code, started.json()["state"]) == (200, "running")
    refused = post(api, "campaign-start", None, campaign.pk)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    stages = api.get(reverse("api:stage-list", args=[campaign.pk])).json()["results"]
    assert {stage["kind"] for stage in stages} == {"prepare"}
    assert post(api, "campaign-cancel", None, campaign.pk).json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "names no material"),
        ([1], "must hold keys"),
        ({"material": 999}, "neither the number"),
        ({"material": "/etc/passwd"}, "neither the number"),
        ({"material": True}, "neither the number"),
        ({"material": "li3n", "colour": "red"}, "unknown key colour"),
        ({"material": "li3n", "protocol": {"ramp_T_min_K": 900, "ramp_T_max_K": 300}}, "ramp_T"),
        ({"material": "li3n", "s0": {"path": "/etc/passwd"}}, "unknown key path"),
        ({"material": "li3n", "s0": {"upload": "../../etc/passwd"}}, "upload it again"),
        ({"material": "li3n", "labeller": "oracle"}, "must be one of"),
        ({"material": "li3n", "cells": [{"supercell": "many"}]}, "three whole numbers"),
        ({"material": "li3n", "seed": "x"}, "seed must be a whole number"),
    ],
)
def test_bad_input_is_said_and_nothing_is_made(api, document, words):
    response = post(api, "campaign-list", document)
    assert response.status_code == 400
    assert words in str(response.json())
    assert not Campaign.objects.exists()


def test_somebody_elses_material_is_not_there(api, bob):
    theirs = factories.material(bob)
    assert post(api, "campaign-list", {"material": theirs.pk}).status_code == 400


@pytest.mark.parametrize("document", [{"cif": "not a cif"}, {"cif": ""}, {"cif": 5}, {}, {"name": "x"}])
def test_a_cif_that_cannot_be_read_is_refused(api, document):
    assert post(api, "material-list", document).status_code == 400
    assert not Material.objects.exists()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert post(api, "material-list", {"cif": "x" * 2000}).status_code == 413


def test_lists_are_paged_and_filtered(api, full):
    address = reverse("api:frame-list", args=[full.pk])
    page = api.get(address, {"page_size": 5}).json()
    assert (len(page["results"]), page["count"]) == (5, full.frames.count())
    kept = api.get(address, {"verdict": "rejected"}).json()
    assert {row["verdict"] for row in kept["results"]} == {"rejected"}
    assert api.get(address, {"verdict": "nonsense"}).status_code == 400


def test_what_has_not_changed_is_not_sent_again(api, full):
    address = reverse("api:stage-list", args=[full.pk])
    tag = api.get(address).headers["ETag"]
    assert api.get(address, headers={"If-None-Match": tag}).status_code == 304


def test_a_data_set_in_the_format_asked_for(api, full):
    response = api.get(reverse("api:campaign-data-set", args=[full.pk]), {"format": "extxyz"})
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert any(name.endswith("data/data-set.extxyz") for name in archive.namelist())
    assert api.get(reverse("api:campaign-data-set", args=[full.pk]), {"format": "pickle"}).status_code == 400


@pytest.mark.parametrize("name", ["campaign-list", "material-list"])
def test_a_list_asks_as_often_for_three_rows_as_for_one(api, ada, name):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for _ in range(2):
        factories.campaign(ada)
        with CaptureQueriesContext(connection) as asked:
            assert api.get(reverse(f"api:{name}")).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_schema_describes_every_answer(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))


def test_a_token_is_shown_once_and_can_be_withdrawn(as_ada, ada, bob):
    page = as_ada.post(reverse("token-list"))
    made = page.context["made"]
    assert made in page.content.decode()
    assert made not in as_ada.get(reverse("token-list")).content.decode()
    digest = AuthToken.objects.get(user=ada).digest
    assert made not in digest
    with_it = Client(headers={"Authorization": f"Token {made}"})
    assert with_it.get(reverse("api:campaign-list")).status_code == 200
    other = Client()
    other.force_login(bob)
    assert other.post(reverse("token-withdraw", args=[digest])).status_code == 404
    assert as_ada.post(reverse("token-withdraw", args=[digest])).status_code == 302
    assert with_it.get(reverse("api:campaign-list")).status_code == 401
