"""The API: what a program can do, and who may."""

import io
import zipfile

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from campaigns.models import Campaign, Material, TrainedModel
from campaigns.services import materials
from tests import factories

CIF = (materials._CIFS / "li3n_P6mmm.cif").read_text()
# name: methods, arguments; GET is 200 for the owner. Somebody else: 404, nobody: 401.
OWN = {
    "material-detail": ("get", ["material"]),
    "material-cif": ("get", ["material"]),
    "campaign-detail": ("get", ["campaign"]),
    "campaign-result": ("get", ["campaign"]),
    "campaign-data-set": ("get", ["campaign"]),
    "campaign-archive": ("get", ["campaign"]),
    "stage-list": ("get", ["campaign"]),
    "frame-list": ("get", ["campaign"]),
    "campaign-model-list": ("get", ["campaign"]),
    "model-detail": ("get", ["model"]),
    "model-package": ("get", ["model"]),
    "campaign-start": ("post", ["campaign"]),
    "campaign-pause": ("post", ["campaign"]),
    "campaign-resume": ("post", ["campaign"]),
    "campaign-retry": ("post", ["campaign"]),
    "campaign-cancel": ("post", ["campaign"]),
}
ANYBODY_SIGNED_IN = {"material-list", "campaign-list", "schema", "docs"}


def program(user):
    """A client with a token and no cookie; strict about CSRF, as the world is."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {AuthToken.objects.create(user)[1]}"})


@pytest.fixture
def api(ada):
    return program(ada)


def post(api, name, document=None, *arguments, **headers):
    return api.post(reverse(f"api:{name}", args=arguments), document or {}, content_type="application/json", headers=headers)


def test_every_address_is_in_the_table():
    from campaigns.api.urls import urlpatterns

    assert {pattern.name for pattern in urlpatterns} == {*OWN, *ANYBODY_SIGNED_IN}


def test_what_is_not_ones_own_is_not_there(full, ada, bob, root):
    places = {"campaign": full.pk, "material": full.cells.first().material_id, "model": TrainedModel.objects.last().pk}
    owner, administrator, other, nobody = program(ada), program(root), program(bob), Client()
    for name, (method, arguments) in OWN.items():
        address = reverse(f"api:{name}", args=[places[argument] for argument in arguments])
        assert (name, getattr(nobody, method)(address).status_code) == (name, 401)
        assert (name, getattr(other, method)(address).status_code) == (name, 404)
        wrong = "post" if method == "get" else "get"
        assert (name, getattr(owner, wrong)(address).status_code) == (name, 405)
        if method == "get":
            for client in (owner, administrator):
                response = client.get(address)
                assert (name, response.status_code) == (name, 200)
                if response.streaming:
                    list(response.streaming_content)  # a download holds its file open until it is read
    for name in ANYBODY_SIGNED_IN:
        assert (name, nobody.get(reverse(f"api:{name}")).status_code) == (name, 401)
        assert (name, other.get(reverse(f"api:{name}")).status_code) == (name, 200)
    assert other.get(reverse("api:campaign-list")).json()["count"] == 0


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
