"""Stage `prepare` with a real method: ordered, relaxed, resumed, and what it does when a relaxation goes wrong."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from campaigns.engines import prepare
from campaigns.engines.job import EngineFailed, Progress, from_json, read_json, to_json, write_json
from campaigns.engines.specs import LabellerSpec, PrepareResult, PrepareSpec
from campaigns.science.selection import min_distance_A

pytestmark = pytest.mark.engine

EXAMPLES = Path(__file__).resolve().parents[3] / "campaigns" / "examples" / "cifs"

# Rock salt whose cation sites Li and Na share, with a simple ionic potential. Cl is off the centre: no ordering has forces that are zero
# by symmetry.
MIXED = """data_mixed
_cell_length_a 5.4
_cell_length_b 5.4
_cell_length_c 5.4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
 'x, y, z'
 'x, y+1/2, z+1/2'
 'x+1/2, y, z+1/2'
 'x+1/2, y+1/2, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0 0 0 0.5
Na1 Na 0 0 0 0.5
Cl1 Cl 0.48 0.48 0.48 1
"""
IONIC = {
    "pair_style": "buck/coul/long 6.0",
    "pair_coeff": "Li Cl 680 0.29 0\nNa Cl 1100 0.317 0\nCl Cl 3300 0.30 20\nLi Li 0 1 0\nLi Na 0 1 0\nNa Na 0 1 0",
    "charges": {"Li": 1, "Na": 1, "Cl": -1},
    "kspace_style": "ewald 1e-5",
}
FALLING = IONIC | {"pair_coeff": IONIC["pair_coeff"].replace("680 0.29 0", "0 1 5000")}


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "mixed.cif").write_text(MIXED)
    return PrepareSpec(str(tmp_path / "mixed.cif"), (2, 1, 1), "Li", LabellerSpec("lammps", IONIC), seed=1, relax_fmax_eV_A=0.01)


def run(folder, spec):
    folder.mkdir(exist_ok=True)
    return prepare.run(folder, spec, Progress(folder, min_interval_s=0.0))


def test_a_cell_is_ordered_and_relaxed(tmp_path, spec):
    result = run(tmp_path, spec)
    atoms = read(tmp_path / result.cell_file, format="extxyz")
    assert Counter(atoms.symbols) == {"Li": 4, "Na": 4, "Cl": 8}
    assert list(atoms.symbols) == sorted(atoms.symbols)
    assert result.n_atoms == 16
    assert result.volume_A3 == pytest.approx(2 * 5.4**3)
    assert atoms.cell.lengths() == pytest.approx([10.8, 5.4, 5.4])
    assert result.min_distance_A == pytest.approx(min_distance_A(atoms.positions, atoms.cell.array), abs=1e-6)
    assert result.relaxed_fmax_eV_A < 0.01
    unrelaxed = run(tmp_path / "as_drawn", replace(spec, relax_max_steps=1))
    assert result.relaxed_energy_eV < unrelaxed.relaxed_energy_eV
    assert result.provenance["elements"] == ["Cl", "Li", "Na"]
    assert result.provenance["seed"] == 1
    assert result.electrostatic_energy_eV == pytest.approx(result.provenance["candidate_energies_eV"][0])
    assert from_json(PrepareResult, json.loads(json.dumps(to_json(result)))).formula == result.formula
    assert read_json(tmp_path / "progress.json")["unit"] == "relaxation steps"  # a page says “24 of 60 relaxation steps”


def test_an_interrupted_relaxation_goes_on_where_it_was(tmp_path, spec):
    whole = run(tmp_path / "whole", spec)
    run(tmp_path / "parts", replace(spec, relax_max_steps=8))
    half_way = read_json(tmp_path / "parts" / "relaxation-0.json")
    result = run(tmp_path / "parts", spec)
    assert half_way["step"] == 8
    assert result.provenance["relaxation_steps"] > 8
    assert result.relaxed_energy_eV == pytest.approx(whole.relaxed_energy_eV, abs=1e-3)


def test_an_ordering_that_is_taken_apart_gives_way_to_the_next(tmp_path, spec):
    cells = prepare.ordered(spec)
    assert len(cells) > 1
    broken = cells[0].positions_A.copy()
    broken[1] = broken[0] + [0.3, 0, 0]
    write_json(tmp_path / "relaxation-0.json", {"step": 3, "positions_A": broken.tolist()})
    result = run(tmp_path, spec)
    assert result.provenance["rank"] == 1
    assert result.electrostatic_energy_eV == pytest.approx(cells[1].electrostatic_energy_eV)
    assert "0.30 Å apart" in result.provenance["refused_orderings"][0]
    assert result.labels_computed == 3 + 1 + result.provenance["relaxation_steps"] + 1


UNSURE = '''
from ase.calculators.morse import MorsePotential

class Unsure(MorsePotential):
    """Its SCF does not converge at the third configuration."""
    converged, asked = True, 0

    def calculate(self, *arguments, **keywords):
        self.asked += 1
        self.converged = self.asked != 3
        super().calculate(*arguments, **keywords)
'''


def test_an_scf_that_does_not_converge_takes_no_ordering_apart(tmp_path, spec, monkeypatch):
    (tmp_path / "unsure_relaxation.py").write_text(UNSURE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SSEWEB_ASE_CALCULATORS", "unsure_relaxation.Unsure")
    unsure = LabellerSpec("ase", {"calculator": "unsure_relaxation.Unsure", "keywords": {"epsilon": 0.1, "r0": 2.7}})
    with pytest.raises(EngineFailed, match=r"no forces at step 1 of the relaxation of ordering 0: .* did not converge") as caught:
        run(tmp_path, replace(spec, labeller=unsure))
    assert (caught.value.cause, caught.value.permanent) == ("scf_not_converged", True)
    assert read_json(tmp_path / "relaxation-0.json")["step"] == 1  # from here the next try goes on


def test_atoms_that_fall_into_each_other_fail_the_stage(tmp_path, spec):
    with pytest.raises(EngineFailed, match="No ordering of this cell survives") as caught:
        run(tmp_path, replace(spec, labeller=LabellerSpec("lammps", FALLING)))
    assert caught.value.cause == "unphysical"
    assert caught.value.permanent
    assert caught.value.labels_computed >= len(prepare.ordered(spec))  # of every ordering that was taken apart


def test_an_ordered_structure_needs_no_relaxation(tmp_path):
    spec = PrepareSpec(str(EXAMPLES / "li3n_P6mmm.cif"), (2, 2, 2), "Li", LabellerSpec("chgnet"), seed=1, relax=False)
    result = run(tmp_path, spec)
    assert (result.formula, result.n_atoms, result.relaxed_energy_eV, result.electrostatic_energy_eV) == ("Li24N8", 32, None, None)
    assert np.array(read(tmp_path / "cell.extxyz").cell.lengths()) == pytest.approx([7.296, 7.296, 7.75])


def test_for_an_ordering_that_there_is_not_the_last_one_stands_with_a_word(tmp_path, spec):
    result = run(tmp_path, replace(spec, candidate=1, n_candidates=2, supercell=(1, 1, 1), relax=False))
    assert result.provenance["rank"] == 0
    assert result.provenance["refused_orderings"] == [
        "ordering 1: this cell has 1 different ordering, counted from 0, and the last stands for it"
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"oxidation_states": {"Li": 1, "Na": 1}}, "oxidation state for Cl too"),
        ({"oxidation_states": {"Li": 1, "Na": 1, "Cl": -3}}, "charge-neutral"),
        ({"labeller": LabellerSpec("lammps", IONIC | {"charges": {"Li": 1, "Cl": -1}})}, "Na"),
        ({"labeller": LabellerSpec("nothing")}, "no reference method 'nothing'"),
    ],
)
def test_a_request_that_cannot_be_met_says_what_to_do(tmp_path, spec, changes, words):
    with pytest.raises(EngineFailed, match=words) as caught:
        run(tmp_path, replace(spec, **changes))
    assert caught.value.cause == "bad_input"
    assert caught.value.permanent


def test_a_broken_cif_fails_the_stage(tmp_path, spec):
    (tmp_path / "mixed.cif").write_text(MIXED[:200])
    with pytest.raises(EngineFailed, match="no atoms"):
        run(tmp_path, spec)
