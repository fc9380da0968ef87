"""How far a campaign is: never less than before, and how long the rest takes by what was measured."""

import io
import json
from dataclasses import replace

import pytest
from django.utils import timezone

from campaigns import progress, queries, report
from campaigns.engines import job
from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.progress import CampaignProgress, campaign_progress, stage_progress
from campaigns.queries import LedgerRow
from tests import factories


def _planned(row, loop):
    return list(progress._plan(row, progress._planned_cells(row), loop).values())


def _stage(row, loop, one, **columns):
    before = one.kind in (StageKind.PREPARE, StageKind.S0)
    return factories.stage(row, one.kind, loop=0 if before else loop, step=one.step, cell_id=one.cell, **columns)


def _loop_of(row, loop):
    """Everything that a loop has, done."""
    for one in _planned(row, loop):
        for _ in range(one.n):
            _stage(row, loop, one, seconds=10.0)


def _at(stage, done, total, seconds):
    """Let the engine of a stage have said that it did so much in so many seconds."""
    now = timezone.now().timestamp()
    record = {"done": done, "total": total, "unit": "MD steps", "message": "", "started_at": now - seconds, "updated_at": now}
    (stage.folder / "progress.json").write_text(json.dumps(record))


@pytest.mark.django_db
def test_progress_is_that_of_the_loop_under_way_and_says_so():
    row = factories.campaign(factories.user(), loop=1)
    _loop_of(row, 1)
    assert campaign_progress(row).fraction == pytest.approx(0.999)
    row.loop, row.step = 2, 1
    row.save()
    progress = campaign_progress(row)
    assert (progress.loop, progress.fraction) == (2, 0.0)
    assert "0% of loop 2" in report.result_text(queries.result(row), progress, [])
    _loop_of(row, 2)
    assert campaign_progress(row).fraction == pytest.approx(0.999)


@pytest.mark.django_db
def test_progress_does_not_fall_at_a_pause():
    row = factories.campaign(factories.user(), loop=1)
    factories.stage(row, StageKind.PREPARE, loop=0)
    running = factories.stage(row, StageKind.TRAIN, StageState.RUNNING)  # 1600 of 2500 batches
    before = campaign_progress(row).fraction
    running.state, row.state = StageState.PENDING, CampaignState.PAUSED
    running.save()
    row.save()
    paused = campaign_progress(row)
    assert paused.fraction == pytest.approx(before)
    assert paused.stages == []
    (running.folder / "progress.json").unlink()
    assert campaign_progress(row).fraction < before


@pytest.mark.django_db
def test_a_campaign_that_failed_is_not_said_to_be_complete():
    row = factories.campaign(factories.user(), state=CampaignState.FAILED)
    factories.stage(row, StageKind.PREPARE, loop=0)
    assert campaign_progress(row).fraction < 0.5


@pytest.mark.django_db
def test_progress_never_falls_in_a_loop_whatever_the_stages_take(settings):
    settings.ENGINE_CORES = 2
    row = factories.campaign(factories.user(), loop=0, step=0)
    slow = {StageKind.EVALUATE: 900.0, StageKind.LABEL: 0.3}  # against 42 s of all others
    order = list(StageKind.values)
    seen = [0.0]
    for one in sorted(_planned(row, 1), key=lambda one: (one.step, order.index(one.kind))):
        row.loop, row.step = min(one.step, 1), one.step
        row.save()
        for _ in range(one.n):
            stage = _stage(row, 1, one, state=StageState.RUNNING)
            for done in (5, 50, 95):
                _at(stage, done, 100, slow.get(one.kind, 42.0) * done / 100)
                seen.append(campaign_progress(row).fraction)
            stage.state, stage.seconds = StageState.DONE, slow.get(one.kind, 42.0)
            stage.save()
            seen.append(campaign_progress(row).fraction)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(0.999)


@pytest.mark.django_db
def test_evaluations_to_come_take_as_long_as_those_under_way_say(settings):
    settings.ENGINE_CORES = 2
    row = factories.campaign(factories.user(), loop=1, step=4)  # the last step: five evaluations and a judgement are left
    for one in _planned(row, 1):
        for _ in range(0 if (one.step, one.kind) in ((4, "evaluate"), (4, "judge")) else one.n):
            _stage(row, 1, one, seconds=10.0, startup_seconds=0.0)
    cell = row.cells.get(for_evaluation=True)
    for _ in range(2):
        _at(factories.stage(row, StageKind.EVALUATE, StageState.RUNNING, step=4, cell=cell), 2000, 8500, 400.0)
    left = campaign_progress(row).eta_seconds
    whole = 400 * 8500 / 2000
    assert left == pytest.approx((2 * (whole - 400) + 3 * (whole + 10)) / 2 + 3)  # and not as the faster ones of the step before


@pytest.mark.django_db
def test_a_larger_cell_takes_longer_by_its_atoms(settings):
    settings.ENGINE_CORES = 1
    row = factories.campaign(factories.user(), loop=1, step=1)
    small = row.cells.get(for_training=True)
    small.for_evaluation = True
    small.save()
    large = row.cells.exclude(pk=small.pk).get()
    plan = progress._plan(row, progress._planned_cells(row), 1)
    assert plan["evaluate", 4, large.pk].work_core_s == pytest.approx(4 * plan["evaluate", 4, small.pk].work_core_s)


@pytest.mark.django_db
def test_a_loop_that_became_longer_says_why():
    row = factories.campaign(factories.user(), loop=1, step=2)
    assert campaign_progress(row).changed == ""
    row.repeat = 1
    found = campaign_progress(row)
    assert found.changed.startswith("Step 2 is done again with a larger batch")
    assert found.changed in report.result_text(queries.result(row), found, [])


@pytest.mark.django_db
def test_a_training_that_took_several_tries_is_no_slower_than_one_that_took_one():
    left = []
    for n_batches in ([2500], [2500, 2500]):
        row = factories.campaign(factories.user(f"u{len(n_batches)}"), loop=1)
        attempts = [{"batch_size": 2**number, "n_batches": n} for number, n in enumerate(n_batches)]
        model = factories.trained_model(row, attempts=attempts)
        model.stage.seconds = model.stage.startup_seconds + 0.1 * sum(one["batch_size"] * one["n_batches"] for one in attempts)
        model.stage.save()
        left.append(campaign_progress(row).eta_seconds)
    assert left[0] == pytest.approx(left[1])


def test_the_time_left_of_a_stage_is_said_when_its_pace_is_known(db, data_dir):
    """A start-up of a minute, then labels at one each 10 s: nothing is said at first, and then always what comes."""
    campaign = factories.campaign(factories.user("grace"), step=1)
    stage = factories.stage(campaign, StageKind.S0, StageState.RUNNING)
    stage.folder.mkdir(parents=True, exist_ok=True)

    def left_s(done):
        paced = None if not done else [1070.0, 1]
        record = {"done": done, "total": 100, "unit": "labels", "message": "", "started_at": 1000.0, "updated_at": 1060.0 + 10 * done}
        job.write_json(stage.folder / "progress.json", record | {"done_before": 0, "paced_from": paced})
        return stage_progress(stage).eta_seconds

    assert [left_s(done) for done in (0, 1, 3)] == [None, None, None]
    assert [left_s(done) for done in (7, 11, 51)] == [pytest.approx(10 * (100 - done)) for done in (7, 11, 51)]


def test_a_line_says_what_an_engine_that_starts_is_at_and_no_time_that_is_not_known(db, data_dir):
    campaign = factories.campaign(factories.user("grace"), step=1)
    stage = factories.stage(campaign, StageKind.TRAIN, StageState.RUNNING, step=1)
    stage.folder.mkdir(parents=True, exist_ok=True)
    record = {"done": 0, "total": 2500, "unit": "batches", "message": "starting DeePMD-kit and building the graph, 40 s so far"}
    job.write_json(stage.folder / "progress.json", record | {"started_at": 1.0, "updated_at": 41.0})
    out = io.StringIO()
    out.write = lambda text, ending="", write=out.write: write(text)
    at = CampaignProgress(1, 0.1, None, [stage], "train")
    printer = report.ProgressPrinter(out, is_terminal=False)
    printer.show(campaign, at)
    assert out.getvalue().endswith("train [0/2500 batches, starting DeePMD-kit and building the graph, 40 s so far]")
    printer.show(campaign, replace(at, eta_seconds=60.0, summary="waiting"), "This campaign is second in the queue.")
    assert "second in the queue. [0/2500 batches" in out.getvalue()
    assert " left in it" not in out.getvalue()
    found = {"id": 1, "name": "x", "state": "running", "reason": "", "waiting_for_cores": "", "runs": [], "labels_computed": 0,
             "labels_found": 0, "labeller": "chgnet", "wall_seconds": 0}  # fmt: skip
    row = LedgerRow("train the model", 1, 0, 0, 60.0, 0.0, {})
    text = report.result_text(found, at, [row])
    assert "unknown" not in text
    assert "1 stage " in text
