"""DP-GEN folder -> campaign -> folder with the same frames, and what is refused."""

import json
import shutil
import tarfile
import zipfile
from dataclasses import replace

import dpdata
import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from campaigns import queries
from campaigns.enums import CampaignState, StageKind
from campaigns.models import Campaign, MdRun, TrainedModel
from campaigns.science.frames import Frames
from campaigns.services import archives, campaigns, continuation, data_sets, dpgen_export, dpgen_import, exports
from campaigns.services.errors import BadInput
from tests import dpgen_run, factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db):
    return factories.user("ada")


@pytest.fixture
def run(tmp_path):
    return dpgen_run.build(tmp_path / "run")


@pytest.fixture
def taken(ada, run):
    return dpgen_import.take_in(ada, run, "LiS by DP-GEN")


def written(campaign, place):
    """The export, unpacked."""
    with dpgen_export.run_folder(campaign) as stream, zipfile.ZipFile(stream) as archive:
        archive.extractall(place)
    (top,) = place.iterdir()
    return top


def frames_below(folder):
    """Every labelled frame of the systems below a folder, as dpdata reads them: by its energy, with elements and arrays."""
    found = {}
    for system in sorted({one.parent for one in folder.rglob("type.raw")}):
        data = dpdata.LabeledSystem(str(system), fmt="deepmd/npy").data
        symbols = [data["atom_names"][kind] for kind in data["atom_types"]]
        for row, energy in enumerate(data["energies"]):
            found[round(float(energy), 9)] = (symbols, data["coords"][row], data["forces"][row], data["virials"][row], data["cells"][row])
    return found


def same(one, other):
    assert one.keys() == other.keys() != set()
    for key, (symbols, *arrays) in one.items():
        assert symbols == other[key][0]
        for array, again in zip(arrays, other[key][1:], strict=True):
            np.testing.assert_allclose(again, array, rtol=0, atol=1e-12)


def test_folder_campaign_folder_with_the_same_frames(run, taken, tmp_path):
    top = written(taken, tmp_path / "again")
    same(frames_below(run / "data"), frames_below(top / "init"))
    for number in range(2):
        place = f"iter.{number:06d}/02.fp/data.000"
        same(frames_below(run / place), frames_below(top / place))
        assert (top / f"iter.{number:06d}/00.train/graph.001.pb").read_bytes() == b"graph %d 1" % number
        assert (top / f"iter.{number:06d}/00.train/000/lcurve.out").read_text() == dpgen_run.LCURVE
    assert not (top / "iter.000002/02.fp").exists()
    assert (top / "record.dpgen").read_text().split("\n")[-2] == "1 8"


def test_the_set_up_leaves_as_it_came(run, taken, tmp_path):
    """Also after the way through an archive."""
    path = tmp_path / "archive.zip"
    path.write_bytes(b"".join(archives.archive(taken)))
    for number, campaign in enumerate([taken, archives.take_in(factories.user("bob"), path)]):
        top = written(campaign, tmp_path / f"again-{number}")
        given, param = (json.loads((folder / "param.json").read_text()) for folder in (run, top))
        assert {name for name in given | param if given.get(name) != param.get(name)} == {
            "init_data_prefix", "init_data_sys", "init_batch_size", "sys_configs_prefix", "sys_configs"
        }  # fmt: skip
        assert (param["init_data_sys"], param["init_batch_size"]) == (["init"], [2])
        assert [[(top / name).read_text() for name in names] for names in param["sys_configs"]] == [
            ["LiS 1.vasp\n", "LiS 2.vasp\n"], ["LiS wide.vasp\n"]
        ]  # fmt: skip
        machine = json.loads((top / "machine.json").read_text())
        assert machine["fp"][0]["machine"]["remote_profile"] == {"hostname": "cluster", "username": "ada"}
        assert not (top / "label.py").exists()
        assert "fp_incar, fp_pp_path, fp_pp_files in param.json name. Put" in (top / "README.md").read_text()
    assert "Passwords and the like in machine.json are not kept" in taken.reason


def test_iterations_and_systems_keep_their_numbers(run, ada, tmp_path):
    """Nothing was labelled in the first iteration, and the last has ended without labels; jobs and batch sizes go by these numbers."""
    shutil.rmtree(run / "iter.000000/02.fp")
    (run / "iter.000001/02.fp/data.000").rename(run / "iter.000001/02.fp/data.001")
    (run / "record.dpgen").write_text("".join(f"{number} {stage}\n" for number in range(3) for stage in range(9)))
    top = written(dpgen_import.take_in(ada, run), tmp_path / "again")
    assert [path.parent.name for path in sorted(top.glob("iter.*/02.fp"))] == ["iter.000001"]
    same(frames_below(run / "iter.000001/02.fp/data.001"), frames_below(top / "iter.000001/02.fp/data.001"))
    assert (top / "record.dpgen").read_text().split("\n")[-2] == "2 8"


@pytest.mark.parametrize("missing", ["machine.json", "confs/2.vasp", "data"])
def test_what_is_not_there_is_not_invented(run, ada, tmp_path, missing):
    if missing == "confs/2.vasp":
        (run / missing).rename(run / "2.vasp")
        (run / "confs" / "2.vasp").symlink_to(run / "nowhere")
    else:
        shutil.move(run / missing, tmp_path / "elsewhere")
    given = json.loads((run / "param.json").read_text())
    top = written(dpgen_import.take_in(ada, run), tmp_path / "again")
    param = json.loads((top / "param.json").read_text())
    assert (top / "machine.json").exists() == (missing != "machine.json")
    assert (param["sys_configs"] == given["sys_configs"]) == (missing == "confs/2.vasp")
    assert (param["init_data_sys"] == given["init_data_sys"]) == (missing == "data")


@pytest.mark.parametrize("without", ["all of it", "the initial data"])
def test_labels_without_a_virial_leave_as_they_came(run, ada, tmp_path, without):
    for path in (run if without == "all of it" else run / "data").rglob("virial.npy"):
        path.unlink()
    campaign = dpgen_import.take_in(ada, run)
    frames = campaign.frames.select_related("artefact").order_by("artefact_id", "row")
    for format_name in ("deepmd/npy", "deepmd/npy/mixed", "extxyz"):
        with exports.data_set(campaign, frames, format_name) as stream, zipfile.ZipFile(stream) as archive:
            archive.extractall(tmp_path / format_name.replace("/", "-"))
    for format_name in ("deepmd/npy", "deepmd/npy/mixed"):
        sets = (tmp_path / format_name.replace("/", "-")).rglob("energy.npy")
        assert sorted((len(np.load(one)), one.with_name("virial.npy").exists()) for one in sets) == (
            [(7, False)] if without == "all of it" else [(3, False), (4, True)]
        )
    top = written(campaign, tmp_path / "again")
    assert len(list(top.rglob("virial.npy"))) == (0 if without == "all of it" else 2)
    assert len(list(top.rglob("energy.npy"))) == 3


def test_what_the_run_was_is_looked_at_as_a_campaign(run, taken, ada, client):
    assert (taken.state, taken.labeller) == (CampaignState.IMPORTED, "vasp")
    assert "0.06 to 0.18 eV/Å" in taken.reason
    assert "iteration 2 after stage 4" in taken.reason
    assert "lis/elsewhere are not in the folder" in taken.reason
    assert list(taken.frames.order_by("id").values_list("loop", "step")) == [(0, 0)] * 3 + [(1, 1)] * 2 + [(1, 2)] * 2
    # Tasks are sorted: step 20 came first, whatever the shuffled list says.
    assert list(taken.frames.filter(step=2).order_by("id").values_list("model_deviation_eV_A", flat=True)) == [0.072, 0.141]
    frame = taken.frames.filter(step=1).last()
    truth = dpdata.LabeledSystem(str(run / "iter.000000/02.fp/data.000/S4Li4"), fmt="deepmd/npy").data
    arrays = Frames.load(frame.artefact.file)
    np.testing.assert_allclose(arrays.forces_eV_A[frame.row], truth["forces"][1])
    assert frame.energy_eV_atom == pytest.approx(truth["energies"][1] / 8)
    models = TrainedModel.objects.filter(campaign=taken)
    assert list(models.values_list("step", "repeat", "n_frames")) == [(1, 0, 3), (1, 1, 3), (2, 0, 5), (2, 1, 5), (3, 0, 7), (3, 1, 7)]
    assert (models[0].force_rmse_eV_A, models[0].energy_rmse_meV_atom, models[0].sel) == (0.06, pytest.approx(4.0), [40, 60])
    assert list(queries.learning_curve(models[0])["step"]) == [0, 500, 1000]
    md = MdRun.objects.filter(campaign=taken).last()
    assert (md.temperature_K, md.duration_ps) == (600.0, pytest.approx(0.1))
    assert "4 frames: 25 % accurate, 50 % candidate, 25 % failed" in md.reason
    assert "1 frames have none" in md.reason
    assert [(step.temperature_K, step.state, step.is_evaluated) for step in queries.ramp(taken)] == [
        (300.0, "done", False), (450.0, "done", False), (600.0, "done", False)
    ]  # fmt: skip
    client.force_login(ada)
    names = ("overview", "results", "training-set", "models", "stages", "settings", "report", "parity")
    for address in [reverse(f"campaign-{name}", args=[taken.pk]) for name in names] + [
        reverse("model", args=[models[0].pk]), reverse("configuration", args=[frame.pk]), reverse("campaign-list"),
        reverse("stage", args=[taken.stages.get(kind=StageKind.EXPLORE, step=1).pk]), reverse("campaign-new") + f"?copy={taken.pk}",
    ]:  # fmt: skip
        assert (address, client.get(address).status_code) == (address, 200)
    assert "0.141 eV/Å" in client.get(reverse("configuration", args=[frame.pk])).content.decode()


def test_one_goes_on_from_an_imported_run(taken, ada, client):
    client.force_login(ada)
    assert reverse("campaign-go-on", args=[taken.pk]) in client.get(reverse("campaign-overview", args=[taken.pk])).content.decode()
    wizard = client.post(reverse("campaign-go-on", args=[taken.pk])).url
    token = wizard.rpartition("=")[2]
    assert f'value="{token}"' in client.get(wizard).content.decode()
    asked = replace(continuation.request_to_go_on(taken, token), labeller="chgnet", labeller_options={})
    draft = campaigns.create(ada, asked)  # which reads the set and finds it good
    assert (draft.state, draft.s0_route, draft.s0_upload_format) == (CampaignState.DRAFT, "upload", "deepmd/npy")
    assert [(cell.for_training, cell.for_evaluation) for cell in draft.cells.all()] == [(True, True)]
    assert data_sets.inspect_upload(ada, token, "deepmd/npy", ["Li", "S"])["n_frames"] == 7


def test_an_imported_run_is_archived_and_moves_on(taken, ada, tmp_path):
    path = tmp_path / "archive.zip"
    path.write_bytes(b"".join(archives.archive(taken)))
    again = archives.take_in(factories.user("bob"), path)
    assert (again.state, again.frames.count(), again.trained_models.count()) == (CampaignState.IMPORTED, 7, 6)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_packed_run_and_its_links(run, ada, tmp_path, kind):
    """Packed runs hold links: they are left out, and nothing outside the folder is read."""
    outside = tmp_path / "outside"
    shutil.move(run / "data" / "lis", outside)
    param = json.loads((run / "param.json").read_text())
    (run / "param.json").write_text(json.dumps(param | {"init_data_prefix": "/", "init_data_sys": [str(outside / "deepmd")[1:]]}))
    path = tmp_path / f"run.{kind}"
    if kind == "zip":
        shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path, "run")
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(run, "run")
    campaign = dpgen_import.take_in(ada, path)
    assert list(campaign.frames.order_by("id").values_list("step", flat=True)) == [1, 1, 2, 2]
    assert "are not in the folder" in campaign.reason
    assert campaign.trained_models.count() == 6


def test_what_is_no_run_is_refused_and_leaves_nothing(ada, tmp_path, settings, run):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match=r"needs param.json beside iter.000000"):
        dpgen_import.take_in(ada, empty)
    np.save(run / "iter.000001/02.fp/data.000/S4Li4/set.000/energy.npy", np.zeros(7))
    with pytest.raises(BadInput, match="energy has shape"):
        dpgen_import.take_in(ada, run)
    (run / "param.json").write_text("{")
    with pytest.raises(BadInput, match="not JSON with a type_map"):
        dpgen_import.take_in(ada, run)
    assert not Campaign.objects.exists()
    assert not list((settings.DATA_DIR / "exports").iterdir())


def test_a_campaign_of_ours_goes_on_with_dpgen(ada, tmp_path):
    row = factories.full_campaign(ada, n_steps=2, frames_per_step=6)
    top = written(row, tmp_path / "export")
    param = json.loads((top / "param.json").read_text())
    assert (param["type_map"], param["fp_style"], param["numb_models"]) == (["Ge", "Li", "P", "S"], "custom", 4)
    assert [job["temps"] for job in param["model_devi_jobs"]][:2] == [[400.0], [600.0]]
    assert len(param["model_devi_jobs"]) == 2 + len(row.settings.ramp_temperatures_K)
    kept = row.frames.filter(verdict="kept")
    assert len(frames_below(top / "init")) == kept.filter(loop=0).count()
    assert len(frames_below(top / "iter.000001")) == kept.filter(step=2).count()
    assert {tuple(path.read_text().split()) for path in top.rglob("type_map.raw")} == {tuple(param["type_map"])}
    assert dpdata.System(str(top / "confs/cell-0/POSCAR"), fmt="vasp/poscar").get_natoms() == 8
    compile((top / "label.py").read_text(), "label.py", "exec")
    assert json.loads((top / "machine.json").read_text())["fp"][0]["command"] == "python label.py"


def test_nothing_to_go_on_from(ada):
    with pytest.raises(BadInput, match="no starting set yet"):
        dpgen_export.run_folder(factories.campaign(ada))


def test_without_a_browser(run, ada, tmp_path, capsys):
    call_command("import_dpgen", str(run))
    assert "7 configurations" in capsys.readouterr().out
    call_command("export", "dpgen", str(Campaign.objects.get().pk), "-o", str(tmp_path / "out.zip"))
    assert zipfile.is_zipfile(tmp_path / "out.zip")
    with pytest.raises(CommandError, match="nothing at"):
        call_command("import_dpgen", str(run / "nowhere"))
