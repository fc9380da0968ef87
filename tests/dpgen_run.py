"""A small run folder as DP-GEN leaves it (dpgen/generator/run.py): labels of a Lennard-Jones crystal of two species, written by dpdata."""

import json
from pathlib import Path

import dpdata
import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones

TYPE_MAP = ["S", "Li"]  # not alphabetical: orders must be kept apart
SYMBOLS = ["Li"] * 4 + ["S"] * 4
A = 5.4
LCURVE = """#  step      rmse_val    rmse_trn    rmse_e_val  rmse_e_trn    rmse_f_val  rmse_f_trn         lr
# If there is no available reference data, rmse_*_{val,trn} will print nan
      0      1.23e+01    1.19e+01      3.41e-01    3.39e-01      3.88e-01    3.77e-01    1.0e-03
    500      2.21e+00    2.02e+00      1.21e-02    1.11e-02      9.71e-02    9.02e-02    3.2e-04
   1000      1.64e+00    1.51e+00      4.20e-03    4.00e-03      6.31e-02    6.00e-02    1.0e-04
"""


def labelled(n: int, seed: int, displacement_A: float) -> dpdata.LabeledSystem:
    random = np.random.default_rng(seed)
    grid = A / 2 * np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    rows = []
    for _ in range(n):
        atoms = Atoms(SYMBOLS, positions=grid + random.normal(0, displacement_A, (8, 3)), cell=np.eye(3) * A, pbc=True)
        atoms.calc = LennardJones(sigma=2.3, epsilon=0.3, rc=5.0, smooth=True)
        virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
        rows.append((atoms.positions, atoms.get_potential_energy(), atoms.get_forces(), virial))
    coords, energies, forces, virials = (np.array(column) for column in zip(*rows, strict=True))
    return dpdata.LabeledSystem(
        data={
            "atom_names": TYPE_MAP,
            "atom_numbs": [4, 4],
            "atom_types": np.array([1] * 4 + [0] * 4),
            "orig": np.zeros(3),
            "cells": np.tile(np.eye(3) * A, (n, 1, 1)),
            "coords": coords,
            "energies": energies,
            "forces": forces,
            "virials": virials,
        }
    )


def build(root: Path) -> Path:
    """Two iterations that are done and one whose dynamics has just ended, on three initial configurations."""
    root.mkdir(parents=True)
    labelled(3, 1, 0.05).to("deepmd/npy", root / "data" / "lis" / "deepmd", set_size=2)
    (root / "confs").mkdir()
    for name in ("1.vasp", "2.vasp", "wide.vasp"):
        (root / "confs" / name).write_text(f"LiS {name}\n")
    common = {"sys_idx": [0], "press": [1.0], "trj_freq": 10, "nsteps": 50, "ensemble": "nvt"}
    jobs = [common | {"temps": [300.0 + 150 * number], "_idx": f"{number:02d}"} for number in range(3)]
    param = {
        "type_map": TYPE_MAP, "mass_map": "auto", "init_data_prefix": "data", "init_data_sys": ["lis/deepmd", "lis/elsewhere"],
        "sys_configs_prefix": "confs", "sys_configs": [["[12].vasp"], ["wide.vasp"]], "init_batch_size": [2, 2], "numb_models": 2,
        "default_training_param": {"model": {"type_map": TYPE_MAP}}, "model_devi_dt": 0.002, "model_devi_skip": 10,
        "model_devi_f_trust_lo": 0.06, "model_devi_f_trust_hi": 0.18, "model_devi_jobs": jobs, "fp_style": "vasp", "fp_task_max": 2,
        "fp_task_min": 1, "fp_pp_path": ".", "fp_pp_files": ["POTCAR_S", "POTCAR_Li"], "fp_incar": "INCAR",
    }  # fmt: skip
    (root / "param.json").write_text(json.dumps(param, indent=4))
    machine = {"context_type": "SSHContext", "remote_profile": {"hostname": "cluster", "username": "ada", "password": "open sesame"}}
    (root / "machine.json").write_text(json.dumps({"api_version": "1.0", "fp": [{"command": "vasp_std", "machine": machine}]}))
    (root / "record.dpgen").write_text(
        "".join(f"{number} {stage}\n" for number in range(2) for stage in range(9)) + "2 0\n2 1\n2 2\n2 3\n2 4\n"
    )
    for number in range(3):
        _iteration(root / f"iter.{number:06d}", number, jobs[number]["temps"][0])
    return root


def _iteration(folder: Path, number: int, temperature_K: float) -> None:
    train = folder / "00.train"
    for index in range(2):
        task = train / f"{index:03d}"
        task.mkdir(parents=True)
        given = {
            "model": {"type_map": TYPE_MAP, "descriptor": {"type": "se_e2_a", "sel": [40, 60]}},
            "training": {"seed": 100 * number + index},
        }
        (task / "input.json").write_text(json.dumps(given))
        (task / "lcurve.out").write_text(LCURVE)
        (task / "frozen_model.pb").write_bytes(b"graph %d %d" % (number, index))
        (train / f"graph.{index:03d}.pb").symlink_to(f"{index:03d}/frozen_model.pb")
    (train / "data.iters").mkdir()
    task = folder / "01.model_devi" / "task.000.000000"
    task.mkdir(parents=True)
    (task / "job.json").write_text(json.dumps({"ensemble": "nvt", "press": 1.0, "temps": temperature_K, "model_devi_dt": 0.002}))
    # With DeePMD-kit's header; steps 0 (skipped), 10 accurate, 20 and 40 candidates, 30 failed, 50 not a number.
    force = [0.9, 0.031, 0.062 + 0.01 * number, 0.21, 0.141, float("nan")]
    header = "#" + "".join(
        f"{name:>19}" for name in ("step", "max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f")
    )
    lines = [f"{10 * row:12d}" + "".join(f"{x:19.6e}" for x in (0.02, 0.001, 0.01, f, 0.01, f / 2)) for row, f in enumerate(force)]
    (task / "model_devi.out").write_text("\n".join([header, *lines]) + "\n")
    if number == 2:
        return
    fp = folder / "02.fp"
    place = f"{folder.name}/01.model_devi/task.000.000000"
    fp.mkdir()
    (fp / "candidate.shuffled.000.out").write_text(f"{place} 40\n{place} 20\n")
    (fp / "rest_accurate.shuffled.000.out").write_text(f"{place} 10\n")
    (fp / "rest_failed.shuffled.000.out").write_text(f"{place} 30\n")
    for index in range(2):
        (fp / f"task.000.{index:06d}").mkdir()
        (fp / f"task.000.{index:06d}" / "OUTCAR").write_text("\n")
    systems = dpdata.MultiSystems(labelled(2, 10 + number, 0.1), type_map=TYPE_MAP)
    systems.to_deepmd_raw(fp / "data.000")
    systems.to_deepmd_npy(fp / "data.000")
