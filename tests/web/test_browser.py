"""The pages in a real Chromium: they draw, poll and hold together under the content security policy, light and dark, wide and narrow."""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from analysis.models import TrajectoryAnalysis
from campaigns.enums import CampaignState, StageState
from campaigns.models import Campaign
from tests import factories
from tests.web.test_trajectories import timed_xyz

CHROMIUM = Path("/usr/bin/chromium")
# WebGL in software, for the structures.
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# What software WebGL says of itself, and Chromium of every form and file that is refused.
HARMLESS = ("GL Driver Message", "GPU stall", "WebGL: ", "422 (Unprocessable", "413 (")

# A shared machine may be slow: patience is no assertion.
expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    # Playwright's synchronous interface runs an event loop in this thread, where Django suspects asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def open_page(browser, live_server, client):
    """Opens pages for a signed-in user; at the end no page may have said anything on its console."""
    said, contexts = [], []

    def make(user=None, *, width=1280, dark=False, scripts=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            base_url=live_server.url,
            java_script_enabled=scripts,
        )
        contexts.append(context)
        if user:
            client.force_login(user)
            context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
        page.on("console", lambda line: said.append(f"{page.url}: {line.text}") if line.type in ("error", "warning") else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert [line for line in said if not any(word in line for word in HARMLESS)] == []


def open_step(page, number):
    """One of the four in which a campaign is set up."""
    page.get_by_role("navigation", name="Steps").get_by_role("link", name=f"{number}. ").click()
    page.locator(f"#step-{number}").wait_for()


def _tabs(row):
    return [reverse(f"campaign-{tab}", args=[row.pk]) for tab in ("overview", "results", "training-set", "models", "stages", "settings")]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_every_page_fits_and_says_nothing_on_the_console(open_page, ada, width, dark):
    row = factories.full_campaign(ada, frames_per_step=6)
    page = open_page(ada, width=width, dark=dark)
    places = [
        reverse("campaign-list"),
        reverse("material-list"),
        reverse("material-new"),
        reverse("compare") + f"?campaign={row.pk}",
        reverse("campaign-new") + f"?material={row.cells.first().material_id}",
        reverse("material-page", args=[row.cells.first().material_id]),
        reverse("configuration", args=[row.frames.first().pk]),
        reverse("model", args=[row.trained_models.last().pk]),
        reverse("stage", args=[row.stages.first().pk]),
        reverse("campaign-report", args=[row.pk]),
        reverse("campaign-parity", args=[row.pk]),
        reverse("campaign-people", args=[row.pk]),
        reverse("campaign-deletion", args=[row.pk]),
        reverse("stage", args=[row.frames.last().stage_id]),
        *map(reverse, ("trajectory-list", "project-list", "account", "token-list")),
        *_tabs(row),
    ]
    for place in places:
        assert page.goto(place).status == 200
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        assert violations(page) == [], place


def test_axe_core_would_say_so(open_page, ada):
    """A page that is spoilt on purpose, so that the silence above means something."""
    page = open_page(ada)
    page.goto(reverse("campaign-list"))
    page.evaluate("document.querySelector('h1').style.color = 'rgb(128, 128, 128)'; document.documentElement.removeAttribute('lang')")
    page.evaluate("document.querySelector('main').append(Object.assign(document.createElement('input'), {type: 'text'}))")
    assert {rule for rule, _ in violations(page)} >= {"html-has-lang", "label"}


def violations(page):
    """What axe-core finds against WCAG 2.2 A and AA and its own good practice: (rule, the first elements)."""
    return [(found["id"], [node["html"][:200] for node in found["nodes"][:5]]) for found in Axe().run(page).response["violations"]]


BEYOND_ITS_EDGE = "element => element.scrollWidth - element.clientWidth"


def test_what_decided_is_read_without_scrolling(open_page, ada):
    row = factories.full_campaign(ada, frames_per_step=6)
    row.frames.filter(rule="energy").update(rule="force", number=31.24, lower=-2.0, upper=17.5)
    page = open_page(ada)
    page.goto(reverse("campaign-training-set", args=[row.pk]))
    page.get_by_text("kept: up to 17.50 eV/Å").first.wait_for()
    assert page.get_by_role("region", name="Table: Configurations").evaluate(BEYOND_ITS_EDGE) <= 0


def test_the_cells_of_a_campaign_are_read_without_scrolling(open_page, ada):
    row = factories.campaign(ada, made_of=factories.material(ada, name="Li50.24La24Zr11.2Ta4.8O96"))
    row.cells.update(formula="Li50La24Zr11Ta5O96")
    page = open_page(ada)
    page.goto(reverse("campaign-overview", args=[row.pk]))
    assert page.get_by_role("region", name="Table: Cells").evaluate(BEYOND_ITS_EDGE) <= 0


def test_the_last_lines_of_a_log_are_in_sight(open_page, ada):
    row = factories.campaign(ada)
    factories.stage(row, state=StageState.RUNNING, log="".join(f"batch {100 * line}: force error 0.1 eV/Å\n" for line in range(40)))
    page = open_page(ada)
    page.goto(reverse("campaign-overview", args=[row.pk]))
    beyond = page.get_by_label("Last lines of the log").evaluate(
        "log => { const text = document.createRange(); text.selectNodeContents(log);"
        " return text.getBoundingClientRect().bottom - log.getBoundingClientRect().bottom; }"
    )
    assert beyond <= 0


def test_the_numbers_of_a_comparison_come_before_its_words_on_a_phone(open_page, ada):
    row = factories.full_campaign(ada, frames_per_step=4)
    page = open_page(ada, width=390)
    page.goto(reverse("compare") + f"?campaign={row.pk}&temperature_K=700")
    table = page.get_by_role("region", name="Table: Comparison")
    for heading in ("Ea", "D"):
        box = table.get_by_role("columnheader", name=heading).first.bounding_box()
        assert box["x"] + box["width"] <= 390


@pytest.mark.parametrize("width", [1280, 390])
def test_the_cost_of_a_draft_is_read_without_scrolling(open_page, ada, width):
    row = factories.campaign(ada, state=CampaignState.DRAFT)
    page = open_page(ada, width=width)
    page.goto(reverse("campaign-overview", args=[row.pk]))
    card = page.locator("#campaign-cost section").first
    card.get_by_text("reference machine of 2 cores").first.wait_for()
    assert card.evaluate(BEYOND_ITS_EDGE) <= 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_plots_and_structures_are_drawn(open_page, ada):
    row = factories.full_campaign(ada, frames_per_step=6, state=CampaignState.CONVERGED)
    page = open_page(ada)
    page.goto(reverse("campaign-results", args=[row.pk]))
    for plot in page.locator("[data-plot-url]").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".bk-Figure").wait_for()
    page.goto(reverse("material-page", args=[row.cells.first().material_id]))
    page.locator("[data-structure-url] canvas").wait_for()
    assert page.locator(".legend li").all_inner_texts() == ["Li: 69.1 % of Li1", "Ge: 51.5 % of Ge1", "P: 48.5 % of Ge1", "S"]


def test_a_plot_is_saved_as_vectors(open_page, ada):
    campaign = factories.full_campaign(ada, n_steps=2)
    page = open_page(ada)
    page.goto(reverse("campaign-results", args=[campaign.pk]))
    button = page.locator(".plot-save").first
    button.scroll_into_view_if_needed()
    with page.expect_download() as downloaded:
        button.click()
    text = downloaded.value.path().read_text()
    assert downloaded.value.suggested_filename == f"campaigns-{campaign.pk}-arrhenius.svg"
    assert text.startswith("<svg")
    assert "1000/T" in text  # words as words
    assert "<image" not in text  # and no picture in a vector's clothes
    expect(page.locator(".plot-offstage")).to_have_count(0)


def test_a_plot_is_saved_as_pixels_on_white(open_page, ada):
    campaign = factories.full_campaign(ada, n_steps=2)
    page = open_page(ada, dark=True)
    page.goto(reverse("campaign-results", args=[campaign.pk]))
    button = page.get_by_role("button", name="Save as PNG").first
    button.scroll_into_view_if_needed()
    with page.expect_download() as downloaded:
        button.click()
    assert downloaded.value.suggested_filename.endswith("arrhenius.png")
    with Image.open(downloaded.value.path()) as picture:
        assert picture.width == 1600  # 800 px wide out of sight, twice as fine
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
    assert max(colours)[1] == (255, 255, 255)
    assert len(colours) > 10
    expect(page.locator(".plot-offstage")).to_have_count(0)


def test_sign_in_look_and_sign_out(open_page, ada):
    row = factories.full_campaign(ada, frames_per_step=6)
    page = open_page()
    page.goto(reverse("campaign-overview", args=[row.pk]))
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("an interstitial ion")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("heading", level=1).inner_text() == row.name
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Sign in"


def test_set_up_a_campaign_from_a_material(open_page, ada):
    material = factories.material(ada)
    factories.material(ada, "Another")
    page = open_page(ada)
    page.goto(reverse("material-page", args=[material.pk]))
    page.get_by_role("link", name="New campaign with it").click()
    page.get_by_role("button", name="Add a cell").click()
    expect(page.locator(".cell-row")).to_have_count(3)
    page.locator(".cell-row").nth(2).get_by_role("button", name="Remove").click()
    page.get_by_label("Name of the campaign").fill("from the browser")
    open_step(page, 3)
    page.get_by_label("standard").check()
    expect(page.locator("#id_n_batches_first")).to_have_value("60000")
    page.get_by_label("Training loops at most").fill("2")
    open_step(page, 4)
    page.get_by_text("For all loops that the settings allow").wait_for()  # the estimate has come
    page.get_by_role("button", name="Create as a draft").click()
    page.get_by_role("button", name="Start").wait_for()
    made = Campaign.objects.get()
    assert (made.name, made.preset, made.changes, made.cells.count()) == ("from the browser", "standard", {"max_loops": 2}, 2)


def test_a_refused_form_leads_to_what_is_wrong(open_page, ada):
    material = factories.material(ada)
    page = open_page(ada)
    page.goto(reverse("campaign-new"))
    page.locator("#main-material").select_option(str(material.pk))
    expect(page.locator("#id_mobile_ion option")).to_have_count(4)
    open_step(page, 2)
    page.locator("#id_labeller").select_option("lammps")
    expect(page.locator("#id_labeller-elements")).to_have_value("Ge Li P S")
    # htmx binds what it has put in a moment later; nobody chooses a file so quickly.
    page.wait_for_function("document.querySelector('#potential_file')?.['htmx-internal-data']?.listenerInfos?.length > 0")
    page.set_input_files("#potential_file", files=[{"name": "Ge.sw", "mimeType": "text/plain", "buffer": b"Ge Ge Ge 1"}])
    page.get_by_role("button", name="Remove Ge.sw").wait_for()
    page.locator("#id_learning_rate_stop").evaluate("field => { field.value = '9'; }")  # it is folded away
    open_step(page, 4)
    page.get_by_role("button", name="Create as a draft").click()
    expect(page.locator("#problems")).to_be_focused()
    open_step(page, 2)
    expect(page.get_by_role("button", name="Remove Ge.sw")).to_be_visible()
    page.locator("#problems").get_by_text("Learning rate, end").click()
    expect(page.locator("#id_learning_rate_stop")).to_be_focused()
    expect(page.locator("#id_learning_rate_stop")).to_be_visible()


def test_the_estimate_is_asked_for_once_for_each_change(open_page, ada):
    page, asked = open_page(ada), []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/estimate/") else None)
    page.goto(reverse("campaign-new") + f"?material={factories.material(ada).pk}")
    open_step(page, 4)
    page.get_by_text("For all loops that the settings allow").wait_for()
    open_step(page, 3)
    page.wait_for_timeout(1200)  # twice the delay after a change
    assert len(asked) == 1
    page.get_by_label("Training loops at most").fill("0")
    page.get_by_label("Seed").focus()
    open_step(page, 4)
    page.get_by_text("The cost is estimated as soon as this is mended").wait_for()
    assert len(asked) == 2


def test_the_overview_follows_and_stops_at_the_end(open_page, ada):
    row = factories.full_campaign(ada, frames_per_step=6)
    page = open_page(ada)
    page.goto(reverse("campaign-overview", args=[row.pk]))
    assert page.get_by_role("button", name="Pause").is_visible()
    Campaign.objects.filter(pk=row.pk).update(state=CampaignState.NOT_CONVERGED, reason="D at 750 K still moves.")
    page.get_by_text("D at 750 K still moves.").wait_for(timeout=60_000)
    expect(page.locator("[hx-trigger]")).to_have_count(0, timeout=60_000)


def test_nothing_is_lost_without_a_question(open_page, ada):
    row = factories.campaign(ada, state=CampaignState.PAUSED)
    page = open_page(ada)
    page.goto(reverse("campaign-overview", args=[row.pk]))
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Cancel").click()
    assert "cannot go on" in asked[0]
    assert Campaign.objects.get(pk=row.pk).state == CampaignState.PAUSED


def test_a_refused_trajectory_still_has_its_file(open_page, ada, tmp_path):
    path = tmp_path / "run.xyz"
    path.write_bytes(timed_xyz(60))
    page = open_page(ada)
    page.goto(reverse("trajectory-list"))
    page.get_by_label("Files").set_input_files(path)
    page.get_by_label("Mobile ion", exact=True).fill("Xx")
    page.get_by_label("Temperature").fill("600")
    page.get_by_role("button", name="Analyse").click()
    expect(page.get_by_text("“Xx” is no element")).to_be_visible()
    expect(page.get_by_label("Mobile ion", exact=True)).to_be_focused()
    page.get_by_label("Mobile ion", exact=True).fill("Na")
    page.get_by_role("button", name="Analyse").click()
    page.wait_for_url("**/trajectories/*/")
    assert TrajectoryAnalysis.objects.get().file_names == ["run.xyz"]


def test_the_report_is_one_sheet(open_page, ada):
    row = factories.full_campaign(ada, frames_per_step=6, state=CampaignState.CONVERGED)
    page = open_page(ada)
    page.goto(reverse("campaign-report", args=[row.pk]))
    expect(page.locator(".bk-Figure")).to_have_count(2)
    assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(prefer_css_page_size=True))) == 1


def test_the_program_of_a_page_is_copied(open_page, ada):
    page = open_page(ada)
    page.goto(reverse("campaign-list"))
    page.get_by_text("Use from Python").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name=re.compile("Copied|Marked"))).to_be_visible()


OF_SWAGGER = {"color-contrast", "nested-interactive", "heading-order", "region"}  # its own colours and elements, which we do not change


def test_what_is_ours_of_the_api_s_page_is_as_axe_wants_it(open_page, ada):
    page = open_page(ada)
    page.goto(reverse("api:docs"))
    page.locator(".opblock").first.wait_for()
    assert {rule for rule, _ in violations(page)} <= OF_SWAGGER
