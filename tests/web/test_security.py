"""Hostile users: what ASVS 5.0 asks for and no other test shows. docs/security.md names the test for each item."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign, Material
from campaigns.services import campaigns, data_sets, potential_files, quotas
from tests import factories
from tests.web.test_trajectories import sent

ROOT = Path(__file__).resolve().parents[2]
LIH = (ROOT / "campaigns/examples/cifs/lih_rocksalt_model.cif").read_bytes()
BOMB = (
    "data_x\n_cell_length_a 9\n_cell_length_b 9\n_cell_length_c 9\n_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
    "_symmetry_space_group_name_H-M 'F m -3 m'\nloop_\n_atom_site_label\n_atom_site_type_symbol\n"
    "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
) + "".join(f"Li{i} Li 0.{i:03} 0.{2 * i:03} 0.{3 * i:03}\n" for i in range(1, 200))


def upload(client, name, content):
    return client.post(reverse("material-new"), {"cif_file": SimpleUploadedFile(name, content)})


# --- sessions and accounts ---


def test_signing_in_makes_a_new_session_and_signing_out_ends_it(ada):
    client = Client()
    client.get(reverse("login"))
    client.session["kept"] = 1
    before = client.cookies.get("sessionid")
    client.post(reverse("login"), {"username": "ada", "password": "an interstitial ion"})
    stolen = client.cookies["sessionid"].value
    assert before is None or before.value != stolen
    assert len(stolen) >= 32
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["sessionid"]["samesite"] == "Lax"
    left = client.post(reverse("logout"))
    assert "storage" in left["Clear-Site-Data"]
    thief = Client()
    thief.cookies["sessionid"] = stolen
    assert thief.get(reverse("campaign-list")).status_code == 302


def test_an_account_that_is_closed_is_out_at_once(ada):
    from knox.models import AuthToken

    token = AuthToken.objects.create(ada)[1]
    browser, program = Client(), Client(HTTP_AUTHORIZATION=f"Token {token}")
    browser.force_login(ada)
    address = reverse("api:campaign-list")
    assert (browser.get(reverse("campaign-list")).status_code, program.get(address).status_code) == (200, 200)
    type(ada).objects.update(is_active=False)
    assert (browser.get(reverse("campaign-list")).status_code, program.get(address).status_code) == (302, 401)


def test_no_account_is_there_from_the_beginning(db, django_user_model):
    assert django_user_model.objects.count() == 0


def test_other_sites_get_no_permission_and_every_answer_says_what_it_is(as_ada, full):
    for address in ("/healthz", reverse("campaign-overview", args=[full.pk]), reverse("api:campaign-list")):
        answer = as_ada.get(address, HTTP_ORIGIN="https://evil.example")
        assert "Access-Control-Allow-Origin" not in answer
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Type"].split(";")[0] in ("application/json", "text/html")
    assert as_ada.get("/.git/config").status_code == 404
    assert as_ada.get("/static/../../manage.py").status_code == 404


# --- what is uploaded ---


def test_an_upload_of_30_MB_is_refused_before_it_is_read(as_ada, tmp_path, settings):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    answer = upload(as_ada, "x.cif", b"#" * 30_000_000)
    assert answer.status_code == 413
    assert list(tmp_path.glob("*.upload*")) == []
    assert not Material.objects.exists()


@pytest.mark.parametrize("content", [
    BOMB.encode(), LIH[:40] + b"\x00" + LIH[40:], LIH.decode().encode("utf-16"), b"PK\x03\x04" + bytes(300),
    b"<html><script>alert(1)</script></html>", b"\x89PNG\r\n\x1a\n" + bytes(100), b"data_x\n" + b"loop_\n" * 5000,
    b"data_" + b"x" * 900_000,
], ids=["bomb", "NUL", "UTF-16", "zip", "HTML", "PNG", "loops", "long word"])  # fmt: skip
def test_what_only_is_called_cif_is_refused_with_a_reason(as_ada, content):
    answer = upload(as_ada, "x.cif", content)
    assert answer.status_code == 422
    assert answer.context["form"].errors
    assert "Traceback" not in answer.content.decode()
    assert not Material.objects.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "x" * 4000, "a\r\nSet-Cookie: x=1.cif", '"; rm -rf /; ".cif', "‮fic.cif"])
def test_a_hostile_file_name_names_no_path_and_no_header(as_ada, name):
    assert upload(as_ada, name, LIH).status_code == 302
    row = Material.objects.get()
    assert "/" not in row.cif_filename
    assert len(row.cif_filename) <= 200
    download = as_ada.get(reverse("material-cif", args=[row.pk]))
    assert download["Content-Disposition"] == f'attachment; filename="material-{row.pk}.cif"'


def test_the_name_of_a_material_is_no_formula_of_a_spreadsheet(as_ada, full):
    Campaign.objects.update(name="=HYPERLINK(1)")
    table = as_ada.get(reverse("compare-rows", args=["csv"]), {"campaign": full.pk}).content.decode()
    assert "HYPERLINK" in table
    assert not re.search(r'(^|,)"?=', table, re.M)


def test_entities_of_xml_are_not_expanded(as_ada, settings):
    """A billion laughs, and a file of the server."""
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    document = (
        f'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY l0 "ha">{laughs}<!ENTITY f SYSTEM "file:///etc/passwd">]><modeling>&l11;&f;</modeling>'
    )
    answer = as_ada.post(reverse("campaign-new-upload"), {"data_set": SimpleUploadedFile("vasprun.xml", document.encode())})
    assert answer.status_code == 200
    assert answer.context["problem"]
    assert "root:" not in answer.content.decode()
    assert not [path for path in (settings.DATA_DIR / "uploads").rglob("*") if path.is_file()]


def test_a_zip_that_swells_is_refused_and_nothing_stays(as_ada, settings):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/type.raw", b"0\n" * 20_000_000)
    answer = as_ada.post(reverse("campaign-new-upload"), {"data_set": SimpleUploadedFile("set.zip", packed.getvalue())})
    assert answer.context["problem"]
    assert not [path for path in (settings.DATA_DIR / "uploads").rglob("*") if path.is_file()]


# --- quotas ---


def test_one_material_too_many_is_refused_before_it_is_read(as_ada, settings, monkeypatch):
    settings.QUOTA_MATERIALS = 1
    assert upload(as_ada, "x.cif", LIH).status_code == 302
    assert upload(as_ada, "x.cif", LIH).status_code == 302  # the same one again makes no second
    monkeypatch.setattr("campaigns.services.materials.read_cif", None)
    answer = upload(as_ada, "y.cif", LIH + b"\n#\n")
    assert answer.status_code == 422
    assert "as many as an account may have" in answer.content.decode()


def test_bytes_of_all_kinds_count(as_ada, ada, settings):
    settings.QUOTA_BYTES = 10_000
    potential_files.store(ada, "a.pot", b"x" * 4000)
    assert as_ada.post(reverse("trajectory-list"), sent(("run.xyz", b"x" * 4000))).status_code == 302
    assert quotas.used_bytes(ada) == 8000
    for refused in (
        as_ada.post(reverse("trajectory-list"), sent(("run.xyz", b"x" * 4000))),
        as_ada.post(reverse("campaign-new-upload"), {"data_set": SimpleUploadedFile("s.xyz", b"x" * 4000)}),
    ):
        assert "of the 0 MB that an account may have" in refused.content.decode()
    with pytest.raises(quotas.QuotaExceeded):
        potential_files.store(ada, "b.pot", b"x" * 4000)
    with pytest.raises(quotas.QuotaExceeded):
        data_sets.store_upload(ada, SimpleUploadedFile("s.xyz", b"x" * 4000))
    assert quotas.used_bytes(ada) == 8000


def test_campaigns_are_counted_in_all_and_while_they_run(ada, as_ada, settings):
    settings.QUOTA_RUNNING = 1
    one, two = factories.campaign(ada, state="draft"), factories.campaign(ada, state="draft")
    campaigns.start(one)
    page = as_ada.post(reverse("campaign-start", args=[two.pk]), follow=True)
    assert "1 of your campaigns are running" in page.content.decode()
    two.refresh_from_db()
    assert (two.state, two.stages.count()) == ("draft", 0)
    settings.QUOTA_CAMPAIGNS = 2
    answer = as_ada.post(reverse("api:campaign-list"), {"material": "li3n"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota")


# --- how it is written ---


def test_no_shell_no_eval_no_pickle():
    """The words that would be needed for it are nowhere in the code."""
    forbidden = re.compile(
        r"\beval\(|\bexec\(|shell=True|os\.system|os\.popen|import pickle|allow_pickle=True|yaml\.load\(|\|safe\b|autoescape off"
    )
    for folder in ("campaigns", "analysis", "sseweb", "templates"):
        for path in (*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.html")):
            found = [
                line
                for line in path.read_text().splitlines()
                if forbidden.search(line) and ".model.eval()" not in line and "model.eval()" not in line
            ]
            assert found == [], path


def test_no_weak_hash():
    for folder in ("campaigns", "analysis", "sseweb"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"\bmd5\b|\bsha1\b", path.read_text()), path


def test_every_dependency_is_pinned():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.strip() and not line.startswith(("#", "-"))]
    assert [line for line in lines if "==" not in line and " @ " not in line] == []
