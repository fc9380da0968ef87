"""The installation that `make` does, with a stand-in for pip: what is shown while it goes, and what is not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import audit

ROOT = Path(__file__).resolve().parents[2]
PIP = """#!/bin/sh
[ "$1" = -m ] && [ "$3" != --version ] || exit 0
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


# Of a python that is interpreter and `venv` at once: what it was asked for stands in a file, and it makes an environment with a pip.
PYTHON = """#!/bin/sh
echo "$@" >> ASKED
[ "$2" = venv ] || exit 0
rm -rf "$4" && mkdir -p "$4/bin" && printf '#!/bin/sh\nexit 0\n' > "$4/bin/python" && chmod +x "$4/bin/python"
"""


def _set_up(tmp_path, interpreter):
    python = tmp_path / "python3"
    python.write_text(interpreter.replace("ASKED", str(tmp_path / "asked")))
    python.chmod(0o755)
    argv = ["make", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}", f"{tmp_path / 'venv'}/.ready"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_an_environment_that_was_interrupted_before_it_had_pip_is_made_anew(tmp_path):
    half = tmp_path / "venv/bin/python"
    half.parent.mkdir(parents=True)
    half.write_text('#!/bin/sh\n[ "$2" = pip ] && echo "No module named pip" >&2 && exit 1\nexit 0\n')
    half.chmod(0o755)
    done = _set_up(tmp_path, PYTHON)
    assert done.returncode == 0, done.stderr
    assert f"-m venv --clear {tmp_path / 'venv'}" in (tmp_path / "asked").read_text()
    assert (tmp_path / "venv/.ready").exists()


def test_where_python_cannot_make_an_environment_the_package_is_named(tmp_path):
    done = _set_up(tmp_path, '#!/bin/sh\n[ "$2" != venv ]\n')
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


SOUND = {"name": "ase", "version": "3.29.0", "vulns": []}
HOLED = {"name": "idna", "version": "3.6", "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"]}]}
UNKNOWN = {"name": "certifi", "skip_reason": "Dependency not found on PyPI and could not be audited: certifi"}


@pytest.mark.parametrize(("rows", "status", "words"), [
    ([SOUND], 0, "1 releases audited, 0 advisories"), ([SOUND, HOLED, UNKNOWN], 1, "idna 3.6: PYSEC-2024-60, mended in 3.7"),
    ([SOUND, UNKNOWN], 2, "Not audited, as they are not known there: certifi"), ([UNKNOWN], 2, "Nothing was audited"),
    (None, 2, "Nothing was audited"),
])  # fmt: skip
def test_an_audit_says_what_it_found_and_what_it_could_not_ask(tmp_path, rows, status, words):
    report = tmp_path / "found.json"
    if rows is not None:
        report.write_text(json.dumps({"dependencies": rows, "fixes": []}))
    said, found = audit.in_words(report)
    assert (found, words in said) == (status, True)


def test_an_audit_without_a_network_is_no_sound_one(tmp_path):
    """pip, which cannot fetch pip-audit, is a stand-in."""
    python = tmp_path / "audit/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(["make", "audit", f"AUDIT={tmp_path / 'audit'}"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "Nothing was audited" in done.stdout
