"""What a label costs: seconds and core-seconds on every core, first from scratch and then with the wavefunction of the one before, and the
estimate that a campaign's page shows by it for the preset `paper`.

python -m pytest -s tests/benchmarks/test_label_cost.py                (LGPS-50 with CP2K's default settings too: half an hour)
python -m pytest -s tests/benchmarks/test_label_cost.py -k smallest    (LiH with 8 atoms, loose settings: a minute)
"""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth import get_user_model

from campaigns.engines import check, job, labellers
from campaigns.engines.check_specs import CheckSpec
from campaigns.engines.specs import LabellerSpec, PrepareSpec
from campaigns.enums import CampaignState, StageKind, StageState
from campaigns.models import MethodCheck, Stage
from campaigns.science.plan import NEXT_LABEL_SHARE
from campaigns.services import campaigns, estimates, method_checks, settings_file
from campaigns.services.requests import request_of

CIFS = Path(__file__).resolve().parents[2] / "campaigns" / "examples" / "cifs"
LOOSE = {"cutoff_Ry": 150, "rel_cutoff_Ry": 40, "eps_default": 1e-8, "scf_eps": 1e-5, "basis": "SZV-MOLOPT-SR-GTH"}
CASES = {
    "smallest": ("lih_rocksalt_model.cif", "Li", LOOSE),
    "LGPS": ("lgps_kamaya2011.cif", "Li", {}),
}
MOVED_A = 0.02  # from one label to the next: some steps of dynamics

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("cp2k.psmp") is None, reason="CP2K is not installed: apt-get install cp2k openmpi-bin"),
]


@pytest.mark.parametrize("case", CASES)
def test_what_a_label_costs(case, tmp_path):
    cif, ion, options = CASES[case]
    cores = len(os.sched_getaffinity(0))
    method = LabellerSpec("cp2k", options)
    spec = CheckSpec(PrepareSpec(str(CIFS / cif), (1, 1, 1), ion, method, 1), None, method, 1, options=[], cores=cores)
    found = check.run(tmp_path, spec, job.Progress(tmp_path))
    next_s = _seconds_of_the_next(tmp_path, method, cores)
    versions = labellers.versions(tmp_path / "next")
    print(f"\n{found.formula}, {found.n_atoms} atoms, {versions}, {cores} cores; rms force {found.rms_force_eV_A:.2f} eV/Å")
    for name, seconds in (("from scratch", found.seconds), ("with the wavefunction before", next_s)):
        print(f"  one label {name:<30}{seconds:>9.1f} s{seconds * cores:>10.1f} core-seconds")
    estimate = _estimate(cif, ion, options, found, cores)
    print("  preset paper, all loops, by the first of these:")
    for row in estimate.rows:
        print(f"    {row.what:<36}{row.amount:>14,.0f} {row.unit:<10}{row.seconds / 86400:>9.1f} days   {row.basis}")
    assert found.variants[0].state == "done"
    by_check = [row for row in estimate.rows if row.unit == "labels"]
    assert all("check of this method" in row.basis for row in by_check)
    all_from_scratch_s = estimate.labels * found.seconds
    assert NEXT_LABEL_SHARE["cp2k"] * all_from_scratch_s < sum(row.seconds for row in by_check) < all_from_scratch_s


def _seconds_of_the_next(folder, method, cores):
    """A label after another one, moved a little."""
    from ase.io import read

    atoms = read(folder / check.CONFIGURATION_FILE)
    (folder / "next").mkdir()
    labeller = labellers.build(method, folder / "next", cores)
    labeller.label(atoms, "first")
    atoms.positions += np.random.default_rng(2).normal(scale=MOVED_A, size=atoms.positions.shape)
    began = time.perf_counter()
    labeller.label(atoms, "second")
    return time.perf_counter() - began


def _estimate(cif, ion, options, found, cores):
    """What the page of a draft shows once the check has been registered."""
    owner = get_user_model().objects.create_user("marie")
    document = {
        "name": "cost",
        "material": str(CIFS / cif),
        "cells": [{"supercell": [1, 1, 1]}],
        "labeller": {"name": "cp2k", **options},
        "preset": "paper",
        "mobile_ion": ion,
    }
    draft = campaigns.create(owner, settings_file.to_request(owner, document, "", CIFS))
    assert draft.state == CampaignState.DRAFT
    stage = Stage.objects.create(campaign=draft, kind=StageKind.CHECK, state=StageState.DONE, cores=cores)
    values = job.to_json(replace(found, versions={}))
    names = ("formula", "n_atoms", "seconds", "rms_force_eV_A", "verdict", "sentence", "variants")
    key = method_checks.key_of("cp2k", draft.labeller_options)
    MethodCheck.objects.create(campaign=draft, stage=stage, method_key=key, cores=cores, **{name: values[name] for name in names})
    return estimates.estimate(owner, request_of(draft))
