"""Energy, forces and virial of both methods against numerical derivatives, and what they refuse."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from ase import Atoms

from campaigns.engines import labellers
from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import LabelFailed, lammps_text
from campaigns.engines.specs import LabellerSpec

pytestmark = pytest.mark.engine

IONIC = {
    "pair_style": "buck/coul/long 6.0",
    "pair_coeff": "Li Li 0 0.3 0\nLi O 632.1018 0.2906 0\nO O 12420.5 0.2215 29.07",
    "charges": {"Li": 1, "O": -2},
    "kspace_style": "ewald 1e-7",
}
LENNARD_JONES = {"pair_style": "lj/smooth 4.0 6.0", "pair_coeff": ["1 1 0.01 2.0", "2 2 0.05 2.8"], "elements": "Li N"}
SKEW = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]])


def li2o():
    cell = 4.6 * np.eye(3)
    fractional = [[x, y, z] for x in (0.25, 0.75) for y in (0.25, 0.75) for z in (0.25, 0.75)]
    fractional += [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    atoms = Atoms("Li8O4", scaled_positions=fractional, cell=cell, pbc=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def li3n():
    a, c = 3.65, 3.88
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]
    atoms = Atoms("Li3N", scaled_positions=[[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0], [0, 0, 0.5], [0, 0, 0]], cell=cell, pbc=True)
    atoms.rattle(0.05, seed=2)
    return atoms


def other_axes(atoms, left_handed=False):
    """The same crystal with skewed axes, turned in space; and the rotation."""
    rotation, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    axes = SKEW[[1, 0, 2]] if left_handed else SKEW
    other = Atoms(atoms.numbers, positions=atoms.positions @ rotation, cell=axes @ atoms.cell.array @ rotation, pbc=True)
    return other, rotation


def strained(atoms, strain):
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return copy


def numerical_force(labeller, atoms, atom, axis, step_A):
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * step_A
        energies.append(labeller.label(moved).energy_eV)
    return -(energies[0] - energies[1]) / (2 * step_A)


def numerical_virial(labeller, atoms, one, other, step):
    """-dE/d(strain), symmetric strain: the sign of DeePMD-kit's virial."""
    strain = np.zeros((3, 3))
    strain[one, other] += step / 2
    strain[other, one] += step / 2
    energies = [labeller.label(strained(atoms, sign * strain)).energy_eV for sign in (1, -1)]
    return -(energies[0] - energies[1]) / (2 * step)


@pytest.fixture(scope="module")
def chgnet(tmp_path_factory):
    return labellers.build(LabellerSpec("chgnet"), tmp_path_factory.mktemp("chgnet"), 1)


def lammps(tmp_path, **options):
    return labellers.build(LabellerSpec("lammps", options), tmp_path, 1)


@pytest.mark.parametrize("left_handed", [False, True])
@pytest.mark.parametrize(
    ("options", "crystal", "force_error_eV_A", "virial_error_eV"),
    [
        (LENNARD_JONES, "li3n", 1e-6, 1e-5),
        (IONIC, "li2o", 5e-4, 5e-3),  # the accuracy of the long-range sum changes with the cell
    ],
)
def test_lammps_forces_and_virial_are_derivatives_in_a_skewed_cell(
    tmp_path, options, crystal, force_error_eV_A, virial_error_eV, left_handed
):
    labeller = lammps(tmp_path, **options)
    atoms, _ = other_axes(li3n() if crystal == "li3n" else li2o(), left_handed)
    label = labeller.label(atoms)
    for atom, axis in ((0, 0), (1, 1), (3, 2)):
        assert label.forces_eV_A[atom, axis] == pytest.approx(numerical_force(labeller, atoms, atom, axis, 1e-4), abs=force_error_eV_A)
    for one, other in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2)):
        assert label.virial_eV[one, other] == pytest.approx(numerical_virial(labeller, atoms, one, other, 1e-4), abs=virial_error_eV)


def test_lammps_label_turns_with_the_crystal_and_not_with_its_axes(tmp_path):
    labeller = lammps(tmp_path, **IONIC)
    straight, (atoms, rotation) = labeller.label(li2o()), other_axes(li2o())
    turned = labeller.label(atoms)
    assert turned.energy_eV == pytest.approx(straight.energy_eV, abs=1e-6)
    assert turned.forces_eV_A == pytest.approx(straight.forces_eV_A @ rotation, abs=1e-5)
    assert turned.virial_eV == pytest.approx(rotation.T @ straight.virial_eV @ rotation, abs=1e-4)


def test_lammps_long_range_solvers_agree(tmp_path):
    atoms, _ = other_axes(li2o())
    ewald, mesh = lammps(tmp_path, **IONIC).label(atoms), lammps(tmp_path, **IONIC | {"kspace_style": "pppm 1e-6"}).label(atoms)
    assert mesh.energy_eV == pytest.approx(ewald.energy_eV, abs=1e-3)
    assert mesh.forces_eV_A == pytest.approx(ewald.forces_eV_A, abs=1e-3)
    assert mesh.virial_eV == pytest.approx(ewald.virial_eV, abs=5e-3)


def test_lammps_agrees_with_the_formula_for_a_pair(tmp_path):
    labeller = lammps(tmp_path, pair_style="lj/cut 6.0", pair_coeff="Li Li 0.1 2.0")
    distance_A = 2.5
    label = labeller.label(Atoms("Li2", positions=[[0, 0, 0], [distance_A, 0, 0]], cell=20 * np.eye(3), pbc=True))
    ratio = (2.0 / distance_A) ** 6
    assert label.energy_eV == pytest.approx(4 * 0.1 * (ratio**2 - ratio))
    force_eV_A = 24 * 0.1 * (2 * ratio**2 - ratio) / distance_A
    assert label.forces_eV_A == pytest.approx(np.array([[-force_eV_A, 0, 0], [force_eV_A, 0, 0]]))
    assert label.virial_eV[0, 0] == pytest.approx(force_eV_A * distance_A)


def test_lammps_does_not_remember_the_configuration_before(tmp_path):
    labeller = lammps(tmp_path, **LENNARD_JONES)
    first, second = li3n(), li3n()
    second.rattle(0.2, seed=9)
    alone = labeller.label(first)
    labeller.label(second)
    after = labeller.label(first)
    labeller.label(strained(first, 0.05 * np.eye(3)))
    for again in (after, labeller.label(first)):
        assert again.energy_eV == alone.energy_eV
        assert np.array_equal(again.forces_eV_A, alone.forces_eV_A)
        assert np.array_equal(again.virial_eV, alone.virial_eV)


def test_lammps_reads_a_many_body_potential_from_the_options(tmp_path):
    content = "Si Si Si 2.1683 2.0951 1.80 21.0 1.20 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n"
    labeller = lammps(tmp_path, pair_style="sw", pair_coeff="* * Si.sw Si", elements="Si", files={"Si.sw": content})
    diamond = Atoms("Si2", scaled_positions=[[0, 0, 0], [0.25] * 3], cell=5.431 * (np.ones((3, 3)) - np.eye(3)) / 2, pbc=True)
    assert labeller.label(diamond).energy_eV / 2 == pytest.approx(-4.3363, abs=1e-3)  # Stillinger and Weber 1985


def test_lammps_says_in_its_own_words_what_is_wrong_with_a_potential(tmp_path):
    labeller = lammps(tmp_path, pair_style="lj/cut 6.0", pair_coeff="Li Li 0.1 two")
    with pytest.raises(EngineFailed, match="Expected floating point parameter instead of 'two'") as caught:
        labeller.label(Atoms("Li", cell=4 * np.eye(3), pbc=True))
    assert caught.value.permanent


def test_lammps_fails_one_configuration_that_its_potential_does_not_cover(tmp_path):
    """A tabulated potential has a smallest distance: a snapshot below it says nothing against the potential."""
    rows = "".join(f"{number} {1 + 0.1 * number - 0.1:.1f} {1 / number:.6f} {1 / number:.6f}\n" for number in range(1, 42))
    labeller = lammps(
        tmp_path, pair_style="table linear 1000", pair_coeff="* * li.table LI 5.0", elements="Li",
        files={"li.table": f"# made up\n\nLI\nN 41 R 1.0 5.0\n\n{rows}"},
    )  # fmt: skip
    near, far = (Atoms("Li2", positions=[[0, 0, 0], [x_A, 0, 0]], cell=12 * np.eye(3), pbc=True) for x_A in (0.8, 2.5))
    for atoms in (near, far, near):  # the first configuration too
        if atoms is far:
            assert labeller.label(atoms).forces_eV_A[0, 0] < 0
            continue
        with pytest.raises(LabelFailed, match="table inner cutoff") as caught:
            labeller.label(atoms)
        assert caught.value.cause == "bad_geometry"


def test_once_a_potential_has_worked_every_error_is_the_configurations(tmp_path):
    labeller = lammps(tmp_path, **LENNARD_JONES)
    labeller.label(li3n())
    with pytest.raises(LabelFailed) as caught:
        labeller.calculator._do(["error_that_lammps_has_no_other_word_for"], is_geometry=labeller.calculator._has_run)
    assert caught.value.cause == "bad_geometry"


def test_lammps_refuses_a_charged_cell(tmp_path):
    with pytest.raises(EngineFailed, match="Li3O has a charge of"):
        lammps(tmp_path, **IONIC).label(Atoms("Li3O", positions=2.0 * np.arange(12).reshape(4, 3), cell=30 * np.eye(3), pbc=True))


def test_chgnet_forces_and_virial_are_derivatives_in_a_skewed_cell(chgnet):
    atoms, _ = other_axes(li3n())
    label = chgnet.label(atoms)
    for atom, axis in ((0, 0), (3, 2)):
        assert label.forces_eV_A[atom, axis] == pytest.approx(numerical_force(chgnet, atoms, atom, axis, 0.01), abs=0.02)
    for one, other in ((0, 0), (2, 2), (0, 1)):
        assert label.virial_eV[one, other] == pytest.approx(numerical_virial(chgnet, atoms, one, other, 0.004), abs=0.03)


def test_chgnet_gives_the_numbers_of_its_own_calculator(chgnet):
    from chgnet.model.dynamics import CHGNetCalculator
    from chgnet.model.model import CHGNet

    atoms = li3n()
    label = chgnet.label(atoms)
    own = CHGNetCalculator(CHGNet.load(use_device="cpu", verbose=False), use_device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch on a conversion inside chgnet
        own.calculate(atoms)
    assert label.energy_eV == pytest.approx(float(own.results["energy"]), abs=1e-5)
    assert label.forces_eV_A == pytest.approx(own.results["forces"], abs=1e-5)
    assert label.virial_eV == pytest.approx(-own.results["stress"] * atoms.get_volume(), abs=1e-4)


def test_chgnet_fails_one_configuration_without_neighbours(chgnet):
    with pytest.raises(LabelFailed) as caught:
        chgnet.label(Atoms("Li", cell=30 * np.eye(3), pbc=True))
    assert caught.value.cause == "isolated_atom"


def test_positions_that_are_not_numbers_fail_one_label(chgnet, tmp_path):
    for labeller in (chgnet, lammps(tmp_path, **LENNARD_JONES)):
        atoms = li3n()
        atoms.positions[0, 0] = np.nan
        with pytest.raises(LabelFailed) as caught:
            labeller.label(atoms)
        assert caught.value.cause == "not_finite"


def test_provenance_names_method_and_version(chgnet, tmp_path):
    assert chgnet.describe()["versions"]["model"] == "0.3.0"
    assert "lj/smooth" in lammps(tmp_path, **LENNARD_JONES).describe()["method"]


def test_check_loads_no_engine():
    code = (
        "import json, sys; from campaigns.engines import labellers; from campaigns.engines.specs import LabellerSpec\n"
        "found = [labellers.check(LabellerSpec('chgnet'), ['Li', 'Rn']),\n"
        f"         labellers.check(LabellerSpec('lammps', {IONIC!r}), ['Li', 'O'])]\n"
        "print(json.dumps([found, sorted({'torch', 'lammps', 'pymatgen', 'scipy', 'chgnet'} & set(sys.modules))]))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert json.loads(child.stdout) == [[["CHGNet does not know the element Rn: choose another reference method."], []], []]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pair_coeff": "Li Li 0 0.3 0\nO O 1 1 1"}, "pair Li-O are missing"),
        ({"charges": {}, "elements": "Li O"}, "no charges are given"),
        ({"charges": {"Li": "plus"}}, "not a number"),
        ({"kspace_style": ""}, "needs a kspace_style"),
        ({"pair_style": "buck 6.0"}, "needs a pair style with a long-range part"),
        ({"colour": "red"}, "no option 'colour'"),
        ({"pair_coeff": "Li S 1 1 1"}, "'S' in 'Li S 1 1 1' is not an element of the potential"),
        ({"pair_coeff": "* 3 1 1 1"}, "there are 2 elements"),
        ({"pair_coeff": ""}, "give the coefficients"),
    ],
)
def test_check_says_what_is_missing(change, words):
    assert words in " ".join(labellers.check(LabellerSpec("lammps", IONIC | change), ["Li", "O"]))


def test_all_that_is_wrong_is_said_at_once_by_option():
    options = {"pair_style": "lj/cut/coul/long 9", "pair_coeff": ["Li Li 1", "Li O x!", "O Xe 1"], "elements": "Li O", "pair_modify": "a;b"}
    found = labellers.problems(LabellerSpec("lammps", options), ["Li", "O", "S"])
    assert {name: len(texts) for name, texts in found.items()} == {
        "pair_coeff": 2,
        "pair_modify": 1,
        "elements": 1,
        "charges": 1,
        "kspace_style": 1,
    }
    assert set(labellers.problems(LabellerSpec("lammps", {}), ["Li"])) == {"pair_coeff", "elements", "pair_style"}
    assert labellers.problems(LabellerSpec("lammps", IONIC), ["Li", "O"]) == {}


def test_check_names_an_element_without_potential():
    assert "nothing about the element S." in " ".join(labellers.check(LabellerSpec("lammps", IONIC), ["Li", "O", "S"]))


def test_charges_may_be_written_as_text():
    assert lammps_text.parse(IONIC | {"charges": "Li: 1, O=-2"}).charges_e == {"Li": 1.0, "O": -2.0}


@pytest.mark.parametrize(
    "change",
    [
        {"pair_style": "python dummy"},
        {"pair_style": "lj/cut 5.0\nshell touch gone"},
        {"pair_style": ["lj/cut 5.0", "shell touch gone"]},
        {"pair_style": "lj/cut ${home}"},
        {"pair_style": "lj/cut $(1+1)"},
        {"pair_style": "include /etc/passwd"},
        {"pair_style": "hybrid python 10.0"},
        {"pair_style": "hybrid/overlay kim foo lj/cut 8.0"},
        {"kspace_style": "ewald 1e-5 &"},
        {"kspace_style": 'ewald "1e-5"'},
        {"pair_coeff": "* * /etc/passwd Li O"},
        {"pair_coeff": "* * ../../secret Li O"},
        {"pair_coeff": "* * potential.txt Li O"},
        {"pair_coeff": "Li O 1 1 1 ; shell ls"},
        {"pair_modify": "mix arithmetic `ls`"},
        {"pair_modify": "shift yes\rshell ls"},
        {"elements": ["Li", "O 1\nshell ls"]},
        {"charges": {"Li\nshell ls": 1}},
        {"files": {"../x": "text"}},
        {"files": {"x y": "text"}},
    ],
)
def test_text_that_is_no_potential_never_reaches_lammps(change, tmp_path):
    spec = LabellerSpec("lammps", IONIC | change)
    with pytest.raises(EngineFailed, match="The potential cannot be used"):
        labellers.build(spec, tmp_path, 1)
    assert labellers.check(spec, ["Li", "O"])


def test_an_unknown_method_is_refused(tmp_path):
    (said,) = labellers.check(LabellerSpec("oracle"), ["Li"])
    assert said == f"There is no reference method 'oracle'. There are: {', '.join(labellers.MODULES)}."
    with pytest.raises(EngineFailed, match="no reference method"):
        labellers.build(LabellerSpec("oracle"), tmp_path, 1)
