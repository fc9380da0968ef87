"""Plays the same campaigns with kills and without, compares, and prints a table."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from tests.kill_harness import points
from tests.kill_harness.play import N_SEEDS, PROCESSES
from tests.stand_ins.installation import ROOT

LEASE_S = "3"


def plans(n_kills, seed, n_installations, each_point):
    """Every point `each_point` times (or, where fewer kills are asked for, a sample of them), the others at random moments; shuffled."""
    chosen = random.Random(seed)
    at_points = [name for name in points.names() for _ in range(each_point)]
    if len(at_points) > 0.6 * n_kills:
        at_points = chosen.sample(at_points, round(0.6 * n_kills))
    at_random = [PROCESSES[i % len(PROCESSES)] for i in range(n_kills - len(at_points))]
    kills = at_points + at_random
    chosen.shuffle(kills)
    parts = [kills[i::n_installations] for i in range(n_installations)]
    return [{"campaigns": 1, "seed": seed + i, "kills": part} for i, part in enumerate(parts)]


def play(plan, folder):
    """A report of one installation."""
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    environment = os.environ | {
        "SSEWEB_DATA_DIR": str(folder / "data"), "DJANGO_SETTINGS_MODULE": "tests.kill_harness.settings",
        "SSEWEB_CORES": str(min(2, os.cpu_count())), "SSEWEB_STAGE_LEASE_S": LEASE_S, "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "tests.kill_harness.play", folder / "plan.json", folder / "report.json"],
                          cwd=ROOT, env=environment, capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-8000:])
    return json.loads((folder / "report.json").read_text())


def run(n_kills, seed, n_installations=1, each_point=1):
    """(kills, what differs, account of the computations): every campaign that was disturbed against an undisturbed one of its seed."""
    with tempfile.TemporaryDirectory(prefix="sseweb-kill-") as name, ThreadPoolExecutor(n_installations) as pool:
        todo = [*plans(n_kills, seed, n_installations, each_point), {"campaigns": N_SEEDS, "seed": 0, "kills": []}]
        *disturbed, undisturbed = pool.map(play, todo, [Path(name) / f"installation-{i}" for i in range(len(todo))])
    kills = [kill for report in disturbed for kill in report["kills"]]
    expected = dict(undisturbed["dump"])
    found = [(f"installation {i}, campaign {n}", *one) for i, report in enumerate(disturbed) for n, one in enumerate(report["dump"])]
    unlike = [line for place, its_seed, campaign in found for line in differences(campaign, expected[its_seed], place)]
    return kills, unlike, _sum([report["account"] for report in disturbed])


def _sum(accounts):
    return {key: sum(account[key] for account in accounts) for key in accounts[0]}


def differences(one, other, path=""):
    """Where two dumps differ, one line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key not in one or key not in other:
                yield f"{path}/{key}: only {'undisturbed' if key not in one else 'disturbed'}"
            else:
                yield from differences(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}/{number}")
    elif one != other:
        yield f"{path}: {str(one)[:200]} with kills, {str(other)[:200]} without"


def table(kills):
    """Markdown: kills by process, at random moments and at points, and how long it took until everything went on."""
    by_process = defaultdict(list)
    for kill in kills:
        by_process[kill["process"]].append(kill)
    lines = ["| killed | at a random moment | between two writes | recovered | median (s) | worst (s) |", "|---|---|---|---|---|---|"]
    for process, found in [*sorted(by_process.items()), ("all", kills)]:
        seconds = [kill["seconds"] for kill in found]
        at_random = sum(kill["target"] in PROCESSES for kill in found)
        lines.append(f"| {process} | {at_random} | {len(found) - at_random} | {len(found)} | {median(seconds):.1f} | {max(seconds):.1f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--installations", type=int, default=2, help="that are played at the same time")
    parser.add_argument("--each-point", type=int, default=2, help="kills at every point between two writes")
    asked = parser.parse_args()
    began = time.monotonic()
    kills, unlike, account = run(asked.kills, asked.seed, asked.installations, asked.each_point)
    print(table(kills))
    print(f"\n{len(kills)} kills in {time.monotonic() - began:.0f} s (the undisturbed run included).")
    print(", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in account.items()))
    print("\n".join(unlike) or "Database, artefacts and results are identical.")
    sys.exit(bool(unlike))


if __name__ == "__main__":
    main()
