"""What every test shares: a data folder of its own, and no silent skips where continuous integration has installed everything.

Everything but DeePMD-kit's PyTorch backend: an environment of 8 GB more.
"""

import os

import pytest

from tests.slurm import login_node, slurm, slurm_installation  # noqa: F401


@pytest.fixture(autouse=True)
def data_dir(tmp_path, settings):
    """Each test writes its artefacts into a folder of its own."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    return settings.DATA_DIR


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    is_installed = item.get_closest_marker("pytorch") is None
    if os.environ.get("SSEWEB_NO_SKIP") == "1" and is_installed and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
