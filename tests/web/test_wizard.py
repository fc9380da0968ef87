"""The four steps in which a campaign is set up, in a real Chromium: one at a time, with an address each, by keyboard alone; and all of
them one below another where scripts do not run.
"""

import os
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from campaigns.models import Campaign
from tests import factories
from tests.web import test_browser
from tests.web.test_browser import browser, open_page, open_step, violations  # noqa: F401 - fixtures

pytestmark = test_browser.pytestmark
NAMES = ["1. Structure", "2. Reference method and S0", "3. Protocol", "4. Review"]


@pytest.fixture
def address(ada):
    return reverse("campaign-new") + f"?material={factories.material(ada).pk}"


def _shown(page):
    return page.locator("[data-step] > h2:visible").all_inner_texts()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_every_step_fits_and_is_accessible(open_page, ada, address, width, dark):  # noqa: F811
    page = open_page(ada, width=width, dark=dark)
    page.goto(address)
    for number, name in enumerate(NAMES, start=1):
        open_step(page, number)
        assert _shown(page) == [name]
        if number == len(NAMES):
            page.get_by_text("For all loops that the settings allow").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert violations(page) == [], name
        if folder := os.environ.get("SSEWEB_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"step-{number}-{width}-{'dark' if dark else 'light'}.png", full_page=True)


def test_the_keyboard_alone_sets_up_a_campaign(open_page, ada, address):  # noqa: F811
    page = open_page(ada)
    page.goto(address)
    page.locator("#id_name").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("typed")
    page.keyboard.press("Enter")  # leads on, and makes nothing
    expect(page.get_by_role("heading", name=NAMES[1])).to_be_focused()
    _tab_to(page, "Next")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=NAMES[2])).to_be_focused()
    _tab_to(page, "Back")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=NAMES[1])).to_be_focused()
    page.go_back()  # Alt+Left is the browser's, which has no window here
    expect(page.get_by_role("heading", name=NAMES[2])).to_be_focused()
    _tab_to(page, "Next")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=NAMES[3])).to_be_focused()
    page.get_by_text("For all loops that the settings allow").wait_for()
    page.wait_for_load_state("networkidle")
    assert not Campaign.objects.exists()
    _tab_to(page, "Create as a draft")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start").wait_for()
    assert Campaign.objects.get().name == "typed"
    assert page.url.endswith(reverse("campaign-overview", args=[Campaign.objects.get().pk]))


def _tab_to(page, words):
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == words:
            return
    raise AssertionError(f"{words} is not reached by Tab")


def test_each_step_has_an_address_and_the_way_back(open_page, ada, address):  # noqa: F811
    page = open_page(ada)
    page.goto(address + "#step-3")
    assert _shown(page) == [NAMES[2]]
    page.goto(address)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#step-2")).to_be_visible()
    assert page.url.endswith("#step-2")
    expect(page.get_by_role("link", name=NAMES[1])).to_have_attribute("aria-current", "step")
    page.go_back()
    expect(page.locator("#step-1")).to_be_visible()
    page.go_forward()
    expect(page.locator("#step-2")).to_be_visible()


def test_a_step_left_behind_says_how_many_problems_it_has_and_they_lead_to_it(open_page, ada, address):  # noqa: F811
    page = open_page(ada)
    page.goto(address)
    steps = page.get_by_role("navigation", name="Steps")
    page.get_by_label("Name of the campaign").fill("")
    open_step(page, 3)
    expect(steps.get_by_role("link", name=NAMES[0])).to_have_text(f"{NAMES[0]} 1 problem")
    page.get_by_label("Training loops at most").fill("0")
    expect(steps).not_to_contain_text("2 problems")
    open_step(page, 4)
    expect(steps.get_by_role("link", name=NAMES[2])).to_contain_text("1 problem")
    page.get_by_role("button", name="Create as a draft").click()
    expect(page.locator("#problems")).to_be_focused()
    expect(page.locator("#step-1")).to_be_visible()  # that of the first problem
    page.locator("#problems").get_by_text("Training loops at most").click()
    expect(page.get_by_label("Training loops at most")).to_be_focused()
    page.go_back()
    page.get_by_label("Name of the campaign").fill("mended")
    page.get_by_label("Name of the campaign").blur()
    expect(steps.get_by_role("link", name=NAMES[0])).to_have_text(NAMES[0])
    expect(steps.get_by_role("link", name=NAMES[2])).to_contain_text("1 problem")


def test_the_review_repeats_what_was_chosen_and_leads_back(open_page, ada, address):  # noqa: F811
    page = open_page(ada)
    page.goto(address + "#step-3")
    page.get_by_label("Training loops at most").fill("7")
    open_step(page, 4)
    review = page.locator("#step-4")
    for words in ("LGPS, 2 × 2 × 1, 201 atoms", "evaluate D in it", "Li (+1), proposed", "CHGNet", "quick: 2", "core-hours", "MD steps"):
        expect(review.get_by_text(words).first).to_be_visible()
    review.get_by_role("link", name="Change Protocol").click()
    expect(page.get_by_role("heading", name=NAMES[2])).to_be_focused()


def test_without_scripts_all_steps_stand_one_below_another(open_page, ada, address):  # noqa: F811
    page = open_page(ada, scripts=False)
    page.goto(address)
    assert _shown(page) == NAMES
    assert page.get_by_role("link", name="Next").count() == 0
    page.get_by_label("Name of the campaign").fill("plain")
    page.get_by_role("button", name="Create as a draft").click()
    page.get_by_role("button", name="Start").wait_for()
    assert Campaign.objects.get().name == "plain"


def test_an_existing_data_set_can_be_uploaded_as_soon_as_it_is_chosen(open_page, ada, address):  # noqa: F811
    page = open_page(ada)
    page.goto(address)
    open_step(page, 2)
    expect(page.locator("#data_set")).to_be_hidden()
    page.locator("input[name='s0_route'][value='upload']").check()
    expect(page.locator("#data_set")).to_be_visible()
