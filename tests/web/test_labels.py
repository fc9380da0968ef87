"""Labels as single records on the pages: of a stage that runs, that has ended, and of one label; the check on a draft's page."""

import json
import time

import pytest
from django.urls import reverse

from campaigns.engines import check, label, s0
from campaigns.enums import CampaignState, FrameSource, JobState, StageKind, StageState
from campaigns.models import Activity, Frame, Stage
from campaigns.services import label_records, method_checks, projects
from tests import factories

RECORD = {"row": None, "state": "done", "cause": "", "message": "", "energy_eV": -32.0, "max_force_eV_A": 1.2, "seconds": 310.0}


def _text(client, name, *arguments, **query):
    return client.get(reverse(name, args=arguments), query).content.decode()


@pytest.fixture
def running(ada):
    """Seven snapshots: one found, two computed, one failed, one under way, two queued."""
    row = factories.campaign(ada)
    stage = factories.stage(row, StageKind.LABEL, StageState.RUNNING, cell=row.cells.first())
    (stage.folder / "spec.json").write_text(json.dumps({"spec": {"snapshots": {"indices": list(range(7))}}}))
    failed = {
        "state": "failed",
        "cause": "scf_not_converged",
        "message": "It did <not> converge.",
        "attempts": factories.ATTEMPTS,
        "energy_eV": None,
    }
    records = [RECORD | {"index": 0, "found": True}, RECORD | {"index": 1}, RECORD | failed | {"index": 2}, RECORD | {"index": 3}]
    lines = [json.dumps({"record": record, "forces_eV_A": [[0, 0, 0]] * 8}) for record in records]
    (stage.folder / label.JOURNAL).write_text("\n".join(lines) + '\n{"record": {"ind')  # the next is being written
    (stage.folder / label.UNDER_WAY).write_text(json.dumps({"index": 4, "since": time.time()}))
    (stage.folder / "cp2k").mkdir()
    for name in (label.name_of(4), f"{label.name_of(2)}.failed-1"):
        (stage.folder / "cp2k" / f"{name}.out").write_text(f"the output of {name}\n")
        (stage.folder / "cp2k" / f"{name}.inp").write_text("an input")
    return stage


def test_the_names_of_files_are_those_of_the_engines():
    assert (label_records.LABELS_JOURNAL, label_records.UNDER_WAY) == (label.JOURNAL, label.UNDER_WAY)
    assert label_records.DYNAMICS_JOURNAL == s0.JOURNAL
    assert label_records.names_of(Stage(kind=StageKind.LABEL), 12) == [label.name_of(12)]
    assert check.JOURNAL


@pytest.mark.parametrize("job_state", [JobState.SUBMITTING, JobState.QUEUED])
def test_no_label_is_under_way_while_the_next_job_waits(running, job_state):
    """What the job before was at when its time was up."""
    running.job_state = job_state
    table = label_records.of_stage(running)
    assert (table.running, table.counts["queued"]) == ([], 3)
    assert label_records.log_under_way(running, table) is None


def test_a_running_stage_shows_each_label(running, as_ada):
    table = label_records.of_stage(running)
    assert [row.state for row in table.rows] == ["done", "done", "failed", "done", "running", "queued", "queued"]
    assert table.counts == {"found": 1, "done": 2, "failed": 1, "running": 1, "queued": 2}
    assert table.missing == {"scf_not_converged": [2]}
    assert table.rows[1].energy_eV_atom == -4.0
    text = _text(as_ada, "stage", running.pk)
    assert "computed before" in text
    assert "<strong>SCF not converged.</strong> It did &lt;not&gt; converge." in text
    assert "the output of label-000004" in text
    assert "an input" not in text
    assert "1 label of 7 is missing" in text
    assert 'hx-trigger="every 2s"' in text


def test_only_the_failed_ones(running, as_ada):
    text = _text(as_ada, "stage", running.pk, only="failed")
    assert reverse("stage-label", args=[running.pk, 2]) in text
    assert reverse("stage-label", args=[running.pk, 1]) not in text


def test_many_labels_come_in_pages(running, as_ada):
    (running.folder / "spec.json").write_text(json.dumps({"spec": {"snapshots": {"indices": list(range(120))}}}))
    assert "rows 101 to 120 of 120" in _text(as_ada, "stage", running.pk, page=3)
    assert "rows 51 to 100 of 120" in _text(as_ada, "stage-labels", running.pk, page=2)


def test_one_label_with_its_attempts_and_its_log(running, as_ada):
    text = _text(as_ada, "stage-label", running.pk, 2)
    assert "from scratch, more steps" in text
    assert "the output of label-000002.failed-1" in text
    assert "It has not been begun." in _text(as_ada, "stage-label", running.pk, 6)
    assert as_ada.get(reverse("stage-label", args=[running.pk, 7])).status_code == 404


def test_after_the_end_labels_lead_to_configurations(as_ada, full):
    stage = full.stages.filter(kind=StageKind.LABEL).first()
    table = label_records.of_stage(stage)
    assert [row.configuration for row in table.rows] == list(stage.frames.order_by("id").values_list("pk", flat=True))
    text = _text(as_ada, "stage", stage.pk)
    assert reverse("configuration", args=[table.rows[0].configuration]) in text
    assert "hx-get" not in text
    failed = Frame.objects.get(pk=table.rows[-1].configuration)
    assert "Attempts" in _text(as_ada, "configuration", failed.pk)
    assert "SCF not converged." in _text(as_ada, "configuration", failed.pk)


def test_dynamics_are_shown_by_interval(as_ada, ada):
    row = factories.campaign(ada)
    stage = factories.stage(row, StageKind.S0, StageState.RUNNING, cell=row.cells.first(), loop=0, step=0)
    (stage.folder / "spec.json").write_text(json.dumps({"spec": {"equilibration_steps": 10, "sample_every_steps": 5}}))
    tallies = [(7, 8, 0, 4.0), (15, 12, 4, 9.0), (20, 12, 9, 9.1)]
    (stage.folder / s0.JOURNAL).write_text("".join(
        json.dumps({"step": step, "energy_eV": -32.0, "forces_eV_A": [[0, 3, 4]] * 8,
                    "tally": {"labels_computed": computed, "labels_found": found, "seconds": seconds}}) + "\n"
        for step, computed, found, seconds in tallies
    ))  # fmt: skip
    kept = factories.frames(stage, 2, first=True)
    rows = label_records.of_stage(stage).rows
    assert [(row.number, row.labels, row.found, row.configuration) for row in rows] == [
        (7, 8, False, None), (15, 8, False, kept[0].pk), (20, 5, True, kept[1].pk),
    ]  # fmt: skip
    assert rows[1].seconds == 5.0
    assert rows[1].max_force_eV_A == 5.0
    assert kept[0].source == FrameSource.S0_FPMD
    assert "Dynamics with the reference method" in _text(as_ada, "stage", stage.pk)


@pytest.mark.parametrize("kind", [StageKind.TRAIN, StageKind.EVALUATE])
def test_other_stages_have_no_labels(as_ada, ada, kind):
    stage = factories.stage(factories.campaign(ada), kind)
    assert "stage-labels" not in _text(as_ada, "stage", stage.pk)
    assert as_ada.get(reverse("stage-labels", args=[stage.pk])).status_code == 404


@pytest.fixture
def draft(ada):
    return factories.campaign(ada, state=CampaignState.DRAFT, loop=0, step=0, labeller="cp2k", labeller_options={"cutoff_Ry": 300})


def test_a_draft_offers_the_check_with_the_stricter_values(as_ada, draft):
    text = _text(as_ada, "campaign-overview", draft.pk)
    assert "Plane-wave cut-off: 300 Ry → 450 Ry" in text
    assert "k-points: 1 1 1 → 2 2 2" in text
    response = as_ada.post(reverse("campaign-check", args=[draft.pk]), {"option": ["cutoff_Ry"]}, follow=True)
    assert "The reference method is being checked." in response.content.decode()
    stage = draft.stages.get()
    assert json.loads((stage.folder / "spec.json").read_text())["spec"]["options"] == ["cutoff_Ry"]
    assert "Waiting for a worker" in _text(as_ada, "campaign-cost", draft.pk)
    as_ada.post(reverse("campaign-check-stop", args=[draft.pk]))
    stage.refresh_from_db()
    assert stage.state == StageState.CANCELLED


def test_a_check_stands_on_the_page_of_the_draft_and_later_in_the_settings(as_ada, draft):
    factories.method_check(draft)
    for page in ("campaign-overview", "campaign-settings"):
        text = _text(as_ada, page, draft.pk)
        assert "Plane-wave cut-off 675 Ry" in text
        assert "walltime: One label took longer" in text
    draft.labeller_options = {"cutoff_Ry": 500}
    draft.save()
    assert method_checks.last(draft) is None
    assert "Plane-wave cut-off 675 Ry" not in _text(as_ada, "campaign-overview", draft.pk)


def test_an_unknown_option_is_refused_with_a_sentence(as_ada, draft):
    page = as_ada.post(reverse("campaign-check", args=[draft.pk]), {"option": ["colour"]}, follow=True)
    assert "cp2k has no colour that could be checked." in page.content.decode()
    assert not draft.stages.exists()


def test_a_viewer_sees_the_check_and_the_missing_labels_and_asks_for_nothing(as_ada, ada, bob):
    project = projects.create(bob, "garnets")
    projects.set_member(project, "ada", "viewer", bob)
    draft = factories.campaign(bob, state=CampaignState.DRAFT, loop=0, step=0, labeller="cp2k", project=project)
    running = factories.full_campaign(bob, project=project, n_steps=1)
    labelled = running.stages.get(kind=StageKind.LABEL)
    check, again = (reverse(name, args=[pk]) for name, pk in (("campaign-check", draft.pk), ("stage-relabel", labelled.pk)))
    for role, offered, status in (("viewer", False, 403), ("member", True, 302)):
        projects.set_member(project, "ada", role, bob)
        assert (check in _text(as_ada, "campaign-overview", draft.pk)) == offered
        assert "is missing" in _text(as_ada, "stage", labelled.pk)
        assert (again in _text(as_ada, "stage", labelled.pk)) == offered
        assert as_ada.post(check).status_code == status
        if not offered:
            assert as_ada.post(again).status_code == status
    assert Activity.objects.get(what="checked").who == "ada"
