"""Archive -> empty installation -> archive: identical but for keys and dates; and what is refused leaves nothing."""

import hashlib
import io
import json
import os
import time
import zipfile

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.urls import reverse

from analysis import queries
from analysis.models import ArrheniusFit
from campaigns import queries as campaign_queries
from campaigns.enums import CampaignState, StageState
from campaigns.models import Activity, Artefact, Campaign, Frame, Material, MdRun, SharedLink, Stage
from campaigns.services import archive_rows, archives, cleaning, deletion, overruling
from campaigns.services.errors import BadInput, ServiceError
from campaigns.services.setting_changes import change_settings
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db):
    return factories.user("ada")


@pytest.fixture
def bob(db):
    return factories.user("bob")


@pytest.fixture
def full(ada):
    """A paused campaign with a history, an overruled verdict, a failure and an uploaded S0."""
    factories.md_run(factories.trained_model(factories.campaign(ada, "before")), 700)  # so that keys and numbers differ
    row = factories.full_campaign(ada, frames_per_step=6, state=CampaignState.PAUSED)
    cleaning.clean(row, 2, 1)
    overruling.overrule(row.frames.filter(verdict="kept").first(), ada, "rejected", "zu kurz: „Li–Li“")
    change_settings(row, {"clean_bond_variation": True, "stationary_spread_dex": 0.2}, ada, "wie besprochen")
    stage = row.stages.first()
    stage.failures.create(attempt=1, cause="timeout", message="too slow", permanent=False)
    upload = archives.settings.DATA_DIR / "uploads" / str(ada.pk) / ("ab" * 16 + ".tar.gz")
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"a data set")
    row.s0_upload = str(upload.relative_to(archives.settings.DATA_DIR))
    row.save()
    return row


@pytest.fixture
def packed(full, tmp_path):
    path = tmp_path / "archive.zip"
    path.write_bytes(b"".join(archives.archive(full)))
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(path, change, seal=True):
    """The archive with its members changed; with `seal` the manifest agrees with them."""
    found = members(path)
    change(found)
    if seal and "manifest.json" in found:
        manifest = json.loads(found["manifest.json"])
        manifest["sha256"] = {name: hashlib.sha256(data).hexdigest() for name, data in found.items() if name != "manifest.json"}
        found["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in found.items():
            archive.writestr(name, data)
    return path


def edited(table, number, **values):
    """A change of one row."""

    def change(found):
        lines = found[f"rows/{table}.jsonl"].decode().splitlines()
        lines[number] = json.dumps(json.loads(lines[number]) | values)
        found[f"rows/{table}.jsonl"] = "\n".join(lines).encode()

    return change


def move_to_an_empty_installation(tmp_path, monkeypatch_settings):
    Campaign.objects.all().delete()
    Material.objects.all().delete()
    Artefact.objects.all().delete()
    monkeypatch_settings.DATA_DIR = tmp_path / "elsewhere"
    monkeypatch_settings.DATA_DIR.mkdir()


def test_a_round_trip_loses_nothing(full, packed, bob, tmp_path, settings):
    before = campaign_queries.result(full)
    move_to_an_empty_installation(tmp_path, settings)
    again = archives.take_in(bob, packed)
    first, second = members(packed), {}
    path = tmp_path / "again.zip"
    path.write_bytes(b"".join(archives.archive(again)))
    second = members(path)
    kept = {name for name in first if not name.startswith("derived/")} - {"manifest.json"}
    assert kept == {name for name in second if not name.startswith("derived/")} - {"manifest.json"}
    assert [name for name in kept if first[name] != second[name]] == []
    one, other = (json.loads(found["manifest.json"]) for found in (first, second))
    assert one["rows"] == other["rows"]
    assert (one["rows"]["campaigns.frame"], one["rows"]["campaigns.overruling"]) == (again.frames.count(), 1)
    assert (again.owner, again.state, again.pk != full.pk) == (bob, CampaignState.PAUSED, True)
    after = campaign_queries.result(again)
    assert after | {"id": 0} == before | {"id": 0}
    assert list((settings.DATA_DIR / "exports").iterdir()) == []


def test_an_imported_campaign_is_looked_at_like_the_first(full, packed, bob, client):
    """Beside the first in one installation: every key is another."""
    again = archives.take_in(bob, packed)
    client.force_login(bob)
    for name in ("overview", "results", "training-set", "models", "stages", "settings", "report", "parity"):
        assert client.get(reverse(f"campaign-{name}", args=[again.pk])).status_code == 200
    (was, *_), (now, *_) = (queries.judged_models(row.trained_models.all()) for row in (full, again))
    assert [run.diffusivity_cm2_s for run in now.fitted_runs] == [run.diffusivity_cm2_s for run in was.fitted_runs] != []
    run = MdRun.objects.filter(campaign=again, purpose="evaluate").last()
    assert run.pk != run.number
    assert client.get(reverse("plot-msd", args=[run.pk])).json()["doc"] is not None
    overruled = Frame.objects.get(campaign=again, overruled="rejected")
    changed = again.setting_changes.get(setting="clean_bond_variation")
    assert (changed.old, changed.new, changed.by, changed.by_name, changed.reason) == (False, True, None, "ada", "wie besprochen")
    assert (overruled.overrulings.get().by, overruled.overrulings.get().by_name) == (None, "ada")
    assert (archives.settings.DATA_DIR / again.s0_upload).read_bytes() == b"a data set"
    assert f"uploads/{bob.pk}/" in again.s0_upload
    deletion.delete(again)
    assert full.frames.count() > 0
    assert all(artefact.file.is_file() for artefact in Artefact.objects.filter(path__startswith=f"campaigns/{full.pk}/"))


def test_one_that_runs_comes_in_paused_and_what_was_under_way_waits(ada, bob, tmp_path):
    row = factories.full_campaign(ada, frames_per_step=4)
    under_way = row.stages.get(state=StageState.RUNNING)
    (under_way.folder / "child.json").write_text("{}")
    path = tmp_path / "archive.zip"
    path.write_bytes(b"".join(archives.archive(row)))
    again = archives.take_in(bob, path)
    assert again.state == CampaignState.PAUSED
    assert "Imported while it ran" in again.reason
    waiting = Stage.objects.get(campaign=again, kind=under_way.kind, index=under_way.index)
    assert (waiting.state, waiting.owner, waiting.lease_until) == (StageState.PENDING, "", None)
    assert sorted(file.name for file in waiting.folder.iterdir()) == ["log", "progress.json"]  # spec.json is made anew


def test_every_table_of_a_campaign_is_in_the_archive():
    """Whoever adds a table with a way to a campaign adds it here too, or a campaign that moves loses it.

    The log of who did what and links that were given out belong to the people of one installation: they stay there.
    """
    known = {table.model for table in archive_rows.TABLES} | {Activity, SharedLink}
    belonging = {Campaign}
    while True:
        more = {
            model
            for app in ("campaigns", "analysis")
            for model in apps.get_app_config(app).get_models()
            if any(column.is_relation and column.related_model in belonging for column in model._meta.concrete_fields)
        }
        if more <= belonging:
            break
        belonging |= more
    assert belonging <= known


def test_it_holds_results_for_people(packed):
    found = members(packed)
    fit = ArrheniusFit.objects.last()
    assert json.loads(found["derived/result.json"])["activation_energy_eV"] == fit.activation_energy_eV
    assert str(fit.activation_energy_eV) in found["derived/runs.csv"].decode()
    assert b"Arrhenius" in found["derived/figures.html"] or b"1000/T" in found["derived/figures.html"]


def leave_out(name):
    return lambda found: found.pop(next(member for member in found if member.startswith(name)))


def put(name, data=b"x"):
    return lambda found: found.update({name: data})


def damage(found):
    name = next(name for name in found if name.endswith("frames.npz"))
    found[name] = found[name][:50] + bytes([found[name][50] ^ 1]) + found[name][51:]


@pytest.mark.parametrize(
    ("change", "seal", "reason"),
    [
        (damage, False, "frames.npz is not what the manifest says"),
        (leave_out("files/"), False, "is missing"),
        (put("files/strange"), False, "strange is not in its manifest"),
        (put("../../outside"), True, "outside of its own folder"),
        (put("/etc/outside"), True, "outside of its own folder"),
        (put("manifest.json", b'{"format": "sseweb campaign archive", "schema": 99, "sha256": {}}'), False, "update this"),
        (lambda found: found.pop("manifest.json"), False, "no manifest.json"),
        (lambda found: found.update({"manifest.json": b"[" * 100_000}), False, "damaged"),
        (edited("campaigns.frame", 0, artefact=999), True, "row 999 is not in the archive"),
        (edited("campaigns.frame", 0, n_atoms="many"), True, "n_atoms: 'many' is not what belongs there"),
        (edited("campaigns.frame", 0, verdict="perhaps"), True, "'perhaps' is not what belongs there"),
        (edited("campaigns.frame", 1, row=0), True, "contradicts itself"),
        (edited("campaigns.frame", 0, password="x"), True, "newer release"),
        (edited("campaigns.artefact", 0, path="@/../1/loop-0/x"), True, "no path of this campaign"),
        (edited("campaigns.artefact", 0, path="uploads/1/x"), True, "no path of this campaign"),
        (edited("campaigns.artefact", 0, path="@/nowhere"), True, "does not hold nowhere"),
        (edited("campaigns.trainedmodel", 0, type_map=["Li\nshell rm"]), True, "as an element"),
        (edited("campaigns.campaign", 0, protocol={"max_loops": -1}), True, "settings of the archived campaign"),
        (put("rows/auth.user.jsonl", b"{}"), True, "newer release"),
        (put("rows/campaigns.stage.jsonl", b"[" * 100_000), True, "is not JSON"),
        (put("rows/campaigns.campaign.jsonl", b""), True, "is not in the archive|must hold one campaign"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_nothing(packed, bob, settings, change, seal, reason):
    counts = [model.objects.count() for model in (Campaign, Frame, Artefact, Stage, Material)]
    places = set(settings.DATA_DIR.rglob("*"))
    with pytest.raises(BadInput, match=reason):
        archives.take_in(bob, repacked(packed, change, seal))
    assert [model.objects.count() for model in (Campaign, Frame, Artefact, Stage, Material)] == counts
    locks = settings.DATA_DIR / "reading"  # of how many read at a time
    left = {path for path in settings.DATA_DIR.rglob("*") if path != locks and locks not in path.parents}
    assert left - places <= {settings.DATA_DIR / "exports"}


def test_a_link_and_what_is_too_large_are_refused(packed, bob, settings):
    with zipfile.ZipFile(packed, "a") as archive:
        link = zipfile.ZipInfo("files/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadInput, match="holds a link"):
        archives.take_in(bob, packed)
    settings.MAX_ARCHIVE_BYTES = 1000
    with pytest.raises(BadInput, match="larger than the limit"):
        archives.take_in(bob, packed)


@pytest.mark.parametrize("step", ["load", "_check", "_come_to_rest"])
def test_a_kill_on_the_way_leaves_no_half_campaign(packed, bob, settings, monkeypatch, step):
    """Killed between files and rows: no cleaning up is done; the folder is nobody's and goes later."""

    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    place = archive_rows.Loader if step == "load" else archives
    monkeypatch.setattr(place, step, kill)
    monkeypatch.setattr(archives.shutil, "rmtree", lambda *_, **__: None)  # the dead do not tidy up
    with pytest.raises(Killed):
        archives.take_in(bob, packed)
    monkeypatch.undo()
    assert not Campaign.objects.filter(owner=bob).exists()
    (marker,) = settings.DATA_DIR.glob(f"campaigns/*/{archives.IMPORTING}")
    archives.remove_leftovers()
    assert marker.exists()  # it may be under way
    os.utime(marker, (time.time() - 7200,) * 2)
    made = factories.campaign(bob)
    assert made.folder != marker.parent  # a new campaign never finds it
    archives.remove_leftovers()
    assert not marker.parent.exists()
    assert archives.take_in(bob, packed).frames.exists()


def test_no_archive_without_a_file_that_is_missing(full):
    artefact = Artefact.objects.filter(path__startswith=f"campaigns/{full.pk}/").last()
    artefact.file.unlink()
    with pytest.raises(ServiceError, match=r"is missing or damaged"):
        archives.archive(full)


def test_without_a_browser(full, bob, tmp_path, capsys):
    path = tmp_path / "a.zip"
    call_command("export", "archive", str(full.pk), "-o", str(path))
    with pytest.raises(CommandError, match="accounts: say whose"):
        call_command("import_archive", str(path))
    call_command("import_archive", str(path), "--owner", "bob")
    assert "LGPS, quick: paused" in capsys.readouterr().out
    assert Campaign.objects.filter(owner=bob).count() == 1
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(CommandError, match="cannot be imported"):
        call_command("import_archive", str(tmp_path / "b.zip"), "--owner", "bob")


def test_only_an_administrator_imports_over_the_web(packed, bob, client):
    client.force_login(bob)
    address = reverse("archive-import")
    assert client.post(address, {"archive": io.BytesIO(packed.read_bytes())}).status_code == 403
    root = factories.user("root", is_superuser=True)
    client.force_login(root)
    file = io.BytesIO(packed.read_bytes())
    file.name = "archive.zip"
    page = client.post(address, {"archive": file}, follow=True)
    assert "imported with everything" in page.content.decode()
    assert Campaign.objects.filter(owner=root).count() == 1
    bad = io.BytesIO(b"no zip")
    bad.name = "archive.zip"
    refused = client.post(address, {"archive": bad})
    assert (refused.status_code, b"It is not imported" in refused.content) == (422, True)
    assert client.post(address).status_code == 422
