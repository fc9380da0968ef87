"""Which files a backup takes is asked of its snapshot, whatever begins while it is being written."""

import pytest

from campaigns.enums import StageState
from sseweb import backup
from tests import factories

pytestmark = pytest.mark.django_db
FILES = ("spec.json", "child.json", "failure.json", "labels.jsonl", "model.ckpt", "result.json")


def write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("x")


def taken(rows, folder):
    return {path.name for path, _ in backup._files(rows) if folder in path.parents}


def test_stages(settings):
    campaign = factories.campaign(factories.user("ada"))
    done = factories.stage(campaign, "train", StageState.DONE, attempt=2)
    under_way = factories.stage(campaign, "label", StageState.RUNNING, attempt=10)
    rows = backup._rows_of("default")
    begun = factories.stage(campaign, "explore", StageState.RUNNING, loop=9)
    for stage in (done, under_way, begun):
        write(stage.folder, *FILES)
    for attempt in (1, 11):  # the one that failed before, and one that came after the snapshot
        write(under_way.folder.with_name(f"attempt-{attempt}"), *FILES)
    assert taken(rows, done.folder) >= set(FILES)
    assert taken(rows, under_way.folder) == {"labels.jsonl"}
    assert taken(rows, under_way.folder.with_name("attempt-1")) == set(FILES)
    assert taken(rows, under_way.folder.with_name("attempt-11")) == set()
    assert taken(rows, begun.folder) == set()


def test_a_campaign_that_is_not_in_the_snapshot(settings):
    write(settings.DATA_DIR / "campaigns" / "9" / "loop-1" / "step-1" / "train-0" / "attempt-1", *FILES)
    assert taken(backup._rows_of("default"), settings.DATA_DIR) == set()


def test_a_trajectory_that_waits_keeps_its_files(settings):
    row = factories.user("ada").trajectory_analyses.create(name="run", file_names=["run.dump"], mobile_ion="Li", temperature_K=600, spec={})
    write(row.folder, "00-run.dump.gz", "spec.json")
    write(settings.DATA_DIR / "analyses" / "an upload under way", "00-run.dump.gz")
    assert taken(backup._rows_of("default"), settings.DATA_DIR) == {"00-run.dump.gz"}
