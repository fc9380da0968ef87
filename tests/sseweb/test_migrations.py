"""A database of an earlier release is brought forward with every value, and every page answers."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.stand_ins.installation import Up

RELEASES = sorted((Path(__file__).parents[1] / "data" / "releases").glob("*.sql"))
# Written by Django or by migrations, not by people or engines.
OF_DJANGO = {"django_migrations", "django_content_type", "auth_permission", "django_session", "django_admin_log", "sqlite_sequence"}
LOOK = """
import django, json; django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
from django.contrib.auth import get_user_model
from campaigns.models import Campaign, Frame, Material, MdRun, Stage, TrainedModel
client = Client(raise_request_exception=False)
client.force_login(get_user_model().objects.get())
tabs = ("", "results/", "training-set/", "models/", "stages/", "settings/", "people/", "deletion/", "live/ramp/", "report/")
pages = [f"/campaigns/{row.pk}/{tab}" for row in Campaign.objects.all() for tab in tabs]
pages += [f"/{word}/{row.pk}/" for word, model in (("configurations", Frame), ("models", TrainedModel), ("stages", Stage),
                                                   ("materials", Material)) for row in model.objects.all()[:3]]
chosen = "&".join(f"campaign={row.pk}" for row in Campaign.objects.all())
pages += ["/campaigns/", "/materials/", "/trajectories/", f"/compare/?{chosen}", f"/plots/compare/?{chosen}", "/api/v1/campaigns/"]
pages += [f"/api/v1/campaigns/{row.pk}/{part}" for row in Campaign.objects.all() for part in ("", "result/")]
print(json.dumps({
    "pages": {page: client.get(page).status_code for page in pages},
    "numbers": list(MdRun.objects.order_by("pk").values_list("pk", "number")),
}))
"""


def rows(database):
    """{table: [{column: value}, ...]} of everything that people and engines have written."""
    database.row_factory = sqlite3.Row
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if name not in OF_DJANGO]
    return {name: [dict(row) for row in database.execute(f"SELECT * FROM {name} ORDER BY rowid")] for name in names}


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_a_database_of_an_earlier_release_comes_forward(tmp_path, release):
    up = Up(tmp_path)
    up.data.mkdir(exist_ok=True)
    with closing(sqlite3.connect(up.data / "sseweb.sqlite3")) as database:
        database.executescript(release.read_text())
        before = rows(database)
    subprocess.run(up.command("migrate", "-v0"), cwd=up.root, env=up.environment, check=True)
    with closing(sqlite3.connect(up.data / "sseweb.sqlite3")) as database:
        after = rows(database)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(before["campaigns_frame"]) > 10
    for table, old in before.items():
        assert len(after[table]) == len(old), table
        for one, other in zip(old, after[table], strict=True):
            assert {name: other[name] for name in one} == one, table
    found = up.json(LOOK)
    assert all(number == pk for pk, number in found["numbers"])  # files of that time know a run by its key
    assert {page: status for page, status in found["pages"].items() if status not in (200, 286)} == {}


def test_there_is_an_earlier_release():
    assert RELEASES
