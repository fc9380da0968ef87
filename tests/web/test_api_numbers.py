"""What the browser draws and does, for programs: structure, parity, the check of a method, a trajectory again, a set-up from a file."""

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from analysis.models import TrajectoryAnalysis
from campaigns.enums import CampaignState
from campaigns.models import Campaign, MethodCheck
from campaigns.science.frames import Frames
from campaigns.services import method_checks
from tests import factories
from tests.web.programs import at, post


def test_parity_is_that_of_the_files(api, full):
    found = api.get(at("parity", full.pk, 1, 1, "energy")).json()
    for pk, label, model in zip(found["configuration"], found["label"], found["model"], strict=True):
        row = full.frames.get(pk=pk)
        truth = Frames.load(row.artefact.file)[[row.row]]
        assert (label, model) == (truth.energy_eV[0] / 8, truth.model_energy_eV[0] / 8)
    assert (found["quantity"], found["unit"], found["error_unit"], found["n"]) == (
        "energy per atom", "eV/atom", "meV/atom", len(found["label"])
    )  # fmt: skip
    apart = np.array(found["model"]) - np.array(found["label"])
    assert found["rmse"] == pytest.approx(1000 * np.sqrt(np.mean(apart**2)))
    forces = api.get(at("parity", full.pk, 1, 1, "force")).json()
    assert (forces["n"], set(forces["group"])) == (found["n"] * 8 * 3, set(factories.SYMBOLS))
    assert api.get(at("parity", full.pk, 7, 7, "force")).status_code == 404
    assert api.get(at("parity", full.pk, 1, 1, "nothing")).status_code == 404


def test_structure_is_that_of_the_judged_file(api, full):
    run = full.md_runs.filter(diffusion__isnull=False).first()
    assert api.get(at("one-run-structure", run.pk, "rdf")).json() == []  # judged by a release that did not keep it
    file, r_A, rows = run.model.arrhenius.msd.file, np.linspace(0, 5, 6), np.array([[0.0, 1, 2, 1, 1, np.nan]])
    with np.load(file) as archive:
        kept = dict(archive)
    more = {"rdf_r_A": r_A, "van_hove_t_ps": np.array([2.0]), "van_hove_self": rows, "van_hove_distinct": 2 * rows}
    np.savez(file, **kept, **{f"{name}_{run.number}": values for name, values in more.items()}, **{f"rdf_{run.number}_Li-S": rows[0]})
    expected = [0, 1, 2, 1, 1, None]
    assert api.get(at("one-run-structure", run.pk, "rdf")).json() == [{"label": "Li-S", "r_A": r_A.tolist(), "values": expected}]
    (van_hove,) = api.get(at("one-run-structure", run.pk, "van-hove-self")).json()
    assert (van_hove["label"], van_hove["values"]) == ("2 ps", expected)
    assert api.get(at("one-run-structure", run.pk, "nothing")).status_code == 404


def test_a_method_is_checked_stopped_and_its_result_read(api, ada):
    draft = factories.campaign(ada, state=CampaignState.DRAFT)
    assert post(api, "methodcheck-list", {"options": ["cutoff_Ry"]}, draft.pk).status_code == 400
    stage = post(api, "methodcheck-list", {}, draft.pk)
    assert (stage.status_code, stage.json()["kind"], stage.json()["state"]) == (201, "check", "pending")
    assert post(api, "methodcheck-list", {}, draft.pk).status_code == 409
    assert post(api, "methodcheck-stop", {}, draft.pk).json()["state"] == "cancelled"
    assert post(api, "methodcheck-stop", {}, draft.pk).status_code == 409
    MethodCheck.objects.create(
        campaign=draft, stage_id=stage.json()["id"], method_key=method_checks.key_of(draft.labeller, {}), formula="Li3N", n_atoms=4,
        cores=2, seconds=12.5, rms_force_eV_A=0.8, verdict="converged", sentence="It is.", variants=[{"title": "As set"}],
    )  # fmt: skip
    (found,) = api.get(at("methodcheck-list", draft.pk)).json()["results"]
    assert (found["seconds"], found["verdict"], found["variants"]) == (12.5, "converged", [{"title": "As set"}])
    Campaign.objects.update(state=CampaignState.IMPORTED, labeller="abacus")  # a method that is not known here
    assert post(api, "methodcheck-list", {}, draft.pk).status_code == 409


def judge_again(api, row, document):
    return api.post(at("trajectoryanalysis-again", row.pk), document, content_type="application/json")


def test_a_trajectory_is_judged_again_with_what_is_said_now(api, ada):
    row = TrajectoryAnalysis.objects.create(
        owner=ada, name="run", file_names=["run.dump"], mobile_ion="Li", temperature_K=600, state="failed",
        spec={"files": ["00-run.dump"], "mobile_ion": "Li", "temperature_K": 600.0, "frame_interval_fs": 100.0, "hop_length_A": 3.0},
    )  # fmt: skip
    row.folder.mkdir(parents=True)
    (row.folder / "00-run.dump").write_text("ITEM: TIMESTEP\n")
    refused = judge_again(api, row, {"mobile_ion": "Xx"})
    assert (refused.status_code, list(refused.json()["fields"])) == (400, ["mobile_ion"])
    again = judge_again(api, row, {"temperature_K": 650, "elements": "Li, S"})
    assert (again.status_code, again.json()["state"], again.json()["temperature_K"]) == (200, "waiting", 650)
    row.refresh_from_db()
    assert (row.name, row.mobile_ion, row.spec["frame_interval_fs"], row.spec["elements"]) == ("run", "Li", 100.0, ["Li", "S"])
    assert judge_again(api, row, {}).status_code == 409


def test_a_set_up_as_a_file_becomes_a_draft(api, ada):
    file = SimpleUploadedFile("settings.yaml", b"material: li3n\nseed: 5\n")
    made = api.post(at("campaign-from-file"), {"file": file})
    assert (made.status_code, made.json()["state"], made.json()["seed"]) == (201, "draft", 5)
    refused = api.post(at("campaign-from-file"), {"file": SimpleUploadedFile("settings.yaml", b"seed: 5\n")})
    assert (refused.status_code, "names no material" in refused.json()["detail"]) == (400, True)
