"""What a campaign will cost, from what this installation has measured."""

import pytest
from django.utils import timezone

from campaigns.engines import disk
from campaigns.enums import RunPurpose, StageKind
from campaigns.science.protocol import PRESETS
from campaigns.science.setting_cautions import PRESET_NOTES
from campaigns.services import estimates, measurements
from campaigns.services.errors import BadInput
from campaigns.services.requests import CampaignRequest, CellRequest
from tests import factories

pytestmark = pytest.mark.django_db
REFERENCE = "not measured on this machine yet: a reference machine of 2 cores, with 50 atoms"


def _estimate(training=50, evaluation=200, **request):
    owner = factories.user("ada")
    one_atom = factories.material(owner, n_atoms=1.0)  # so that repetitions are atoms
    cells = [CellRequest(one_atom.pk, _supercell(n), n == training, n == evaluation) for n in (training, evaluation)]
    return estimates.estimate(owner, CampaignRequest(**{"name": "x", "cells": cells, "labeller": "chgnet"} | request))


def _supercell(n_atoms):
    return next((a, b, n_atoms // (a * b)) for a in range(1, 11) for b in range(1, 11) if n_atoms % (a * b) == 0 and n_atoms <= 10 * a * b)


def _row(estimate, word):
    return next(row for row in estimate.rows if row.what.startswith(word))


def _campaign(preset="quick", **protocol):
    return factories.campaign(factories.user("ada"), preset=preset, protocol=protocol)


def test_a_measured_label_costs_seconds_per_atom(settings):
    settings.ENGINE_CORES = 2  # the dynamics of S0 run side by side
    row = _campaign()
    factories.stage(row, StageKind.S0, cell=row.cells.first(), labels_computed=60, seconds=600.0)
    factories.stage(row, StageKind.LABEL, cell=row.cells.first(), labels_computed=40, seconds=200.0, cores=2)  # 0.1 s per atom, both
    small, large = _row(_estimate(4), "Reference"), _row(_estimate(100), "Reference")
    assert small.seconds / small.amount == pytest.approx(0.4)
    assert large.seconds / large.amount == pytest.approx(10.0)
    today = f"{timezone.now():%-d %b %Y}"
    assert large.basis == f"median of 2 stages of labels on this machine, {today}, with 50 atoms, scaled up 2 times"


def test_a_few_labels_are_no_measurement():
    row = _campaign()
    factories.stage(row, StageKind.LABEL, cell=row.cells.first(), labels_computed=12, seconds=500.0)
    assert _row(_estimate(), "Reference").basis == REFERENCE


@pytest.mark.parametrize("labeller", ["espresso", "vasp", "ase"])
def test_a_guess_is_called_one(labeller):
    basis = _row(_estimate(labeller="chgnet"), "Reference").basis
    assert "guess" not in basis
    assert "a guess" in measurements.label(labeller, {}, 50).basis


def test_a_label_that_follows_another_costs_less():
    one, next_one = (measurements.label("cp2k", {}, 50, following=share) for share in (0.0, 1.0))
    assert next_one.seconds == pytest.approx(one.seconds * 0.26)
    assert (next_one.low, next_one.high) == (pytest.approx(one.low * 0.26), one.high)
    assert "26 % of one from scratch" in next_one.basis
    assert "half of the processor time" in one.basis


def test_what_a_cluster_took_is_told_of_the_cluster_alone(settings):
    settings.ENGINE_CORES = 2
    row = _campaign()
    factories.stage(row, StageKind.LABEL, cell=row.cells.first(), labels_computed=60, seconds=600.0, cores=64, resource="big")
    assert measurements.label("chgnet", {}, 50).basis == REFERENCE
    there = measurements.label("chgnet", {}, 50, "big")
    assert there.seconds == pytest.approx(10.0)
    assert there.basis.startswith("one of the stages of labels on big, ")


def test_a_check_on_a_cluster_counts_as_it_is_and_there_alone(settings):
    settings.ENGINE_CORES = 2
    row = factories.campaign(factories.user("ada"), labeller="cp2k")
    check = factories.method_check(row, cores=64, seconds=20.0)
    check.stage.resource = "big"
    check.stage.save()
    there = measurements.label("cp2k", row.labeller_options, 50, "big")
    assert there.seconds == pytest.approx(20.0)
    assert "on 64 cores of big" in there.basis
    assert "check" not in measurements.label("cp2k", row.labeller_options, 50).basis


def _trained(row, seconds_per_batch, tries=1, step=1, said=True):
    """A training with 11 s of start-up in a cell of 50 atoms, of one try or of two with 1 and 2 configurations a batch."""
    n_batches = [1500 if number == 0 and step > 1 else 2500 for number in range(tries)]  # a warm start has fewer, what is repeated has not
    attempts = [{"batch_size": 2**number} | ({"n_batches": n} if said else {}) for number, n in enumerate(n_batches)]
    model = factories.trained_model(row, step=step, attempts=attempts)
    n_configurations = sum(n * 2**number for number, n in enumerate(n_batches))
    model.stage.seconds = 11.0 + seconds_per_batch * n_configurations
    model.stage.save()


@pytest.mark.parametrize("said", [True, False])  # an earlier release did not say how many batches a try had
@pytest.mark.parametrize(("tries", "step"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_a_measured_training_costs_seconds_per_batch_and_atom(tries, step, said):
    _trained(_campaign(), 0.1, tries, step, said)
    one = {"changes": {"max_loops": 1, "ramp_T_max_K": 400.0}}  # one training
    found = _row(_estimate(100, **one), "Training")
    assert found.seconds == pytest.approx(2500 * 0.1 * 2 + 2 * estimates.ENGINE_START_S)
    assert " on this machine, " in found.basis
    assert "another network" not in found.basis


def test_a_training_of_another_precision_says_nothing_and_of_another_network_is_named():
    _trained(_campaign("paper"), 5.0)
    assert _row(_estimate(), "Training").basis == REFERENCE
    _trained(_campaign("standard"), 0.2)
    found = _row(_estimate(), "Training")
    assert "trainings with another network on this machine" in found.basis
    assert "one of the trainings on this machine" in _row(_estimate(preset="standard"), "Training").basis
    _trained(_campaign(), 0.1)
    assert "one of the trainings on this machine" in _row(_estimate(), "Training").basis


def test_dynamics_is_measured_with_the_same_precision_whatever_the_preset():
    row = _campaign("standard", **{name: getattr(PRESETS["quick"], name) for name in measurements.NETWORK})
    factories.md_run(factories.trained_model(row), 600, purpose=RunPurpose.EXPLORE, steps_per_s=10.0)  # 200 atoms
    found = _row(_estimate(), "Exploration")
    assert " on this machine, " in found.basis
    assert "another network" not in found.basis
    explorations = PRESETS["quick"].max_loops * len(PRESETS["quick"].ramp_temperatures_K)
    assert found.seconds == pytest.approx(found.amount * 50 / 2000 + explorations * estimates.ENGINE_START_S)
    assert _row(_estimate(changes={"precision": "float64"}), "Exploration").basis.startswith("not measured")


def _labelled(row, seconds_per_label, **columns):
    cell = row.cells.first()
    return factories.stage(row, StageKind.LABEL, cell=cell, labels_computed=50, seconds=50 * seconds_per_label, cores=2, **columns)


def test_the_median_counts_and_not_the_last(settings):
    settings.ENGINE_CORES = 2
    row = _campaign()
    for seconds in (1.0, 1.1, 1.0, 9.0):
        _labelled(row, seconds)
    found = _row(_estimate(50), "Reference")
    assert found.seconds / found.amount == pytest.approx(1.05)
    assert found.basis.startswith("median of 4 stages of labels")


def test_what_was_measured_while_other_work_used_the_cores_is_left_out_and_said(settings):
    settings.ENGINE_CORES = 2
    row = _campaign()
    _labelled(row, 4.0, cores_short=1.5)
    alone = _row(_estimate(50), "Reference")
    assert alone.basis.endswith("with 50 atoms, while other work used its cores")  # better than nothing
    _labelled(row, 1.0, cores_short=0.1)
    found = _row(_estimate(50), "Reference")
    assert found.seconds / found.amount == pytest.approx(1.0)
    assert "(1 left out, made while other work used its cores)" in found.basis


def test_cells_of_the_nearest_size_are_taken_and_what_ran_on_a_cluster_is_not(settings):
    settings.ENGINE_CORES = 2
    row = _campaign()
    _labelled(row, 1.0)
    row.cells.update(n_atoms=50)
    larger = _campaign()
    larger.cells.update(n_atoms=240)
    _labelled(larger, 6.0)
    _labelled(larger, 99.0, resource="gpu-queue")
    found = _row(_estimate(250), "Reference")
    assert found.seconds / found.amount == pytest.approx(6.0 * 250 / 240)
    assert "with 240 atoms" in found.basis
    assert "scaled" not in found.basis
    assert "with 50 atoms" in _row(_estimate(50), "Reference").basis


def test_the_further_it_is_scaled_the_wider_the_range(settings):
    settings.ENGINE_CORES = 2
    _labelled(_campaign(), 1.0)
    near, far = _row(_estimate(50), "Reference"), _row(_estimate(250), "Reference")
    assert near.seconds_low == near.seconds == near.seconds_high
    assert far.seconds_high / far.seconds == pytest.approx(far.seconds / far.seconds_low)
    assert 1.5 < far.seconds_high / far.seconds < 2
    assert far.basis.endswith("scaled up 5 times")
    unknown = _row(_estimate(250), "Training")
    assert unknown.seconds_high / unknown.seconds > 3  # another machine, and scaled


def test_hours_are_said_with_what_takes_them():
    assert _estimate().advice == ""
    found = _estimate(evaluation=1000).advice
    assert "more than an hour" in found
    assert "Evaluation (NVE) takes" in found
    assert "with 1000 atoms: a smaller evaluation cell" in found
    assert "quick" not in _estimate(evaluation=1000, preset="standard").advice


def test_a_cell_thinner_than_twice_the_cut_off_is_said():
    assert "less than twice the cut-off" in " ".join(_estimate(2).warnings)


def test_a_preset_as_it_stands_gives_no_more_than_one_note():
    owner = factories.user("ada")
    lgps = factories.material(owner)
    cells = [CellRequest(lgps.pk, (1, 1, 1), True, False), CellRequest(lgps.pk, (2, 2, 1), False, True)]
    said = {name: estimates.estimate(owner, CampaignRequest("x", cells, "chgnet", preset=name)).warnings for name in PRESETS}
    assert said == {"quick": [PRESET_NOTES["quick"]], "standard": [], "paper": []}


def test_what_was_changed_from_a_preset_is_said_for_itself():
    warnings = _estimate(changes={"evaluation_temperatures_K": (500, 550)}).warnings
    assert "2 evaluation temperatures: an Arrhenius fit wants at least 5." in warnings
    assert "1000/T spans 0.18 K⁻¹; with less than 0.6 K⁻¹ the error of Ea will be large." in " ".join(warnings)
    assert not any("force components" in text for text in warnings)


def test_the_relaxation_of_every_cell_is_counted_once():
    relaxed, plain = _estimate(50, 200), _estimate(50, 200, changes={"relax_cells": False})
    steps = PRESETS["quick"].relax_max_steps
    row = _row(relaxed, "Relaxation")
    assert (row.amount, row.n_atoms) == (2 * steps, 125)
    assert relaxed.labels == plain.labels + 2 * steps
    assert not any(row.what.startswith("Relaxation") for row in plain.rows)
    assert _row(_estimate(100, 100), "Relaxation").amount == 2 * steps  # two cells of one size


def test_an_evaluation_cell_needs_the_mobile_ion():
    owner = factories.user("ada")
    with_ion = factories.material(owner)
    without = factories.material(owner, mobile_ion="Na", facts=with_ion.facts | {"elements": ["Na", "Cl"]}, cif="other")
    cells = [CellRequest(with_ion.pk, (1, 1, 1), True, True), CellRequest(without.pk, (1, 1, 1), True, True)]
    with pytest.raises(BadInput) as refused:
        estimates.estimate(owner, CampaignRequest(name="x", cells=cells, labeller="chgnet"))
    assert "has no Li, the mobile ion" in refused.value.fields["cells.2"]


def test_a_campaign_larger_than_the_disk_is_said(monkeypatch):
    needed = _estimate().disk_bytes
    monkeypatch.setattr(disk, "free_bytes", lambda folder: needed + 1)
    assert "are free on the disk" not in " ".join(_estimate().warnings)
    monkeypatch.setattr(disk, "free_bytes", lambda folder: needed - 1)
    assert "are free on the disk" in " ".join(_estimate().warnings)


def test_core_hours_and_md_steps_are_those_of_the_rows(settings):
    settings.ENGINE_CORES = 4
    found = _estimate()
    assert found.md_steps == _row(found, "Exploration").amount + _row(found, "Evaluation").amount
    assert found.core_hours == pytest.approx(4 * sum(row.seconds for row in found.rows) / 3600)
    assert found.core_hours_low < found.core_hours < found.core_hours_high
