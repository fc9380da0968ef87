"""A session that ends while a form is filled in: after signing in again everything typed is there, in a real Chromium."""

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import expect

from campaigns.models import Campaign
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
    expect(page.get_by_role("status").first).to_contain_text("What you typed before you were signed out is back")
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


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_pages_of_people_fit(open_page, root, width, dark):  # noqa: F811
    from campaigns.services import projects, sharing

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
