"""`manage.py analyse` and `manage.py arrhenius`, as a shell sees them."""

import json
import math

import ase.io
import numpy as np
import pytest
from ase import Atoms
from django.core.management import CommandError, call_command

from analysis.science.transport import nernst_einstein_S_cm
from tests.analysis.science import walks

KB_EV_K = 8.617333262e-5


def table(path, temperatures_K=(600, 700, 800, 900, 1000), energy_eV=0.25):
    rows = [f"{T},{1e-3 * math.exp(-energy_eV / (KB_EV_K * T)):.12e},1e-7" for T in temperatures_K]
    path.write_text("\n".join(["# from a paper", "temperature_K,diffusivity_cm2_s,diffusivity_error_cm2_s", *rows]) + "\n")
    return str(path)


def run(capsys, *arguments):
    """Exit status and what was printed."""
    try:
        call_command(*arguments)
        status = 0
    except SystemExit as error:
        status = error.code
    return status, capsys.readouterr().out


def test_ideal_arrhenius_data_give_their_energy_back(tmp_path, capsys):
    status, out = run(capsys, "arrhenius", table(tmp_path / "d.csv"), "--json", "--n-ions=20", "--volume-A3=950")
    found = json.loads(out)
    assert status == 0
    assert found["activation_energy_eV"] == pytest.approx(0.25, abs=1e-9)
    assert found["at"]["extrapolated"]
    assert found["at"]["diffusivity_cm2_s"] == pytest.approx(1e-3 * math.exp(-0.25 / (KB_EV_K * 300)), rel=1e-6)
    expected = 1000 * nernst_einstein_S_cm(found["at"]["diffusivity_cm2_s"], 20, 1.0, 950.0, 300.0)
    assert found["at"]["conductivity_mS_cm"] == pytest.approx(expected, rel=1e-12)
    assert "Ea            0.2500 ±" in run(capsys, "arrhenius", table(tmp_path / "d.csv"))[1]


def test_what_is_extrapolated_too_far_is_said_in_words(tmp_path, capsys):
    near = table(tmp_path / "d.csv", (845, 800, 760, 723))
    text = (tmp_path / "d.csv").read_text().replace(",1e-7", ",3e-6")
    (tmp_path / "d.csv").write_text(text)
    out = run(capsys, "arrhenius", near, "--n-ions=20", "--volume-A3=950")[1]
    assert "D(300 K)      not known well enough: the runs span too little of 1/T" in out
    assert "Conductivity" not in out
    assert "95 % " in run(capsys, "arrhenius", near, "--at-K=780")[1]


def test_two_temperatures_give_points_and_no_line(tmp_path, capsys):
    status, out = run(capsys, "arrhenius", table(tmp_path / "d.csv", (600, 700)), "--json")
    found = json.loads(out)
    assert (status, found["activation_energy_eV"], len(found["points"])) == (0, None, 2)
    assert "at least 3" in found["reason"]


@pytest.mark.parametrize(("text", "words"), [
    ("T,D\n1,2\n", "no column temperature_K"),
    ("temperature_K,diffusivity_cm2_s,diffusivity_error_cm2_s\n600,abc,1e-6\n", "row 1: diffusivity_cm2_s is 'abc'"),
    ("temperature_K,diffusivity_cm2_s,diffusivity_error_cm2_s\n600,1e-5,1e-6\n700,-1e-5,1e-6\n", "row 2: diffusivity_cm2_s is -1e-05"),
    ("temperature_K,diffusivity_cm2_s,diffusivity_error_cm2_s\n600,1e-5\n", "not a number"),
    ("", "nothing"),
])  # fmt: skip
def test_a_wrong_table_is_refused_with_its_row(text, words, tmp_path, capsys):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(CommandError, match=words):
        call_command("arrhenius", str(tmp_path / "d.csv"))
    status, out = run(capsys, "arrhenius", str(tmp_path / "d.csv"), "--json")
    assert status == 1
    assert "error" in json.loads(out)


def test_a_trajectory_is_analysed_from_the_shell(tmp_path, capsys):
    rng = np.random.default_rng(2)
    ions = walks.lattice_walk(rng, 300, 12, 0.5, edge_A=2.0) + rng.uniform(0, 9, (1, 12, 3))
    framework = rng.uniform(0, 9, (1, 4, 3)) + 0.05 * rng.normal(size=(300, 4, 3))
    path = tmp_path / "run.extxyz"
    ase.io.write(path, [Atoms("Na12S4", positions=one, cell=np.eye(3) * 9, pbc=True) for one in np.concatenate([ions, framework], axis=1)])
    arguments = ("analyse", str(path), "--mobile=Na", "--temperature-K=600", "--frame-interval-fs=100")
    status, out = run(capsys, *arguments, "--json")
    found = json.loads(out)
    assert (status, found["run"]["verdict"], found["n_mobile"]) == (0, "diffusive", 12)
    assert "Verdict       diffusive" in run(capsys, *arguments)[1]
    status, out = run(capsys, "analyse", str(path), "--mobile=Na", "--temperature-K=600", "--json")
    assert status == 1
    assert "time between" in json.loads(out)["error"]
