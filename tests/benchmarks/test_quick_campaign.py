"""A quick campaign of LGPS on an installation of its own: who spends the wall time, what our processes weigh, whether the probe chose well.

python -m pytest -s tests/benchmarks/test_quick_campaign.py       (a quarter of an hour and more)
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import psutil
import pytest

from campaigns.engines import job, lammps_run, probe
from campaigns.engines.specs import LaunchChoice

ROOT = Path(__file__).resolve().parents[2]
OURS = {"gunicorn": "web", "dramatiq": "worker", "reconcile": "reconciler"}
LIMIT_MB = 300
ENGINE_SHARE = 0.9
PROBE_SHARE = 0.95
REPEATS = 5


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """The demo run to its end: what it printed, its data folder, and the most memory each of our processes held, MB."""
    data = tmp_path_factory.mktemp("quick") / "data"
    argv = [sys.executable, "manage.py", "campaign", "run", "campaigns/examples/demo.yaml", "--json"]
    environment = os.environ | {"SSEWEB_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "sseweb.settings"}
    heaviest: dict[str, float] = {}
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            for name, size_MB in _sizes_MB(psutil.Process(process.pid)):
                heaviest[name] = max(heaviest.get(name, 0.0), size_MB)
            time.sleep(2)
        printed = process.stdout.read()
    assert process.returncode == 0, printed
    return json.loads(printed), data, heaviest


def _sizes_MB(command):
    for child in command.children(recursive=True):
        try:
            words = " ".join(child.cmdline())
            size_MB = child.memory_info().rss / 1e6
        except psutil.Error:
            continue
        for word, name in OURS.items():
            if word in words and "campaigns.engines" not in words:
                yield name, size_MB


def test_the_wall_time_is_the_engines(campaign):
    found, _, _ = campaign
    share = found["wall_seconds_in_engines"] / found["wall_seconds"]
    print(f"\n{found['wall_seconds'] / 60:.1f} min, {share:.1%} of it inside engines; E_a {found['activation_energy_eV']} eV")
    for kind, seconds in found["seconds_by_stage_kind"].items():
        print(f"  {kind:<30}{seconds:>8.0f} s")
    assert share >= ENGINE_SHARE


def test_web_and_worker_are_small(campaign):
    heaviest = campaign[2]
    print("\n" + ", ".join(f"{name} {size_MB:.0f} MB" for name, size_MB in sorted(heaviest.items())))
    assert heaviest
    assert max(heaviest.values()) < LIMIT_MB


def test_the_probe_chose_what_is_fastest(campaign):
    """The same combinations in turn, several times over: the chosen one beside the one that is fastest in the median."""
    folder = next(campaign[1].glob("campaigns/*/loop-1/step-1/probe-0/attempt-1"))
    spec = job.read_spec(folder, probe.ProbeSpec)
    chosen = LaunchChoice(**job.read_json(folder / "result.json")["best"])
    rates: dict[LaunchChoice, list[float]] = {}
    for repeat in range(REPEATS):
        for choice in probe.choices(spec):
            own = folder / f"again-{repeat}-{choice.ranks}x{choice.threads}x{choice.compressed}"
            own.mkdir()
            facts = lammps_run.run(own, probe.dynamics(spec, choice), spec.cell_file, choice, job.Progress(own))
            rates.setdefault(choice, []).append(facts.peak_steps_per_s)
    typical = {choice: median(found) for choice, found in rates.items()}
    for choice, rate in typical.items():
        print(f"\n{choice!s:<100}{rate:>8.0f} steps/s{'   chosen' if choice == chosen else ''}", end="")
    assert typical[chosen] >= PROBE_SHARE * max(typical.values())
