"""Data sets that a user may bring: each format, and what is refused with which words."""

import dataclasses
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from campaigns.engines import bounded, unpacking, upload
from campaigns.engines.upload import UploadRefused, accepted_frames, inspect
from campaigns.science.frames import Frames, write_deepmd_system

ELEMENTS = ["Li", "N"]
VASPRUN = Path(__file__).resolve().parents[2] / "data" / "vasprun.xml"


def labelled(n_frames=3, symbols=("Li", "Li", "Li", "N"), seed=0):
    rng = np.random.default_rng(seed)
    start = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [2, 2, 2.0]])
    return Frames(
        np.array(symbols),
        start + rng.normal(scale=0.1, size=(n_frames, 4, 3)),
        np.repeat(4.0 * np.eye(3)[None], n_frames, axis=0),
        energy_eV=-15 + rng.random(n_frames),
        forces_eV_A=rng.normal(size=(n_frames, 4, 3)),
        virial_eV=rng.normal(size=(n_frames, 3, 3)),
    )


@pytest.fixture
def system(tmp_path):
    """A deepmd/npy folder as DeePMD-kit's users have it."""
    folder = tmp_path / "mine" / "Li3N"
    write_deepmd_system(labelled(), ELEMENTS, folder)
    return folder


def same(found, expected):
    return all(
        np.allclose(getattr(found, name), getattr(expected, name), atol=1e-7)
        for name in ("positions_A", "cell_A", "energy_eV", "forces_eV_A", "virial_eV")
    )


def extxyz(path, frames, stress=True, **changes):
    images = []
    for row in range(len(frames)):
        atoms = Atoms(list(frames.symbols), positions=frames.positions_A[row], cell=frames.cell_A[row], pbc=True)
        virial_eV = (frames.virial_eV[row] + frames.virial_eV[row].T) / 2
        results = {"energy": frames.energy_eV[row], "forces": frames.forces_eV_A[row]}
        if stress:
            results["stress"] = (-virial_eV / atoms.get_volume())[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info |= changes
        images.append(atoms)
    write(path, images, format="extxyz")


def test_deepmd_npy(system):
    summary = inspect(system, "auto", ELEMENTS)
    assert (summary.format, summary.n_frames, summary.n_atoms, summary.formulas) == ("deepmd/npy", 3, [4], {"Li3N1": 3})
    assert summary.problems == []
    assert summary.rms_force_eV_A == pytest.approx(np.sqrt(np.mean(labelled().forces_eV_A ** 2)))
    assert summary.energy_range_eV_atom == pytest.approx((labelled().energy_eV.min() / 4, labelled().energy_eV.max() / 4))
    (frames,) = accepted_frames(system, "deepmd/npy", ELEMENTS)
    assert list(frames.symbols) == ["Li", "Li", "Li", "N"]
    assert same(frames, labelled())


def test_a_folder_of_systems_gives_frames_for_each_atom_order(system):
    other = labelled(symbols=("N", "Li", "Li", "Li"), seed=1)
    write_deepmd_system(other, ["Li", "N"], system.parent / "turned")
    parts = accepted_frames(system.parent, "auto", ELEMENTS)
    assert [list(part.symbols) for part in parts] == [["Li", "Li", "Li", "N"], ["N", "Li", "Li", "Li"]]
    assert same(parts[1], other)


def test_deepmd_raw(tmp_path):
    frames = labelled()
    (tmp_path / "type.raw").write_text("0 0 0 1")
    (tmp_path / "type_map.raw").write_text("Li N")
    for name, array in (
        ("coord", frames.positions_A),
        ("box", frames.cell_A),
        ("energy", frames.energy_eV),
        ("force", frames.forces_eV_A),
        ("virial", frames.virial_eV),
    ):
        np.savetxt(tmp_path / f"{name}.raw", array.reshape(3, -1))
    assert inspect(tmp_path, "auto", ELEMENTS).format == "deepmd/raw"
    assert same(accepted_frames(tmp_path, "auto", ELEMENTS)[0], frames)


def test_deepmd_mixed(tmp_path):
    write_deepmd_system(labelled(2), ELEMENTS, tmp_path)
    (tmp_path / "type.raw").write_text("0\n" * 4)
    np.save(tmp_path / "set.000/real_atom_types.npy", np.array([[0, 0, 0, 1], [0, 0, -1, 1]]))
    summary = inspect(tmp_path, "auto", ELEMENTS)
    assert (summary.format, summary.formulas) == ("deepmd/npy/mixed", {"Li3N1": 1, "Li2N1": 1})
    parts = accepted_frames(tmp_path, "auto", ELEMENTS)
    assert np.array_equal(parts[1].positions_A[0], labelled(2).positions_A[1][[0, 1, 3]])


def test_what_dpdata_writes_is_read(tmp_path):
    import dpdata

    write_deepmd_system(labelled(), ELEMENTS, tmp_path / "ours")
    theirs = dpdata.LabeledSystem(str(tmp_path / "ours"), fmt="deepmd/npy")
    theirs.to("deepmd/npy", str(tmp_path / "npy"), set_size=2)
    theirs.to("deepmd/raw", str(tmp_path / "raw"))
    for name in ("npy", "raw"):
        (frames,) = accepted_frames(tmp_path / name, f"deepmd/{name}", ELEMENTS)
        assert np.allclose(frames.forces_eV_A, labelled().forces_eV_A, atol=1e-5)
        assert len(frames) == 3


def test_extended_xyz(tmp_path):
    frames = labelled()
    extxyz(tmp_path / "set.xyz", frames)
    symmetric = (frames.virial_eV + frames.virial_eV.swapaxes(1, 2)) / 2
    assert same(accepted_frames(tmp_path / "set.xyz", "auto", ELEMENTS)[0], dataclasses.replace(frames, virial_eV=symmetric))


def test_extended_xyz_with_a_virial_instead_of_stress(tmp_path):
    virial = np.diag([1.0, 2.0, 3.0])
    extxyz(tmp_path / "set.xyz", labelled(1), stress=False, virial=virial)
    assert accepted_frames(tmp_path / "set.xyz", "auto", ELEMENTS)[0].virial_eV[0] == pytest.approx(virial)


def test_a_missing_virial_is_said(tmp_path):
    extxyz(tmp_path / "set.xyz", labelled(), stress=False)
    summary = inspect(tmp_path / "set.xyz", "extxyz", ELEMENTS)
    assert "no virial or stress (training uses energy, forces and virial)" in summary.problems[0]
    assert summary.problems == [f"{summary.problems[0].partition(' The same')[0]} The same in 2 more of 3 configurations."]
    assert summary.problems[0].startswith("set.xyz frame ")


def test_a_vasp_run_is_read_with_its_sign_of_the_stress(tmp_path):
    shutil.copy(VASPRUN, tmp_path / "vasprun.xml")
    (frames,) = accepted_frames(tmp_path / "vasprun.xml", "auto", ["Li", "F"])
    assert frames.energy_eV[0] == pytest.approx(-9.5)
    assert frames.forces_eV_A[0] == pytest.approx(np.array([[0.1, 0, 0], [-0.1, 0, 0]]))
    kbar_A3_eV = 1 / 1602.1766
    assert np.diag(frames.virial_eV[0]) == pytest.approx(np.array([10.0, 20.0, 30.0]) * 64 * kbar_A3_eV, rel=1e-4)


def test_a_calculation_that_did_not_converge_is_refused(tmp_path):
    (tmp_path / "pw.out").write_text("     Program PWSCF v.6.7 starts\n     convergence NOT achieved after 100 iterations: stopping\n")
    with pytest.raises(UploadRefused, match="did not converge"):
        inspect(tmp_path / "pw.out", "auto", ELEMENTS)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_packed_folder(system, tmp_path, kind):
    path = tmp_path / f"set.{kind}"
    files = [file for file in system.rglob("*") if file.is_file()]
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(system.parent))
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(system, "Li3N")
    assert same(accepted_frames(path, "auto", ELEMENTS)[0], labelled())


def tar_with(path, member, content=b""):
    with tarfile.open(path, "w") as archive:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def test_archives_that_reach_outside_are_refused(tmp_path):
    for name in ("../gone", "/gone", "a/../../gone", "C:/gone", "..\\gone"):
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            archive.writestr(name, "text")
        with pytest.raises(UploadRefused, match="outside of its own folder"):
            inspect(tmp_path / "set.zip", "auto", ELEMENTS)
    link = tarfile.TarInfo("set.000")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    tar_with(tmp_path / "set.tar", link)
    with pytest.raises(UploadRefused, match="link"):
        inspect(tmp_path / "set.tar", "auto", ELEMENTS)
    linked = zipfile.ZipInfo("set.000")
    linked.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(linked, "/etc")
    with pytest.raises(UploadRefused, match="link"):
        inspect(tmp_path / "set.zip", "auto", ELEMENTS)
    assert not (tmp_path.parent / "gone").exists()


def test_archives_that_swell_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(3_000_000))
    with pytest.raises(unpacking.ArchiveRefused, match="larger than the limit"):
        unpacking.unpack(tmp_path / "set.zip", tmp_path / "one", max_bytes=1_000_000)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number in range(20):
            archive.writestr(str(number), "")
    with pytest.raises(unpacking.ArchiveRefused, match="more than 10 files"):
        unpacking.unpack(tmp_path / "set.zip", tmp_path / "two", max_files=10)


def test_a_truncated_archive_is_refused(system, tmp_path):
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
        archive.add(system, "Li3N")
    (tmp_path / "set.tar.gz").write_bytes((tmp_path / "whole.tar.gz").read_bytes()[:700])
    with pytest.raises(UploadRefused, match="damaged"):
        inspect(tmp_path / "set.tar.gz", "auto", ELEMENTS)


def change(system, name, array):
    np.save(system / "set.000" / f"{name}.npy", array)


def with_value(name, value):
    array = np.array(getattr(labelled(), name)).reshape(3, -1)
    array[1, 0] = value
    return array


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("force", with_value("forces_eV_A", np.nan), "frame 2: forces with a value that is not a finite number"),
        ("coord", with_value("positions_A", np.inf), "frame 2: positions with a value"),
        ("box", np.zeros((3, 9)), "the cell has no volume"),
        ("force", np.zeros((3, 12)), "All forces are zero"),
        ("force", labelled().forces_eV_A.reshape(3, 12) * 1000, "are the forces in eV/Å"),
        ("coord", labelled().positions_A.reshape(3, 12) / 10, "are positions and cell in Å"),
        ("box", labelled().cell_A.reshape(3, 9) * 10, "is the cell in Å"),
        ("energy", np.array([-15.0, -15.1, -400.0]), "spread over"),
    ],
)
def test_numbers_that_cannot_be_are_problems(system, name, array, words):
    change(system, name, array)
    assert words in " ".join(inspect(system, "auto", ELEMENTS).problems)
    with pytest.raises(UploadRefused):
        accepted_frames(system, "auto", ELEMENTS)


def test_other_elements_are_problems(system):
    assert "holds N, which the material (Li, S) does not" in " ".join(inspect(system, "auto", ["Li", "S"]).problems)
    assert "holds no S" in " ".join(inspect(system, "auto", [*ELEMENTS, "S"]).problems)


def test_missing_forces_are_a_problem(system):
    (system / "set.000/force.npy").unlink()
    assert "has no forces" in inspect(system, "auto", ELEMENTS).problems[0]


def test_duplicates_are_used_once_and_noted(tmp_path):
    write_deepmd_system(labelled()[[0, 1, 0, 2, 0]], ELEMENTS, tmp_path)
    summary = inspect(tmp_path, "auto", ELEMENTS)
    assert (summary.n_frames, summary.n_duplicates, summary.problems) == (3, 2, [])
    assert "2 configurations" in summary.notes[1]
    assert same(accepted_frames(tmp_path, "auto", ELEMENTS)[0], labelled())


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("force", np.zeros((3, 9)), r"force has shape \(3, 9\), expected \(3, 12\) for 3 frames of 4 atoms"),
        ("energy", np.zeros(2), r"energy has shape \(2,\)"),
        ("virial", np.zeros((3, 6)), "virial has shape"),
    ],
)
def test_wrong_shapes_are_named(system, name, array, words):
    change(system, name, array)
    with pytest.raises(UploadRefused, match=words):
        inspect(system, "auto", ELEMENTS)


def test_pickles_are_never_opened(system):
    np.save(system / "set.000/force.npy", np.array([object()] * 3), allow_pickle=True)
    with pytest.raises(UploadRefused, match="could not be read"):
        inspect(system, "auto", ELEMENTS)


def test_folders_that_do_not_say_enough_are_refused(system):
    (system / "nopbc").touch()
    with pytest.raises(UploadRefused, match="periodic"):
        inspect(system, "auto", ELEMENTS)
    (system / "nopbc").unlink()
    (system / "type.raw").write_text("0 0 0 2")
    with pytest.raises(UploadRefused, match="does not name"):
        inspect(system, "auto", ELEMENTS)
    (system / "type_map.raw").unlink()
    with pytest.raises(UploadRefused, match=r"has no type_map\.raw"):
        inspect(system, "auto", ELEMENTS)


@pytest.mark.parametrize("content", [b"", b"\0\1\2" * 500, b"hello\nworld\n"])
def test_a_file_of_no_known_format_is_refused(tmp_path, content):
    (tmp_path / "set.dat").write_bytes(content)
    with pytest.raises(UploadRefused, match="was not recognised"):
        inspect(tmp_path / "set.dat", "auto", ELEMENTS)
    with pytest.raises(UploadRefused):
        inspect(tmp_path / "set.dat", "extxyz", ELEMENTS)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(UploadRefused, match="There is no data set"):
        inspect(tmp_path / "nothing", "auto", ELEMENTS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UploadRefused, match="No data set was found"):
        inspect(tmp_path / "empty", "auto", ELEMENTS)


def test_an_unknown_format_is_refused(system):
    with pytest.raises(UploadRefused, match="'py' is not known"):
        inspect(system, "py", ELEMENTS)


def test_the_check_runs_in_a_bounded_child(system):
    assert bounded.run_json("campaigns.engines.upload", [str(system), "auto", *ELEMENTS])["n_frames"] == 3
    with pytest.raises(bounded.ChildRefused, match="There is no data set"):
        bounded.run_json("campaigns.engines.upload", [str(system / "gone"), "auto", *ELEMENTS])


def test_the_summary_is_json(system):
    child = subprocess.run([sys.executable, "-m", upload.__name__, str(system), "auto", *ELEMENTS], capture_output=True, check=True)
    assert set(json.loads(child.stdout)) == {field.name for field in dataclasses.fields(upload.UploadSummary)}


def test_units_that_a_format_does_not_name_are_said_and_few_configurations_doubted(system):
    summary = inspect(system, "auto", ELEMENTS)
    assert "energies and virials were taken to be in eV, forces in eV/Å" in summary.notes[0]
    assert "only 3 different configurations" in summary.doubts[0]
    assert not any("names no units" in note for note in inspect(VASPRUN, "auto", ["Ag", "Br"]).notes)
