"""The installation that `make` does, with a stand-in for pip: what is shown while it goes, and what is not."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIP = """#!/bin/sh
[ "$1" = -m ] || exit 0
echo "Collecting numpy==1.26.4"
echo "  Downloading numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl.metadata (61 kB)"
echo "Downloading tensorflow_cpu-2.18.0-cp311-cp311-manylinux.whl (230.0 MB)"
echo "Using cached ase-3.26.0-py3-none-any.whl (2.9 MB)"
echo "Installing collected packages: numpy, ase"
echo "ERROR: No matching distribution found for x" >&2
exit STATUS
"""


@pytest.mark.parametrize("status", [0, 1])
def test_an_installation_shows_what_it_fetches_and_its_errors(tmp_path, status):
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PIP.replace("STATUS", str(status)))
    python.chmod(0o755)
    argv = ["make", f"VENV={tmp_path / 'venv'}", f"{tmp_path / 'venv'}/.ready"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "downloading tensorflow_cpu-2.18.0-cp311-cp311-manylinux.whl, 230.0 MB" in done.stdout
    assert "ase-3.26.0-py3-none-any.whl, 2.9 MB: known from before" in done.stdout
    assert "unpacking" in done.stdout
    assert "metadata" not in done.stdout
    assert "Collecting" not in done.stdout
    assert "No matching distribution" in done.stderr
    assert (done.returncode == 0, (tmp_path / "venv/.ready").exists()) == (status == 0, status == 0)
