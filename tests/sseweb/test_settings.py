"""Settings that cannot be carried out are refused when a process starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("wanted", [str(len(os.sched_getaffinity(0)) + 1), "0", "two"])
def test_more_cores_than_there_are_are_refused_in_one_sentence(tmp_path, wanted):
    done = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "sseweb.settings", "SSEWEB_DATA_DIR": str(tmp_path), "SSEWEB_CORES": wanted},
    )  # fmt: skip
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith("The settings cannot be used: SSEWEB_CORES ")


def test_all_of_them_are_the_default(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "SSEWEB_CORES"} | {"SSEWEB_DATA_DIR": str(tmp_path)}
    code = "from sseweb import settings; print(settings.ENGINE_CORES)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment, check=True)
    assert int(done.stdout) == len(os.sched_getaffinity(0))
