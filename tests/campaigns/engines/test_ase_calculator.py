"""Calculators of ase by import path: what an installation allows, real ones of ase's own, and what is refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

from campaigns.engines import labellers
from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import LabelFailed
from campaigns.engines.specs import LabellerSpec

pytestmark = pytest.mark.engine

LJ = "ase.calculators.lj.LennardJones"
EMT = "ase.calculators.emt.EMT"
WITHOUT_STRESS = "ase.calculators.tip3p.TIP3P"
KEYWORDS = {"sigma": 2.5, "epsilon": 0.02, "rc": 6.0, "smooth": True}


@pytest.fixture(autouse=True)
def _allowed(monkeypatch):
    monkeypatch.setenv("SSEWEB_ASE_CALCULATORS", f"{LJ}, {EMT}, {WITHOUT_STRESS}, no_such_package.Calculator")


def spec(calculator, **keywords):
    return LabellerSpec("ase", {"calculator": calculator, "keywords": keywords})


def argon():
    atoms = bulk("Ar", "fcc", a=4.2, cubic=True)
    atoms.rattle(0.1, seed=3)
    return atoms


def test_the_label_is_that_of_the_calculator(tmp_path):
    labeller = labellers.build(spec(LJ, **KEYWORDS), tmp_path, 1)
    label = labeller.label(argon())
    own = argon()
    own.calc = LennardJones(**KEYWORDS)
    assert label.energy_eV == own.get_potential_energy()
    assert label.forces_eV_A == pytest.approx(own.get_forces())
    assert label.virial_eV == pytest.approx(-own.get_stress(voigt=False) * own.get_volume())
    assert labeller.describe()["method"].startswith(f"{LJ}(sigma=2.5, epsilon=0.02")


def test_emt_of_a_metal_needs_no_keywords(tmp_path):
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.05, seed=1)
    label = labellers.build(spec(EMT), tmp_path, 1).label(copper)
    energies = []
    for sign in (1, -1):
        moved = copper.copy()
        moved.positions[0, 0] += sign * 1e-3
        energies.append(labellers.build(spec(EMT), tmp_path, 1).label(moved).energy_eV)
    assert label.forces_eV_A[0, 0] == pytest.approx(-(energies[0] - energies[1]) / 2e-3, abs=1e-4)


def test_an_element_that_the_calculator_does_not_know_is_a_failed_label(tmp_path):
    with pytest.raises(LabelFailed, match="EMT stopped") as failure:
        labellers.build(spec(EMT), tmp_path, 1).label(Atoms("Li", cell=3 * np.eye(3), pbc=True))
    assert failure.value.cause == "engine_error"


UNSURE = '''
import numpy as np
from ase.calculators.lj import LennardJones

class Unsure(LennardJones):
    """Says of itself how it ended, as ase's Vasp does; `says` in a list: by a method."""
    def __init__(self, says, **keywords):
        super().__init__(sigma=2.5, epsilon=0.02, rc=6.0)
        self.converged = (lambda: says[0]) if isinstance(says, list) else says
'''


@pytest.fixture
def unsure(tmp_path, monkeypatch):
    """Import path of a calculator that does not raise where its SCF did not converge."""
    (tmp_path / "unsure_calculator.py").write_text(UNSURE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SSEWEB_ASE_CALCULATORS", "unsure_calculator.Unsure")
    return "unsure_calculator.Unsure"


def test_a_calculator_that_only_notes_that_it_did_not_converge_gives_no_label(tmp_path, unsure):
    labeller = labellers.build(spec(unsure, says=False), tmp_path, 1)
    for _ in range(2):  # its numbers are not kept either
        with pytest.raises(LabelFailed, match="did not converge") as failure:
            labeller.label(argon())
        assert failure.value.cause == "scf_not_converged"


@pytest.mark.parametrize("says", [True, None, [False]])
def test_one_that_converged_or_does_not_say_gives_its_label(tmp_path, unsure, says):
    assert labellers.build(spec(unsure, says=says), tmp_path, 1).label(argon()).energy_eV < 0


def test_a_calculator_without_stress_is_refused(tmp_path):
    with pytest.raises(EngineFailed, match="gives no stress") as failure:
        labellers.build(spec(WITHOUT_STRESS), tmp_path, 1)
    assert failure.value.permanent


def test_keywords_that_the_calculator_does_not_take_fail_the_stage(tmp_path):
    with pytest.raises(EngineFailed, match="cannot be made with these keywords"):
        labellers.build(spec(WITHOUT_STRESS, no_such_keyword=1), tmp_path, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"calculator": LJ, "keywords": KEYWORDS}, None),
        ({"calculator": LJ, "keywords": '{"sigma": 2.5}'}, None),
        ({"calculator": LJ}, None),
        ({"calculator": "os.system", "keywords": {}}, "os.system is not one of the calculators that this installation allows"),
        ({}, "An empty name is not one of"),
        ({"calculator": "no_such_package.Calculator"}, "no_such_package is not installed"),
        ({"calculator": LJ, "keywords": {"command": "rm x"}}, "command may not be given"),
        ({"calculator": LJ, "keywords": {"model": "/etc/passwd"}}, "may not name a path"),
        ({"calculator": LJ, "keywords": {"model": {"file": "..\\x"}}}, "may not name a path"),
        ({"calculator": LJ, "keywords": {"a b": 1}}, "a b is not a Python name"),
        ({"calculator": LJ, "keywords": "[1, 2]"}, "not an object in JSON"),
        ({"calculator": LJ, "keywords": "{"}, "keywords"),
    ],
)
def test_what_may_not_be_used_is_said_before_the_campaign_starts(options, words):
    problems = labellers.check(LabellerSpec("ase", options), ["Ar"])
    assert words in " ".join(problems) if words else problems == []


def test_an_installation_that_allows_none_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("SSEWEB_ASE_CALCULATORS")
    assert "allows no calculator" in " ".join(labellers.check(spec(LJ), ["Ar"]))
    with pytest.raises(EngineFailed, match="allows no calculator"):
        labellers.build(spec(LJ), tmp_path, 1)
    assert labellers.module("ase").propose(["Ar"], {}) == {}
    monkeypatch.setenv("SSEWEB_ASE_CALCULATORS", LJ)
    assert labellers.module("ase").propose(["Ar"], {}) == {"calculator": LJ}
