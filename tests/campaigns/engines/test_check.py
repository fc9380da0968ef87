"""Stage `check`: what stricter values change and what a label costs, with a classical potential and with CP2K."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from ase.spacegroup import crystal

from campaigns.engines import check, journal, labellers
from campaigns.engines.check_specs import CheckSpec
from campaigns.engines.job import EngineFailed, Progress
from campaigns.engines.labellers import base
from campaigns.engines.specs import LabellerSpec, PrepareSpec
from tests.campaigns.engines.test_cp2k import LOOSE, lih

pytestmark = pytest.mark.engine


def spec_of(folder, labeller, **changes):
    """Rocksalt LiH with 8 atoms, as its CIF has it."""
    cif = folder / "structure.cif"
    crystal(("Li", "H"), [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[4.08, 4.08, 4.08, 90, 90, 90]).write(cif)
    return CheckSpec(PrepareSpec(str(cif), (1, 1, 1), "Li", labeller, 1), None, labeller, 1, **changes)


def do(folder, spec):
    return check.run(folder, spec, Progress(folder))


with_cp2k = pytest.mark.skipif(shutil.which("cp2k.psmp") is None, reason="CP2K is not installed: apt-get install cp2k")
LOOSER = LOOSE | {"cutoff_Ry": 150, "rel_cutoff_Ry": 40, "eps_default": 1e-8, "scf_eps": 1e-5}


@with_cp2k
def test_cp2k_at_a_higher_cut_off(tmp_path):
    found = do(tmp_path, spec_of(tmp_path, LabellerSpec("cp2k", LOOSER), options=["cutoff_Ry"]))
    assert (found.n_atoms, found.formula, found.labels_computed) == (8, "Li4H4", 2)
    assert [(one.option, one.value, one.state) for one in found.variants] == [("", "", "done"), ("cutoff_Ry", "225 Ry", "done")]
    assert found.seconds == found.variants[0].seconds > 0.1
    assert found.rms_force_eV_A > 0.05
    assert 1e-5 < found.variants[1].force_rms_difference_eV_A < 0.5
    assert "Plane-wave cut-off 225 Ry change" in found.sentence
    assert "CUTOFF 225" in next(tmp_path.glob("label-1/cp2k/*.inp")).read_text()


@with_cp2k
def test_a_small_crystal_wants_k_points(tmp_path):
    """Two atoms in 4 Å: Γ alone is not enough, and the check says so."""
    lih().write(tmp_path / "cell.extxyz")
    spec = replace(spec_of(tmp_path, LabellerSpec("cp2k", LOOSER), options=["k_points"]), cell_file=str(tmp_path / "cell.extxyz"))
    found = do(tmp_path, spec)
    assert (found.n_atoms, found.variants[1].value) == (2, "2 2 2")
    assert found.verdict == "not_converged"
    assert "k-points 2 2 2 changes forces by" in found.sentence
    assert abs(found.variants[1].energy_difference_meV_atom) > 10


LENNARD_JONES = {"pair_style": "lj/cut 6.0", "pair_coeff": ["Li Li 0.01 2.0", "H H 0.05 2.0"], "elements": "Li H"}


@pytest.fixture
def with_stricter(monkeypatch):
    """Lennard-Jones with options that have a stricter value, as a method with cut-offs has them."""

    def make(**stricter):
        module = labellers.module("lammps")
        options = tuple(replace(option, stricter=stricter.get(option.name)) for option in module.OPTIONS)
        monkeypatch.setattr(module, "OPTIONS", options)
        return LabellerSpec("lammps", LENNARD_JONES | {"pair_style": "lj/cut 11.0"})

    return make


def test_small_changes_are_converged_and_large_ones_are_not(tmp_path, with_stricter):
    method = with_stricter(pair_style=lambda value: "lj/cut 12.0", pair_coeff=lambda value: ["Li Li 0.01 2.0", "H H 0.06 2.0"])
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    found = do(one, spec_of(one, method, options=["pair_style"]))
    assert found.verdict == "converged"
    assert "lj/cut 12.0 changes most" in found.sentence
    found = do(other, spec_of(other, method))
    assert found.verdict == "not_converged"
    assert [variant.option for variant in found.variants] == ["", "pair_style", "pair_coeff"]
    assert found.variants[2].force_max_difference_eV_A > found.variants[2].force_rms_difference_eV_A > 0.01


def test_a_stricter_value_that_fails_is_told_and_leaves_it_undecided(tmp_path, with_stricter):
    found = do(tmp_path, spec_of(tmp_path, with_stricter(pair_style=lambda value: "no/such/style")))
    assert (found.verdict, found.variants[1].state) == ("undecided", "failed")
    assert found.variants[1].message


def test_a_method_without_cut_offs_is_measured(tmp_path):
    found = do(tmp_path, spec_of(tmp_path, LabellerSpec("lammps", LENNARD_JONES)))
    assert (found.verdict, len(found.variants)) == ("measured", 1)


def test_a_method_that_cannot_label_at_all_fails_the_check(tmp_path):
    with pytest.raises(EngineFailed, match="nothing about the element H"):
        do(tmp_path, spec_of(tmp_path, LabellerSpec("lammps", LENNARD_JONES | {"pair_coeff": ["Li Li 0.01 2.0"], "elements": "Li"})))


def test_finished_labels_are_not_asked_for_again(tmp_path, with_stricter):
    spec = spec_of(tmp_path, with_stricter(pair_style=lambda value: "lj/cut 12.0"))
    whole = do(tmp_path, spec)
    entries = journal.read(tmp_path / check.JOURNAL)
    journal.rewrite(tmp_path / check.JOURNAL, [entries[0] | {"seconds": 77.0}])
    again = do(tmp_path, spec)
    assert again.seconds == 77.0
    assert again.variants[1].force_rms_difference_eV_A == whole.variants[1].force_rms_difference_eV_A
    assert [json.loads(line)["option"] for line in (tmp_path / check.JOURNAL).read_text().splitlines()] == ["", "pair_style"]


def test_stricter_values():
    assert base.times(1.5)(450) == 675.0
    assert base.times(0.1)(1e-6) == 1e-7
    assert base.denser_mesh("2 2x1") == "3 3 2"
    assert np.isclose(base.times(1.5)("600"), 900)
