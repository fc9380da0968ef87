"""Requests of programs: carried out once under a key, refused where what they mean to change has changed, never half understood."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from campaigns.api import once
from campaigns.models import Activity, Campaign, Project, RequestKey, SharedLink
from campaigns.services import projects
from tests import factories
from tests.web.programs import at, post, program

KEY = {"Idempotency-Key": "monday"}


def test_a_request_with_a_key_is_carried_out_once(api, ada, bob):
    first, again = (post(api, "project-list", {"name": "garnets"}, **KEY) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    other = post(api, "project-list", {"name": "sulfides"}, **KEY)
    assert (other.status_code, other.json()["code"]) == (422, "another_request")
    row = factories.campaign(ada)
    assert post(api, "link-list", {"name": "garnets"}, row.pk, **KEY).status_code == 422
    assert post(program(bob), "project-list", {"name": "garnets"}, **KEY).status_code == 201
    assert Project.objects.count() == 2


def test_what_is_told_once_is_not_kept(api, ada):
    row = factories.campaign(ada)
    first, again = (post(api, "link-list", {"note": "for the meeting"}, row.pk, **KEY).json() for _ in range(2))
    assert first.pop("address")
    assert again == first
    assert SharedLink.objects.count() == 1
    assert "address" not in RequestKey.objects.get().answer


def test_a_refused_request_leaves_its_key_free_and_one_under_way_is_not_begun_again(api, ada):
    assert post(api, "project-list", {"name": ""}, **KEY).status_code == 400
    assert post(api, "project-list", {"name": "garnets"}, **KEY).status_code == 201
    RequestKey.objects.update(status=None, answer=None)
    assert post(api, "project-list", {"name": "garnets"}, **KEY).json()["code"] == "under_way"
    RequestKey.objects.update(at=timezone.now() - timedelta(hours=2))  # its process was killed
    assert post(api, "project-list", {"name": "garnets"}, **KEY).status_code == 201


def test_of_an_upload_every_byte_counts(rf, ada):
    def digest(text):
        sent = rf.post("/api/v1/data-sets/", {"format": "extxyz", "file": SimpleUploadedFile("set.xyz", text)})
        return once.digest(Request(sent, parsers=[MultiPartParser()]))

    assert digest(b"2\n") == digest(b"2\n") != digest(b"3\n")


def test_what_has_changed_is_not_replaced(api, ada):
    row = projects.create(ada, "garnets")
    address = at("project-detail", row.pk)
    tag = api.get(address).headers["ETag"]

    def rename(name, **headers):
        return api.put(address, {"name": name}, content_type="application/json", headers=headers)

    refused = rename("sulfides", **{"If-Match": '"wrong"'})
    assert (refused.status_code, refused.json()["code"]) == (412, "changed")
    assert rename("sulfides", **{"If-Match": f'"other", W/{tag}'}).status_code == 200
    assert rename("oxides", **{"If-Match": tag}).status_code == 412
    assert rename("oxides", **{"If-Match": "*"}).status_code == 200
    assert api.delete(address, headers={"If-Match": tag}).status_code == 412
    assert rename("oxides", **{"If-Match": api.get(address).headers["ETag"]}).status_code == 200


@pytest.mark.parametrize(
    ("name", "arguments", "query"),
    [
        ("campaign-list", [], "ordering=name"),
        ("material-list", [], "elements=Li"),
        ("frame-list", ["campaign"], "colour=red"),
        ("campaign-data-set", ["campaign"], "rule=none"),
    ],
)
def test_a_parameter_that_is_not_read_is_refused(api, ada, name, arguments, query):
    row = factories.campaign(ada)
    refused = api.get(f"{at(name, *[row.pk for _ in arguments])}?{query}")
    assert (refused.status_code, list(refused.json()["fields"])) == (400, [query.partition("=")[0]])


def test_configurations_are_overruled_filtered_and_sorted(api, full):
    frame = full.frames.filter(verdict="kept").first()
    made = post(api, "configuration-overrule", {"verdict": "rejected", "reason": "a broken bond"}, frame.pk)
    assert (made.status_code, made.json()["by_name"]) == (201, "ada")
    again = post(api, "configuration-overrule", {"verdict": "rejected", "reason": "twice"}, frame.pk)
    assert again.status_code == 409
    found = api.get(at("frame-list", full.pk) + "?overruled=rejected").json()["results"]
    assert [one["id"] for one in found] == [frame.pk]
    told = api.get(at("configuration-history", frame.pk)).json()["overrulings"]
    assert [(one["verdict"], one["reason"]) for one in told] == [("rejected", "a broken bond")]
    assert post(api, "configuration-overrule", {"verdict": "", "reason": "it was real"}, frame.pk).status_code == 201
    energies = [one["energy_eV_atom"] for one in api.get(at("frame-list", full.pk) + "?ordering=-energy_eV_atom").json()["results"]]
    known = [energy for energy in energies if energy is not None]
    assert known == sorted(known, reverse=True)
    units = {(one["rule"], one["number_of"]) for one in api.get(at("frame-list", full.pk)).json()["results"]}
    assert ("", "energy_eV_atom") in units


def test_cost_and_learning_curve(api, full):
    ledger = api.get(at("campaign-cost", full.pk)).json()
    assert sum(row["n_stages"] for row in ledger) == full.stages.filter(state="done").count() > 0
    curve = api.get(at("model-learning-curve", full.trained_models.last().pk)).json()
    assert len(curve["step"]) > 1


def test_what_describes_a_campaign_makes_it_again(api, ada):
    project = projects.create(ada, "garnets")
    made = post(api, "campaign-list", {"material": "li3n", "protocol": {"max_loops": 1}, "project": project.pk}).json()
    assert made["project"] == project.pk
    document = api.get(at("campaign-document", made["id"])).json()
    again = post(api, "campaign-list", document).json()
    assert api.get(at("campaign-document", again["id"])).json() == document
    changed = api.put(at("campaign-detail", made["id"]), json.dumps(document | {"name": "other"}), content_type="application/json")
    assert (changed.status_code, changed.json()["name"]) == (200, "other")
    assert post(api, "campaign-list", document | {"project": 10**6}).status_code in (400, 404)


def test_no_text_with_a_nul_is_kept(api, as_ada, ada):
    nul = "a\x00b"
    assert list(post(api, "campaign-list", {"material": "li3n", "name": nul}).json()["fields"]) == ["name"]
    options = {"material": "li3n", "labeller": {"name": "lammps", "pair_style": nul}}
    assert "labeller_options" in post(api, "campaign-list", options).json()["fields"]
    assert not Campaign.objects.exists()
    row, project = factories.full_campaign(ada), projects.create(ada, "garnets")
    frame = row.frames.filter(verdict="kept").first()
    as_ada.post(reverse("configuration-overrule", args=[frame.pk]), {"verdict": "rejected", "reason": nul})
    as_ada.post(reverse("campaign-link-new", args=[row.pk]), {"note": nul})
    as_ada.post(reverse("project-rename", args=[project.pk]), {"name": nul})
    assert not frame.overrulings.exists()
    assert not row.shared_links.exists()
    project.refresh_from_db()
    assert project.name == "garnets"
    assert as_ada.get(reverse("material-list") + "?q=%00").status_code == 200


def test_what_leaves_and_what_comes_in_is_in_the_log(as_ada, ada):
    row = factories.full_campaign(ada)
    for name in ("campaign-archive", "campaign-dpgen"):
        list(as_ada.get(reverse(name, args=[row.pk])).streaming_content)
    told = Activity.objects.filter(campaign=row, what="exported").values_list("detail", flat=True)
    assert list(told) == ["run folder of DP-GEN", "archive"]
    as_ada.post(reverse("material-example", args=["li3n"]))
    assert Activity.objects.filter(kind="material", what="created").count() == 1
