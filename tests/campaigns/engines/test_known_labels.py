"""Labels that were computed before are found again: by the same method alone, along a dynamics too, and never half."""

import json
import shutil

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from campaigns.engines import journal, label, labellers, prepare, s0
from campaigns.engines.job import Progress
from campaigns.engines.labellers import base, cp2k, cp2k_data, espresso, known, vasp_files
from campaigns.engines.labellers.base import Label, Labeller
from campaigns.engines.specs import FrameSelection, LabellerSpec, LabelSpec, PrepareSpec, S0Spec
from tests.campaigns.engines.test_label import li3n, snapshots_of

pytestmark = pytest.mark.engine


class Counted(Calculator):
    """A harmonic crystal that counts how often it was asked."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]
    asked = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        type(self).asked += 1
        moved = self.atoms.positions - li3n().positions
        self.results = {"energy": 0.5 * float((moved**2).sum()), "forces": -moved, "stress": np.arange(6) / 100}
        self.results["free_energy"] = self.results["energy"]


@pytest.fixture
def method(monkeypatch):
    """A method of that name in the registry, and how often it has computed."""
    import sys
    import types

    module = types.ModuleType("counted_method")
    module.TITLE, module.OPTIONS, module.USES_CORES = "Counted", (), False
    module.check = lambda options, symbols: {}
    module.build = lambda options, folder, cores: Labeller(Counted(), "counted", {"counted": "1"})
    monkeypatch.setitem(sys.modules, "counted_method", module)
    monkeypatch.setitem(labellers.MODULES, "counted", "counted_method")
    monkeypatch.setattr(Counted, "asked", 0)
    return Counted


def spec_of(tmp_path):
    (tmp_path / "labels").mkdir(exist_ok=True)
    return LabellerSpec("counted", {}, str(tmp_path / "labels"))


def label_spec(folder, labeller, n_frames=3):
    folder.mkdir(parents=True, exist_ok=True)
    snapshots_of(li3n(), n_frames).save(folder / "snapshots.npz")
    li3n().write(folder / "cell.extxyz")
    snapshots = FrameSelection(str(folder / "snapshots.npz"), list(range(n_frames)))
    return LabelSpec(snapshots, labeller, str(folder / "cell.extxyz"), ["N"], 0.6)


def do(folder, spec):
    return label.run(folder, spec, Progress(folder))


def test_another_stage_finds_the_labels_and_asks_for_the_rest(tmp_path, method):
    one, other = tmp_path / "one", tmp_path / "other"
    first = do(one, label_spec(one, spec_of(tmp_path), 3))
    assert (first.labels_computed, first.labels_found, method.asked) == (3, 0, 3)
    second = do(other, label_spec(other, spec_of(tmp_path), 3))
    assert (second.labels_computed, second.labels_found, method.asked) == (0, 3, 3)
    assert [record.energy_eV for record in second.records] == [record.energy_eV for record in first.records]
    assert all(record.found for record in second.records)
    frames = [label.Frames.load(folder / label.FRAMES_FILE) for folder in (one, other)]
    assert np.array_equal(frames[0].forces_eV_A, frames[1].forces_eV_A)
    assert np.array_equal(frames[0].virial_eV, frames[1].virial_eV)


def test_a_label_that_the_journal_lost_is_its_own_and_not_a_found_one(tmp_path, method):
    spec = label_spec(tmp_path / "one", spec_of(tmp_path), 3)
    do(tmp_path / "one", spec)
    entries = journal.read(tmp_path / "one" / label.JOURNAL)
    journal.rewrite(tmp_path / "one" / label.JOURNAL, entries[:2])  # killed between the label and its line
    again = do(tmp_path / "one", spec)
    assert (again.labels_computed, again.labels_found, method.asked) == (3, 0, 3)


def test_the_same_place_moved_by_a_lattice_vector_is_found_another_place_is_not(tmp_path, method):
    labeller = labellers.build(spec_of(tmp_path), tmp_path, 1)
    atoms = li3n()
    first = labeller.label(atoms)
    atoms.positions[0] += atoms.cell.array[1]
    assert np.array_equal(labeller.label(atoms).forces_eV_A, first.forces_eV_A)
    assert method.asked == 1
    atoms.positions[0, 0] += 1e-3
    labeller.label(atoms)
    assert method.asked == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"energy_eV": 1.0}', b'{"energy_eV": null, "forces_eV_A": []}'])
def test_a_file_that_is_not_whole_is_not_there(tmp_path, method, content):
    labeller = labellers.build(spec_of(tmp_path), tmp_path, 1)
    first = labeller.label(li3n())
    (path,) = (tmp_path / "labels").rglob("*.json")
    path.write_bytes(content)
    labeller = labellers.build(spec_of(tmp_path), tmp_path, 1)
    assert labeller.label(li3n()).energy_eV == first.energy_eV
    assert method.asked == 2
    assert json.loads(path.read_bytes())["energy_eV"] == first.energy_eV  # mended


def test_dynamics_and_relaxation_of_another_campaign_are_the_same_for_nothing(tmp_path, method):
    atoms = li3n()
    atoms.write(tmp_path / "cell.extxyz")
    spec = S0Spec("fpmd", spec_of(tmp_path), str(tmp_path / "cell.extxyz"), 300.0, 1.0, 5, 3, 5, 1, framework_elements=["N"])
    results = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        results.append(s0.run(tmp_path / name, spec, Progress(tmp_path / name)))
    assert [(found.labels_computed, found.labels_found) for found in results] == [(21, 0), (0, 21)]
    assert method.asked == 21
    frames = [s0.Frames.load(tmp_path / name / s0.FRAMES_FILE) for name in ("one", "other")]
    assert np.array_equal(frames[0].positions_A, frames[1].positions_A)
    assert np.array_equal(frames[0].virial_eV, frames[1].virial_eV)


def test_a_relaxation_counts_what_it_found(tmp_path, method):
    cif = tmp_path / "structure.cif"
    li3n().write(cif)
    spec = PrepareSpec(str(cif), (1, 1, 1), "Li", spec_of(tmp_path), 1, relax_fmax_eV_A=1e-3, relax_max_steps=4)
    counts = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        found = prepare.run(tmp_path / name, spec, Progress(tmp_path / name))
        counts.append((found.labels_computed, found.labels_found))
    assert counts[0] == (method.asked, 0)
    assert counts[1] == (0, method.asked)


def _key(versions=None, **options):
    return known.method_key("cp2k", options, cp2k.OPTIONS, versions or {"cp2k": "2023.1"})


def test_a_method_is_what_changes_its_labels():
    assert _key() == _key(cutoff_Ry=450, walltime_h=3, retries=0, scf_steps=50)
    assert len({_key(), _key(cutoff_Ry=451), _key(dispersion="d3"), _key(k_points="2 2 2"), _key({"cp2k": "2024.1"})}) == 5
    assert _key(kinds="Li A B") == _key(kinds=["Li A B"])


def _kept_with(folder, data):
    """Whether a label of Li3N is found; it is kept afterwards."""
    labels = known.KnownLabels(folder, "method", "one", data)
    found = labels.find(li3n()) is not None
    labels.keep(li3n(), Label(1.0, np.zeros((4, 3)), np.eye(3)), 1.0)
    return found


def test_other_data_of_its_elements_is_another_method_and_missing_data_none(tmp_path):
    texts = {"Li": "one", "N": "two", "Cs": "three"}

    def data(symbols):
        return [texts[symbol] for symbol in symbols]

    assert [_kept_with(tmp_path, data) for _ in range(2)] == [False, True]
    texts["Cs"] = "another"
    assert _kept_with(tmp_path, data)
    texts["Li"] = "another"
    assert not _kept_with(tmp_path, data)

    def missing(symbols):
        raise ValueError("There is no pseudopotential for N.")

    assert not _kept_with(tmp_path, missing)


@pytest.fixture
def cp2k_files(tmp_path):
    """A folder of one's own with the files that CP2K ships."""
    place = tmp_path / "cp2k-data"
    place.mkdir()
    for name in (*cp2k_data.BASIS_FILES, cp2k_data.POTENTIAL_FILE):
        shutil.copy(cp2k_data.folder() / name, place)
    return place


def _change(path, heading, after):
    """One digit in the entry below a heading."""
    head, found, rest = path.read_text().partition(heading)
    assert found
    path.write_text(head + found + rest.replace(after, after[:-1] + "9", 1))
    cp2k_data.entries.cache_clear()


@pytest.mark.parametrize(("module", "options"), [(cp2k, {}), (espresso, {"pseudopotentials": ["Li GTH-PBE-q3", "N GTH-PBE-q5"]})])
def test_the_data_are_those_of_the_elements_wherever_they_lie(cp2k_files, monkeypatch, module, options):
    here = module.data_of(options, ["Li", "N"])
    monkeypatch.setenv("CP2K_DATA_DIR", str(cp2k_files))
    assert module.data_of(options, ["Li", "N"]) == here
    _change(cp2k_files / "GTH_POTENTIALS", "Cs GTH-PBE-q9", "0.5")
    assert module.data_of(options, ["Li", "N"]) == here
    _change(cp2k_files / "GTH_POTENTIALS", "N GTH-PBE-q5", "0.28")
    changed = module.data_of(options, ["Li", "N"])
    assert changed != here
    assert changed[:-1] == here[:-1]


def test_cp2ks_basis_sets_are_data_too(cp2k_files, monkeypatch):
    here = cp2k.data_of({}, ["Li"])
    monkeypatch.setenv("CP2K_DATA_DIR", str(cp2k_files))
    _change(cp2k_files / "BASIS_MOLOPT", "Li DZVP-MOLOPT-SR-GTH", "0.0")
    assert cp2k.data_of({}, ["Li"]) != here


def test_vasps_version_is_the_one_that_stands_in_the_program(tmp_path):
    program = tmp_path / "vasp_std"
    program.write_bytes(b"\x7fELF\0\1vasp.6.4.2 20Jul23 (build Aug 01 2023) complex\0")
    program.chmod(0o755)
    assert vasp_files.version_of(program) == "vasp.6.4.2 20Jul23"
    program.write_bytes(b"#!/bin/sh\nexec other\n")
    assert vasp_files.version_of(program).startswith("vasp_std, ")


@pytest.mark.parametrize("name", sorted(labellers.MODULES))
def test_time_limits_and_retries_change_no_label_and_stricter_values_are_values(name):
    for option in labellers.module(name).OPTIONS:
        assert option.changes_label != (option.name in ("walltime_h", "retries", "scf_steps", "mixing", "diagonalization"))
        if option.stricter:
            stricter = option.stricter(option.default)
            assert stricter != option.default
            base.option_values([option], {option.name: stricter})


def test_a_cheap_method_keeps_nothing(tmp_path):
    options = {"pair_style": "lj/cut 6.0", "pair_coeff": "Li Li 0.01 2.0", "elements": "Li"}
    spec = LabellerSpec("lammps", options, spec_of(tmp_path).known_labels)
    labellers.build(spec, tmp_path, 1).label(Atoms("Li", cell=[3, 3, 3], pbc=True))
    assert list((tmp_path / "labels").iterdir()) == []


def test_a_machine_that_does_not_see_the_folder_does_without(tmp_path, method):
    spec = LabellerSpec("counted", {}, str(tmp_path / "elsewhere"))
    for _ in range(2):
        labellers.build(spec, tmp_path, 1).label(li3n())
    assert method.asked == 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_label_is_found_while_another_engine_writes_it_anew(tmp_path, method):
    """The file is replaced whole: whoever reads meanwhile sees the old one or the new one."""
    labels = known.KnownLabels(tmp_path / "labels", "method", "one")
    value = Label(1.0, np.zeros((4, 3)), np.eye(3))
    for _ in range(20):
        labels.keep(li3n(), value, 1.0)
        assert known.KnownLabels(tmp_path / "labels", "method", "other").find(li3n()).found
    assert len(list((tmp_path / "labels").rglob("*"))) == 2  # one folder, one file
