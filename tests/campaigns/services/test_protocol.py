"""The order of the protocol, with stand-in engines."""

import pytest

from campaigns import queries
from campaigns.engines import job
from campaigns.enums import CampaignState, StageKind, StageState, Verdict
from campaigns.models import Cell, Frame, MdRun, Stage, TrainedModel, TrainingSet
from campaigns.services import campaigns, ingest, specs, stages

pytestmark = pytest.mark.django_db(transaction=True)


def kinds(campaign):
    return list(campaign.stages.order_by("id").values_list("kind", "loop", "step", "repeat"))


def assert_said(campaign, words):
    """The end stands in the log of what was done."""
    last = campaign.activities.first()
    assert (last.who, last.what, last.detail) == ("the protocol", f"ended: {words}", campaign.reason)


def test_a_campaign_goes_from_cell_to_activation_energy(make_campaign, stand_ins, run_to_end):
    campaign = run_to_end(make_campaign())

    assert campaign.state == CampaignState.CONVERGED
    assert kinds(campaign) == [
        ("prepare", 0, 0, 0),
        ("s0", 0, 0, 0),
        ("s0", 0, 0, 0),
        ("train", 1, 1, 0),
        ("probe", 1, 1, 0),
        ("explore", 1, 1, 0),
        ("label", 1, 1, 0),
        ("train", 1, 2, 0),
        ("explore", 1, 2, 0),
        ("label", 1, 2, 0),
        ("evaluate", 1, 2, 0),
        ("evaluate", 1, 2, 0),
        ("evaluate", 1, 2, 0),
        ("judge", 1, 2, 0),
    ]
    assert_said(campaign, "converged")
    found = queries.result(campaign)
    assert found["activation_energy_eV"] == 0.2
    assert len(found["runs"]) == 3
    assert found["labels_computed"] == 2 * 6 + 2 * 3


def test_the_training_set_grows_and_failed_labels_are_kept_apart(make_campaign, stand_ins, run_to_end):
    campaign = run_to_end(make_campaign())

    sets = list(TrainingSet.objects.filter(campaign=campaign).values_list("n_new", "n_unlabelled"))
    assert sets == [(12, 0), (4, 1), (4, 2)]
    models = TrainedModel.objects.filter(campaign=campaign)
    kept_then = TrainingSet.objects.filter(campaign=campaign).order_by("id")
    assert [model.n_frames for model in models] == [kept_then[0].n_kept, kept_then[1].n_kept]
    unlabelled = Frame.objects.filter(campaign=campaign, verdict=Verdict.UNLABELLED)
    assert {frame.message for frame in unlabelled} == {"the SCF did not converge in 50 steps"}


def test_a_trajectory_with_atoms_too_close_repeats_the_training_with_a_larger_batch(make_campaign, stand_ins, run_to_end):
    stand_ins("explore", "reject", times=1)
    campaign = run_to_end(make_campaign())

    assert campaign.state == CampaignState.CONVERGED
    batches = list(TrainedModel.objects.filter(campaign=campaign, step=1).values_list("repeat", "batch_size"))
    assert batches == [(0, 1), (1, 2)]
    assert MdRun.objects.get(campaign=campaign, outcome="min_distance").reason == "Li-Li 0.4 Å at 0.1 ps"


def test_a_step_whose_repeats_are_used_up_adds_nothing_and_the_ramp_goes_on(make_campaign, stand_ins, run_to_end):
    stand_ins("explore", "reject", times=2)
    campaign = run_to_end(make_campaign(max_training_repeats=1))

    assert campaign.state == CampaignState.CONVERGED
    assert TrainingSet.objects.get(campaign=campaign, loop=1, step=1).n_new == 0
    assert TrainingSet.objects.get(campaign=campaign, loop=1, step=2).n_new == 4


def test_a_loop_without_one_usable_configuration_fails_with_what_to_do(make_campaign, stand_ins, run_to_end):
    stand_ins("explore", "reject", times=100)
    campaign = run_to_end(make_campaign(max_training_repeats=0))

    assert campaign.state == CampaignState.FAILED
    assert "more configurations in S0" in campaign.reason
    assert_said(campaign, "failed")


def test_loops_go_on_until_they_are_used_up(make_campaign, stand_ins, run_to_end):
    stand_ins("judge", "reject", times=100)
    campaign = run_to_end(make_campaign(max_loops=2))

    assert campaign.state == CampaignState.NOT_CONVERGED
    assert "All 2 training loops" in campaign.reason
    assert_said(campaign, "not converged")
    assert campaign.stages.filter(kind=StageKind.JUDGE).count() == 2


def test_a_stationary_d_without_an_activation_energy_has_not_converged(make_campaign, stand_ins, run_to_end):
    stand_ins("judge", "no line", times=1)
    campaign = run_to_end(make_campaign(max_loops=1))

    assert campaign.state == CampaignState.NOT_CONVERGED
    assert "no activation energy: No line: 1 of 3 runs" in campaign.reason


def test_a_loop_that_is_still_moving_is_followed_by_another(make_campaign, stand_ins, run_to_end):
    stand_ins("judge", "reject", times=1)
    campaign = run_to_end(make_campaign(max_loops=5))

    assert campaign.state == CampaignState.CONVERGED
    assert campaign.loop == 2


def test_the_same_campaign_seed_gives_the_same_seeds(make_campaign, stand_ins, run_to_end):
    first, second = run_to_end(make_campaign()), run_to_end(make_campaign())

    def seeds(campaign):
        specs = [job.read_json(stage.folder / "spec.json")["spec"] for stage in campaign.stages.order_by("id")]
        return [spec.get("seed") for spec in specs]

    assert seeds(first) == seeds(second)
    assert not Stage.objects.exclude(state=StageState.DONE).exists()


def test_retry_where_no_model_was_physical_trains_again(make_campaign, stand_ins, run_to_end):
    stand_ins("explore", "reject", times=100)
    campaign = run_to_end(make_campaign())
    assert campaign.state == CampaignState.FAILED
    tried = TrainedModel.objects.filter(campaign=campaign, step=2).count()

    stand_ins("explore", "reject", times=0)
    campaigns.retry(campaign)
    campaign = run_to_end(campaign)
    assert campaign.state == CampaignState.CONVERGED
    models = TrainedModel.objects.filter(campaign=campaign, step=2).order_by("repeat")
    assert models.count() == tried + 1
    assert models.last().batch_size == 2 * models[tried - 1].batch_size
    # The repeated step had a set already, without new configurations: now it has another, and everything in it was judged.
    assert list(TrainingSet.objects.filter(campaign=campaign, step=2).values_list("repeat", "n_new")) == [(tried - 1, 0), (tried, 4)]
    judged = Frame.objects.filter(campaign=campaign, step=2).exclude(verdict=Verdict.UNLABELLED)
    assert judged.count() == 3
    assert not judged.filter(number=None).exists()


def test_a_repetition_doubles_the_batch_that_the_loss_condition_chose(make_campaign, stand_ins, run_to_end):
    campaign = run_to_end(make_campaign())
    TrainedModel.objects.filter(campaign=campaign, step=1).update(batch_size=4)
    train = campaign.stages.get(kind=StageKind.TRAIN, step=1)
    assert specs.build(train).batch_size == 1
    train.repeat = 1
    assert specs.build(train).batch_size == 8


def test_a_loop_whose_last_exploration_was_rejected_has_not_converged(make_campaign, stand_ins, run_to_end, monkeypatch):
    campaign = make_campaign(max_training_repeats=0, max_loops=1)
    campaigns.start(campaign)
    while not TrainedModel.objects.filter(campaign=campaign, step=2).exists():
        stages.run(campaign.stages.filter(state=StageState.PENDING).order_by("id").first().pk)
    stand_ins("explore", "reject", times=1)
    campaign.refresh_from_db()
    campaign = run_to_end(campaign)
    assert campaign.state == CampaignState.NOT_CONVERGED
    assert "was rejected: Li-Li 0.4" in campaign.reason


def test_every_model_knows_its_training_set_and_every_configuration_its_history(make_campaign, stand_ins, run_to_end):
    campaign = run_to_end(make_campaign())
    for model in TrainedModel.objects.filter(campaign=campaign):
        members = model.training_set.members()
        assert members.count() == model.n_frames
        spec = job.read_json(model.stage.folder / "spec.json")["spec"]
        trained_on = {(part["path"], row) for part in spec["frames"] for row in part["indices"]}
        assert {(str(frame.artefact.file), frame.row) for frame in members.select_related("artefact")} == trained_on
    frame = Frame.objects.filter(campaign=campaign, verdict=Verdict.KEPT).first()
    assert [change.verdict for change in frame.history.all()][-1] == Verdict.KEPT
    assert Frame.objects.filter(campaign=campaign, verdict=Verdict.UNLABELLED, history__isnull=False).count() == 0


def test_the_models_error_is_that_of_all_training_cells(make_campaign, stand_ins, run_to_end, material):
    campaign = make_campaign()
    Cell.objects.create(campaign=campaign, material=material, for_training=True, for_evaluation=False, supercell_a=2)
    campaign = run_to_end(campaign)
    model = TrainedModel.objects.filter(campaign=campaign).first()
    first, second = campaign.cells.order_by("id")
    new = Frame.objects.filter(campaign=campaign, step=model.step, loop=1)
    new.filter(cell=first).update(model_force_rmse_eV_A=0.3, n_atoms=10)
    new.filter(cell=second).update(model_force_rmse_eV_A=0.1, n_atoms=30)
    ingest.keep_test_error(model)
    assert model.new_force_rmse_eV_A == pytest.approx(((10 * 0.3**2 + 30 * 0.1**2) / 40) ** 0.5)
    assert model.new_energy_rmse_meV_atom == pytest.approx(2.5)


def test_a_step_after_a_rejected_exploration_does_not_start_from_its_model(make_campaign, stand_ins, run_to_end):
    stand_ins("explore", "reject", times=1)
    campaign = run_to_end(make_campaign(max_training_repeats=0, ramp_T_max_K=900.0))
    models = TrainedModel.objects.filter(campaign=campaign, loop=1)
    specs = [job.read_json(model.stage.folder / "spec.json")["spec"] for model in models]
    assert [spec["init_checkpoint"] is None for spec in specs] == [True, True, False]
    assert specs[2]["init_checkpoint"].endswith(models[1].checkpoint)
