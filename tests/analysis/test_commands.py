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
    ("kelvin,D\n1,2\n", "no column temperature_K"), ("T,D\n1,2\n", "no column diffusivity_error_cm2_s"),
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


def rewritten(path, row, factor, separator=",", header="temperature_K,diffusivity_cm2_s,diffusivity_error_cm2_s"):
    """The ideal table with errors of 5 %, D of one row multiplied."""
    lines = [header.replace(",", separator)]
    for number, T in enumerate((600, 700, 800, 900, 1000), start=1):
        D = 1e-3 * math.exp(-0.25 / (KB_EV_K * T)) * (factor if number == row else 1)
        lines.append(separator.join(map(str, (T, D, 0.05 * D))))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_program_finds_the_same_keys_whether_there_is_a_line_or_not(tmp_path, capsys):
    rows = ["T,D,D_error", "900,4e-5,3e-6", "800,2.5e-5,3e-6", "700,1.6e-5,3e-6", "600,1e-5,2e-6"]
    found = []
    for n in (3, 5):
        (tmp_path / "d.csv").write_text("\n".join(rows[:n]))
        found.append(json.loads(run(capsys, "arrhenius", str(tmp_path / "d.csv"), "--json")[1]))
    assert found[0].keys() == found[1].keys()
    assert found[0]["activation_energy_eV"] is found[0]["at"] is None
    assert found[1]["at"]["is_known"] is (found[1]["at"]["diffusivity_cm2_s"] is not None)


@pytest.mark.parametrize(("row", "factor", "side"), [(4, 1.6, "above"), (5, 30, "above"), (1, 0.5, "below")])
def test_an_outlier_is_named_and_stays_in_the_fit(row, factor, side, tmp_path, capsys):
    path = rewritten(tmp_path / "d.csv", row, factor)
    found = json.loads(run(capsys, "arrhenius", path, "--json")[1])
    assert (found["outlier"]["row"], len(found["points"])) == (row, 5)
    assert found["outlier"]["activation_energy_without_eV"] == pytest.approx(0.25, abs=1e-6)
    out = run(capsys, "arrhenius", path)[1]
    assert f"Outlier       row {row}, " in out
    assert f"errors {side} the line through the others; without it Ea = 0.2500 ±" in out
    assert "Outlier" not in run(capsys, "arrhenius", rewritten(tmp_path / "d.csv", 4, 1.05))[1]


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_other_separators_and_short_names_are_read(separator, tmp_path, capsys):
    path = rewritten(tmp_path / "d.csv", 0, 1, separator, "T,D,D_error")
    assert json.loads(run(capsys, "arrhenius", path, "--json")[1])["activation_energy_eV"] == pytest.approx(0.25, abs=1e-6)
    (tmp_path / "d.csv").write_text(
        (tmp_path / "d.csv").read_text().replace(".", ",") if separator == ";" else (tmp_path / "d.csv").read_text()
    )
    assert json.loads(run(capsys, "arrhenius", path, "--json")[1])["activation_energy_eV"] == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(("arguments", "words"), [
    (["--at-K=0"], "--at-K must be a temperature above 0 K, not 0 K"), (["--n-ions=3"], "both --n-ions and --volume-A3"),
    (["--n-ions=3", "--volume-A3=0"], "must be positive"),
])  # fmt: skip
def test_a_wrong_option_is_named(arguments, words, tmp_path):
    with pytest.raises(CommandError, match=words):
        call_command("arrhenius", table(tmp_path / "d.csv"), *arguments)


def shell(capsys, folder, ions_A, ion="Na"):
    """What `analyse` prints, for people and for programs."""
    rng = np.random.default_rng(4)
    framework = rng.uniform(0, 9, (1, 4, 3)) + 0.05 * rng.normal(size=(len(ions_A), 4, 3))
    symbols = f"{ion}{ions_A.shape[1]}S4"
    path = folder / "run.extxyz"
    ase.io.write(path, [Atoms(symbols, positions=one, cell=np.eye(3) * 9, pbc=True) for one in np.concatenate([ions_A, framework], axis=1)])
    arguments = ("analyse", str(path), f"--mobile={ion}", "--temperature-K=600", "--frame-interval-fs=100")
    return run(capsys, *arguments)[1], json.loads(run(capsys, *arguments, "--json")[1])


def test_the_usual_charge_of_the_ion_counts_and_is_said(tmp_path, capsys):
    rng = np.random.default_rng(2)
    ions_A = walks.lattice_walk(rng, 300, 12, 0.5, edge_A=2.0) + rng.uniform(0, 9, (1, 12, 3))
    out, magnesium = shell(capsys, tmp_path, ions_A, "Mg")
    assert "for a charge of 2 e" in out
    sodium = shell(capsys, tmp_path, ions_A)[1]
    ratio = magnesium["run"]["details"]["conductivity_mS_cm"] / sodium["run"]["details"]["conductivity_mS_cm"]
    assert ratio == pytest.approx(4, rel=1e-6)
    assert [one["run"]["details"]["charge_e"] for one in (magnesium, sodium)] == [2, 1]


def test_a_run_without_d_gives_a_limit_and_neither_nan_nor_a_negative_number(tmp_path, capsys):
    ions_A = walks.ring_walk(np.random.default_rng(3), 400, 12, 2, 0.1, 2.5)
    out, found = shell(capsys, tmp_path, ions_A)
    assert found["run"]["verdict"] != "diffusive"
    assert "nan" not in out
    assert "D             below " in out
    assert "Haven ratio   -\n" in out
    assert found["run"]["diffusivity_cm2_s"] is None
    assert 0 < found["run"]["details"]["diffusivity_below_cm2_s"] < 1e-5
    assert found["run"]["details"]["conductivity_below_mS_cm"] > 0
