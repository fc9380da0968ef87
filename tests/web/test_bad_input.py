"""Hostile names, two browsers at one draft, double clicks, links to what is gone: a clear answer each time, and nothing typed is lost."""

import csv
import html

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.enums import CampaignState
from campaigns.models import Activity, Campaign, Project
from campaigns.services import projects, sharing
from tests import factories
from tests.campaigns.services.test_data_sets import frames, upload
from tests.web.typed import typed_campaign

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)> & \"quoted\" 'so' {{ 7|add:7 }}"
RIGHT_TO_LEFT = "מוליך יונים \u202e סוף"
FORMULA = '=HYPERLINK("http://x";"y")'
NAMES = [MARKUP, RIGHT_TO_LEFT, FORMULA, "+1", "-1", "@sum", "x" * 200, "a" + "\u0301" * 100, "😀" * 50]
LONG = "n" * 4000


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_shown_as_it_was_typed_and_does_nothing(as_ada, ada, name):
    row = factories.full_campaign(ada, name=name, frames_per_step=4, n_steps=2, made_of=factories.material(ada, name=name))
    project = projects.create(ada, name)
    projects.move(row, project, ada)
    _, token = sharing.make_link(row, ada, name)
    places = [
        reverse("campaign-list"),
        reverse("campaign-overview", args=[row.pk]),
        reverse("campaign-people", args=[row.pk]),
        reverse("campaign-settings", args=[row.pk]),
        reverse("campaign-new") + f"?copy={row.pk}",
        reverse("material-list"),
        reverse("material-page", args=[row.cells.first().material_id]),
        reverse("compare") + f"?campaign={row.pk}",
        reverse("project-list"),
        reverse("project", args=[project.pk]),
        reverse("shared", args=[token]),
    ]
    for place in places:
        page = as_ada.get(place)
        assert (place, page.status_code) == (place, 200)
        text = page.content.decode()
        assert html.escape(name[:150]) in text, place
        if name == MARKUP:
            assert "<script>alert" not in text, place
            assert "<img src=x" not in text, place
            assert "{{ 7|add:7 }}" in text, place
    package = as_ada.get(reverse("campaign-setup", args=[row.pk]))
    assert package.status_code == 200
    assert b"".join(package.streaming_content).startswith(b"PK")


def test_a_table_of_hostile_names_is_safe_in_a_spreadsheet(as_ada, ada):
    rows = [factories.full_campaign(ada, name=name, frames_per_step=4, n_steps=2) for name in (FORMULA, "+1", "-1", "@sum", "\t=1")]
    query = "?" + "&".join(f"campaign={row.pk}" for row in rows)
    found = list(csv.DictReader(as_ada.get(reverse("compare-rows", args=["csv"]) + query).content.decode().splitlines()))
    assert [line["campaign"] for line in found] == [f"'{row.name}" for row in rows]


def test_a_name_of_4000_characters_is_refused_and_still_there(as_ada, ada):
    material = factories.material(ada)
    for address, sent in (
        (reverse("campaign-new"), typed_campaign(material, name=LONG)),
        (reverse("material-new"), {"name": LONG, "cif_text": "data_x"}),
        (reverse("project-list"), {"name": LONG}),
        (reverse("trajectory-list"), {"name": LONG}),
    ):
        page = as_ada.post(address, sent)
        assert (address, page.status_code) == (address, 422)
        assert "at most 200 characters (it has 4000)" in html.unescape(page.content.decode()), address
        assert LONG in page.content.decode(), address
    project = projects.create(ada, "short")
    page = as_ada.post(reverse("project-rename", args=[project.pk]), {"name": LONG}, follow=True)
    assert "The name has 4000 characters; at most 200 are possible." in page.content.decode()
    assert Project.objects.get().name == "short"
    assert not Campaign.objects.exists()


def test_the_second_of_two_browsers_is_told_and_loses_nothing(as_ada, ada):
    material = factories.material(ada)
    as_ada.post(reverse("campaign-new"), typed_campaign(material))
    row = Campaign.objects.get()
    project = projects.create(ada, "ours")
    projects.set_member(project, factories.user("eve").username, "member", ada)
    projects.move(row, project, ada)
    as_eve, address = Client(), reverse("campaign-edit", args=[row.pk])
    as_eve.force_login(factories.user("eve"))
    assert as_ada.get(address).context["version"] == as_eve.get(address).context["version"] == 0

    assert as_eve.post(address, typed_campaign(material, name="by eve", version=0)).status_code == 302
    mistyped = as_ada.post(address, typed_campaign(material, name="by ada", seed="x", version=0))
    assert (mistyped.status_code, mistyped.context["version"]) == (422, 0)  # a refused form is still about what was opened
    second = as_ada.post(address, typed_campaign(material, name="by ada", seed="77", version=0))
    assert second.status_code == 409
    text = second.content.decode()
    assert "eve has saved this draft" in text
    assert 'value="by ada"' in text
    assert 'value="77"' in text
    assert Campaign.objects.get().name == "by eve"

    assert as_ada.post(address, typed_campaign(material, name="by ada", version=second.context["version"])).status_code == 302
    assert Campaign.objects.get().name == "by ada"
    assert list(Activity.objects.filter(what="changed").values_list("who", flat=True)) == ["ada", "eve"]


def test_a_member_edits_a_draft_whose_data_set_he_did_not_upload(as_ada, ada, settings):
    material = factories.material(ada)
    token = "a" * 32
    row = factories.campaign(
        ada, state=CampaignState.DRAFT, s0_route="upload", s0_upload=f"uploads/{ada.pk}/{token}.extxyz", made_of=material
    )
    stored = settings.DATA_DIR / row.s0_upload
    stored.parent.mkdir(parents=True)
    stored.write_bytes(upload(frames(symbols="LiGePS")).read())
    project = projects.create(ada, "ours")
    projects.set_member(project, factories.user("eve").username, "member", ada)
    projects.move(row, project, ada)
    as_eve, address = Client(), reverse("campaign-edit", args=[row.pk])
    as_eve.force_login(factories.user("eve"))
    sent = typed_campaign(material, s0_route="upload", s0_upload=token, version=0, draft=row.pk)
    assert b"For all loops that the settings allow" in as_eve.post(reverse("campaign-new-estimate"), sent).content
    answer = as_eve.post(address, sent)
    assert answer.status_code == 302, [problem.text for problem in answer.context["problems"]]
    row.refresh_from_db()
    assert (row.name, row.s0_upload) == ("LGPS", f"uploads/{ada.pk}/{token}.extxyz")
    assert as_eve.post(reverse("campaign-new"), sent).status_code == 422  # for a campaign of her own she uploads her own


def test_two_clicks_on_start_start_once_and_say_so_once(as_ada, ada):
    row = factories.campaign(ada, state=CampaignState.DRAFT)
    address = reverse("campaign-start", args=[row.pk])
    assert [as_ada.post(address).status_code for _ in range(3)] == [302, 302, 302]
    page = as_ada.get(reverse("campaign-overview", args=[row.pk]))
    assert [str(message) for message in page.context["messages"]] == ["The campaign is started."]
    assert Activity.objects.filter(what="started").count() == 1
    assert row.stages.count() == 2  # prepare, of each cell


@pytest.mark.parametrize(
    ("address", "way_back"),
    [
        ("/campaigns/999999/", "campaign-list"),
        ("/campaigns/999999/results/", "campaign-list"),
        ("/materials/999999/", "material-list"),
        ("/trajectories/999999/", "trajectory-list"),
        ("/projects/999999/", "project-list"),
        ("/campaigns/99999999999999999999999/", "campaign-list"),
    ],
)
def test_a_link_to_something_deleted_leads_back(as_ada, address, way_back):
    page = as_ada.get(address)
    assert page.status_code == 404
    assert "It may have been deleted" in page.content.decode()
    assert f'href="{reverse(way_back)}"' in page.content.decode().split("<main")[1]


def test_a_form_that_outlived_its_session_is_shown_again_and_not_carried_out(as_ada, ada):
    material = factories.material(ada)
    typed = typed_campaign(material, name="typed before", seed="x") | {"restored-form": "1"}
    page = as_ada.post(reverse("campaign-new"), typed)
    assert page.status_code == 200
    assert 'value="typed before"' in page.content.decode()
    assert "What you typed is back" in page.content.decode()
    assert not Campaign.objects.exists()
    row = factories.campaign(ada, state=CampaignState.DRAFT, made_of=material)
    page = as_ada.post(reverse("campaign-edit", args=[row.pk]), typed | {"version": 0})
    assert 'value="typed before"' in page.content.decode()
    assert Campaign.objects.get().name == row.name


def test_a_stale_token_of_a_form_says_that_nothing_is_lost(ada):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    page = client.post(reverse("campaign-new"), {"name": "x"})
    assert page.status_code == 403
    assert "What you typed is kept" in page.content.decode()
