"""A session that ends while a form is filled in: after signing in again everything typed is there, in a real Chromium."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.template.loader import render_to_string
from django.urls import reverse
from playwright.sync_api import expect

from campaigns.models import Campaign
from campaigns.services import projects
from tests import factories
from tests.web import test_browser
from tests.web.test_browser import browser, open_page, open_step  # noqa: F401 - fixtures

pytestmark = test_browser.pytestmark


def _sign_in(page, name="ada"):
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("an interstitial ion")
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def page(open_page, ada):  # noqa: F811
    return open_page(ada)


def _fill_in_a_campaign(page, material):
    page.goto(reverse("campaign-new") + f"?material={material.pk}")
    page.get_by_role("button", name="Add a cell").click()
    expect(page.locator(".cell-row")).to_have_count(3)
    page.get_by_label("Name of the campaign").fill("typed before")
    page.get_by_label("Name of the campaign").blur()
    open_step(page, 3)
    page.get_by_label("standard").check()
    expect(page.locator("#id_n_batches_first")).to_have_value("60000")
    page.get_by_label("Training loops at most").fill("2")
    page.get_by_label("Training loops at most").blur()
    open_step(page, 4)
    page.get_by_text("For all loops that the settings allow").wait_for()


def _expect_it_all_back(page):
    expect(page.get_by_role("status").first).to_contain_text("What you typed is back")
    expect(page.get_by_label("Name of the campaign")).to_have_value("typed before")
    expect(page.locator(".cell-row")).to_have_count(3)
    expect(page.get_by_label("standard")).to_be_checked()
    expect(page.locator("#id_n_batches_first")).to_have_value("60000")
    expect(page.get_by_label("Training loops at most")).to_have_value("2")


def test_a_campaign_that_is_sent_without_a_session_is_back_after_signing_in(page, ada):
    _fill_in_a_campaign(page, factories.material(ada))
    page.wait_for_load_state("networkidle")
    Session.objects.all().delete()
    page.get_by_role("button", name="Create as a draft").click()
    _sign_in(page)
    _expect_it_all_back(page)
    assert not Campaign.objects.exists()
    page.locator(".cell-row").nth(2).get_by_role("button", name="Remove").click()
    open_step(page, 4)
    page.get_by_role("button", name="Create as a draft").click()
    page.get_by_role("button", name="Start").wait_for()
    made = Campaign.objects.get()
    assert (made.name, made.preset, made.changes) == ("typed before", "standard", {"max_loops": 2})
    page.goto(reverse("campaign-new") + f"?material={made.cells.first().material_id}")  # done: nothing comes back again
    expect(page.get_by_label("Name of the campaign")).to_have_value("LGPS, quick")


def test_a_part_of_a_page_without_a_session_says_so_and_leads_back(page, ada):
    _fill_in_a_campaign(page, factories.material(ada))
    page.wait_for_load_state("networkidle")
    Session.objects.all().delete()
    open_step(page, 3)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").blur()
    expect(page.locator("#signed-out")).to_contain_text("Your session has ended")
    expect(page.locator("h1")).to_have_count(1)  # no sign-in page within the page
    page.get_by_role("link", name="Sign in again").click()
    _sign_in(page)
    _expect_it_all_back(page)
    expect(page.get_by_label("Seed")).to_have_value("7")


def test_a_pasted_cif_is_back_too(page):
    page.goto(reverse("material-new"))
    page.get_by_label("or paste its text").fill("data_typed\n_cell_length_a 1")
    page.get_by_label("Name").fill("typed before")
    Session.objects.all().delete()
    page.get_by_role("button", name="Read it").click()
    _sign_in(page)
    expect(page.get_by_label("or paste its text")).to_have_value("data_typed\n_cell_length_a 1")
    expect(page.get_by_label("Name")).to_have_value("typed before")
    expect(page.get_by_role("status")).to_contain_text("Choose the files again")


def test_what_one_has_typed_is_not_shown_to_another(page, bob):
    page.goto(reverse("material-new"))
    page.get_by_label("Name").fill("a secret of ada")
    page.get_by_label("or paste its text").fill("data_secret")
    Session.objects.all().delete()
    page.get_by_role("button", name="Read it").click()
    _sign_in(page, "bob")
    page.get_by_role("heading", name="Add a material").wait_for()
    expect(page.get_by_label("Name")).to_have_value("")
    assert "secret" not in page.evaluate("Object.values(sessionStorage).join()")


def test_a_form_with_an_address_of_its_own_leads_back_to_its_page(page, ada):
    frame = factories.full_campaign(ada, frames_per_step=4).frames.exclude(verdict="unlabelled").first()
    page.goto(reverse("configuration", args=[frame.pk]))
    page.get_by_label("Why").fill("a long considered reason")
    Session.objects.all().delete()
    page.get_by_role("button", name="it", exact=False).first.click()
    _sign_in(page)
    expect(page.get_by_label("Why")).to_have_value("a long considered reason")
    page.get_by_role("button", name="it", exact=False).first.click()
    page.get_by_text("The verdict is overruled").wait_for()
    expect(page.get_by_label("Why")).to_have_value("")  # done: nothing comes back again
    assert page.evaluate("Object.keys(sessionStorage).filter(key => key.startsWith('kept:'))") == []


def test_two_forms_of_one_page_are_both_back(page, ada):
    project = projects.create(ada, "before")
    page.goto(reverse("project", args=[project.pk]))
    page.get_by_text("Rename the project").click()
    page.get_by_label("Name", exact=True).fill("typed before")
    page.get_by_label("Name of the account").fill("bob")
    page.get_by_label("Name of the account").blur()
    Session.objects.all().delete()
    page.get_by_role("button", name="Rename").click()
    _sign_in(page)
    expect(page.get_by_label("Name", exact=True)).to_have_value("typed before")
    expect(page.get_by_label("Name of the account")).to_have_value("bob")


def test_what_was_typed_beside_a_file_that_is_too_large_is_back(page):
    page.goto(reverse("material-new"))
    page.get_by_label("Name").fill("typed before")
    page.set_input_files("#id_cif_file", files=[{"name": "big.cif", "mimeType": "text/plain", "buffer": b"x" * 1_500_000}])
    page.get_by_role("button", name="Read it").click()
    page.get_by_role("link", name="Back, to choose another file").click()
    expect(page.get_by_label("Name")).to_have_value("typed before")


@pytest.mark.parametrize("name", ["500.html", "503.html"])
def test_pages_of_trouble_know_that_the_form_was_not_done(name):
    text = render_to_string(name)
    assert "data-not-done" in text
    assert '<script src="/static/js/keep.js" defer>' in text


def test_the_way_back_is_a_page_of_this_site(client, full):
    address = reverse("campaign-start", args=[full.pk])
    for said, leads in [
        ("http://testserver/campaigns/3/?a=1&b=2", "/campaigns/3/?a=1&b=2"),
        ("https://elsewhere.org/campaigns/3/", address),
        ("", address),
    ]:
        turned_away = client.post(address, headers={"Referer": said})
        assert parse_qs(urlsplit(turned_away.url).query) == {"next": [leads]}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_pages_of_people_fit(open_page, root, width, dark):  # noqa: F811
    from campaigns.services import sharing

    row = factories.full_campaign(root, name="n" * 200, frames_per_step=4)
    project = projects.create(root, "p" * 200)
    projects.set_member(project, factories.user("ada").username, "viewer", root)
    projects.move(row, project, root)
    _, token = sharing.make_link(row, root, "for the group meeting")
    page = open_page(root, width=width, dark=dark)
    places = [
        reverse("project-list"),
        reverse("project", args=[project.pk]),
        reverse("campaign-people", args=[row.pk]),
        reverse("account-list"),
        reverse("account"),
        reverse("change-password"),
        reverse("campaign-list"),
        reverse("material-list"),
        reverse("shared", args=[token]),
    ]
    for place in places:
        assert page.goto(place).status == 200
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
