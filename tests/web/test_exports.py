"""What leaves the browser: data sets that other programs read, trained models with all that belongs to them."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from campaigns.engines.upload import accepted_frames
from campaigns.models import TrainedModel
from campaigns.science.frames import Frames
from tests import factories


def unpacked(response, folder):
    """The zip file of a response, unpacked; its only top folder."""
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        archive.extractall(folder)
    (top,) = folder.iterdir()
    return top


@pytest.fixture
def exported(as_ada, full, tmp_path):
    """The configurations of a campaign in one format, unpacked, with their rows in the order of configurations.csv."""

    def export(format_name, **chosen):
        response = as_ada.get(reverse("campaign-training-set-download", args=[full.pk]), {"format": format_name} | chosen)
        return unpacked(response, tmp_path / "export")

    return export


def rows_of(top):
    lines = (top / "configurations.csv").read_text().splitlines()
    header = lines[0].split(",")
    return [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]


def labelled(campaign, **chosen):
    return campaign.frames.exclude(verdict="unlabelled").filter(**chosen)


def arrays_of(campaign, configuration):
    row = campaign.frames.get(pk=int(configuration))
    return Frames.load(row.artefact.file)[[row.row]]


@pytest.mark.parametrize("format_name", ["deepmd/npy", "deepmd/npy/mixed", "extxyz", "ase-db"])
def test_another_program_reads_back_what_was_labelled(exported, full, format_name):
    top = exported(format_name)
    rows = rows_of(top)
    assert {int(row["configuration"]) for row in rows} == {frame.pk for frame in labelled(full)}
    for row in rows:
        truth = arrays_of(full, row["configuration"])
        symbols, positions_A, energy_eV, forces_eV_A, virial_eV = READERS[format_name](top / row["file"], int(row["number_in_file"]))
        assert symbols == truth.symbols.tolist()
        np.testing.assert_allclose(positions_A, truth.positions_A[0], atol=1e-7)
        np.testing.assert_allclose(energy_eV, truth.energy_eV[0], atol=1e-7)
        np.testing.assert_allclose(forces_eV_A, truth.forces_eV_A[0], atol=1e-7)
        # ASE keeps six numbers of nine, and so the symmetric part; the arrays of this test have another.
        np.testing.assert_allclose(virial_eV + virial_eV.T, truth.virial_eV[0] + truth.virial_eV[0].T, atol=1e-6)


def _by_dpdata(format_name):
    def read(path, number):
        import dpdata

        if format_name == "deepmd/npy":
            system = dpdata.LabeledSystem(str(path), fmt=format_name)
            index = number
        else:  # dpdata takes it apart by formula: one formula here
            (system,) = dpdata.MultiSystems().load_systems_from_file(str(path), fmt=format_name)
            index = number
        data = system.data
        symbols = [data["atom_names"][kind] for kind in data["atom_types"]]
        return symbols, data["coords"][index], data["energies"][index], data["forces"][index], data["virials"][index]

    return read


def _by_ase(atoms):
    virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
    return atoms.get_chemical_symbols(), atoms.positions, atoms.get_potential_energy(), atoms.get_forces(), virial


def _xyz(path, number):
    from ase.io import read

    return _by_ase(read(path, index=number))


def _database(path, number):
    from ase.db import connect

    with connect(path) as database:
        return _by_ase(database.get_atoms(number))


READERS = {
    "deepmd/npy": _by_dpdata("deepmd/npy"),
    "deepmd/npy/mixed": _by_dpdata("deepmd/npy/mixed"),
    "extxyz": _xyz,
    "ase-db": _database,
}


def test_every_format_that_is_offered_can_be_written():
    from campaigns.science import data_set_formats
    from campaigns.services import exports

    assert set(data_set_formats.FORMATS) == set(exports.FORMATS)


def test_what_was_exported_can_be_uploaded_again(exported, full):
    top = exported("deepmd/npy")
    (again,) = accepted_frames(top / "data", "auto", ["Ge", "Li", "P", "S"])
    assert len(again) == labelled(full).count()


def test_only_what_the_filter_leaves(exported, full):
    top = exported("extxyz", verdict="rejected")
    assert {int(row["configuration"]) for row in rows_of(top)} == {frame.pk for frame in labelled(full, verdict="rejected")}
    assert {row["verdict"] for row in rows_of(top)} == {"rejected"}


@pytest.mark.parametrize(("chosen", "reason"), [({"format": "pickle"}, "not known"), ({"loop": "77"}, "no labelled configuration")])
def test_what_cannot_be_exported_is_said_on_the_page(as_ada, full, chosen, reason):
    page = as_ada.get(reverse("campaign-training-set-download", args=[full.pk]), chosen, follow=True)
    assert reason in page.content.decode()
    assert page.redirect_chain


def test_a_model_comes_with_everything_it_needs_and_its_checksums(as_ada, full, tmp_path):
    model = TrainedModel.objects.filter(campaign=full).last()
    top = unpacked(as_ada.get(reverse("model-package", args=[model.pk])), tmp_path / "package")
    assert (top / "graph.pb").read_bytes() == model.frozen.file.read_bytes()
    assert f"pair_coeff      * * {' '.join(model.type_map)}" in (top / "lammps" / "in.lammps").read_text()
    assert f"{model.force_rmse_eV_A:.4f} eV/Å" in (top / "README.md").read_text()
    manifest = json.loads((top / "manifest.json").read_text())
    files = {str(path.relative_to(top)): path for path in top.rglob("*") if path.is_file() and path.name != "manifest.json"}
    assert manifest["sha256"] == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_a_model_of_pytorch_keeps_its_format_on_the_way_to_lammps(as_ada, full, tmp_path):
    model = TrainedModel.objects.filter(campaign=full).last()
    for one in (model.frozen, model.compressed):
        kept = one.file
        one.path = one.path.removesuffix(".pb") + ".pth"
        kept.rename(one.file)
        one.save()
    assert "<dd>PyTorch</dd>" in as_ada.get(reverse("model", args=[model.pk])).content.decode()
    top = unpacked(as_ada.get(reverse("model-package", args=[model.pk])), tmp_path / "package")
    assert sorted(path.name for path in top.glob("graph*")) == ["graph-compressed.pth", "graph.pth"]
    assert "pair_style      deepmd ../graph-compressed.pth" in (top / "lammps" / "in.lammps").read_text()
    assert "pair_style deepmd graph-compressed.pth" in (top / "README.md").read_text()
    assert json.loads((top / "manifest.json").read_text())["backend"] == "pytorch"


def test_no_package_without_a_file_that_is_missing(as_ada, full):
    model = TrainedModel.objects.filter(campaign=full).last()
    model.frozen.file.unlink()
    page = as_ada.get(reverse("model-package", args=[model.pk]), follow=True)
    assert f"{model.frozen.path} is missing: bring it back" in page.content.decode()


def test_the_same_without_a_browser(full, tmp_path):
    place = tmp_path / "set.zip"
    call_command("export", "data-set", str(full.pk), "--format", "extxyz", "-o", str(place))
    with zipfile.ZipFile(place) as archive:
        table = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("configurations.csv"))
    assert table.count("\n") == 1 + labelled(full, verdict="kept").count()
    with pytest.raises(CommandError, match="there already"):
        call_command("export", "data-set", str(full.pk), "-o", str(place))
    with pytest.raises(CommandError, match="no such model"):
        call_command("export", "model", str(full.pk), "--loop", "9", "-o", str(tmp_path / "model.zip"))


def test_a_set_up_makes_the_same_campaign_elsewhere(as_ada, ada, bob, tmp_path):
    from campaigns.services import campaigns, materials, settings_file
    from campaigns.services.requests import CampaignRequest, CellRequest

    material = materials.create_example(ada, "lgps")
    cells = [CellRequest(material.pk, (1, 1, 1), True, False), CellRequest(material.pk, (2, 1, 1), False, True, 2)]
    potential = {"pair_style": "morse 3.5", "pair_coeff": "* * 0.1 1.5 2.4", "elements": "Ge Li P S"}
    changes = {"max_loops": 2, "evaluation_temperatures_K": [700.0, 900.0]}
    request = CampaignRequest("=Namen & “Zeichen”", cells, "lammps", potential, "quick", changes, mobile_ion="Li", seed=5)
    first = campaigns.create(ada, request)
    top = unpacked(as_ada.get(reverse("campaign-setup", args=[first.pk])), tmp_path / "setup")
    document, key = settings_file.load(top / "settings.yaml")
    second = campaigns.create(bob, settings_file.to_request(bob, document, key, top))
    for name in ("name", "labeller", "labeller_options", "s0_route", "preset", "protocol", "mobile_ion", "seed", "settings"):
        assert (name, getattr(second, name)) == (name, getattr(first, name))
    columns = ("supercell_a", "supercell_b", "supercell_c", "for_training", "for_evaluation", "candidate", "material__cif_sha256")
    assert list(second.cells.values_list(*columns)) == list(first.cells.values_list(*columns))


def test_no_export_is_left_in_the_data_folder(exported, settings):
    exported("extxyz")
    assert list((settings.DATA_DIR / "exports").iterdir()) == []


def test_what_a_killed_export_left_is_removed(settings, tmp_path):
    import os
    import time

    from campaigns.services import exports

    settings.DATA_DIR = tmp_path
    old, young = (tmp_path / "exports" / name for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "graph.pb").write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    exports.remove_leftovers()
    assert not old.exists()
    assert young.exists()


def test_a_campaign_of_two_cells_makes_two_systems(as_ada, ada, tmp_path):
    campaign = factories.full_campaign(ada, n_steps=1)
    work = factories.stage(campaign, "label", loop=1, step=1)
    rows = factories.frames(work, 3)
    doubled = factories.some_frames(3)
    Frames(
        np.tile(doubled.symbols, 2), np.tile(doubled.positions_A, (1, 2, 1)), doubled.cell_A, doubled.energy_eV,
        np.tile(doubled.forces_eV_A, (1, 2, 1)), doubled.virial_eV,
    ).save(rows[0].artefact.file)  # fmt: skip
    address = reverse("campaign-training-set-download", args=[campaign.pk])
    top = unpacked(as_ada.get(address, {"format": "deepmd/npy"}), tmp_path / "npy")
    assert sorted(path.name for path in (top / "data").iterdir()) == ["system-0", "system-1"]
    top = unpacked(as_ada.get(address, {"format": "deepmd/npy/mixed"}), tmp_path / "mixed")
    assert sorted(path.name for path in (top / "data").iterdir()) == ["atoms-16", "atoms-8"]
