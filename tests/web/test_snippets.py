"""The Python that stands beside the data of a page: copied as it is, with a token, it runs."""

import html
import re
import subprocess
import sys

import pytest
from django.urls import reverse
from knox.models import AuthToken

from analysis.models import TrajectoryAnalysis
from campaigns.models import MdRun, TrainedModel
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = {
    "campaign-overview": ("campaign", "running"),
    "campaign-results": ("campaign", "eV"),
    "campaign-training-set": ("campaign", "configurations, the highest"),
    "model": ("model", "eV/Å on"),
    "material-page": ("material", "Li10GeP2S12"),
    "campaign-list": (None, "LGPS, quick"),
    "material-list": (None, "LGPS"),
    "trajectory-list": (None, "run"),
    "campaign-models": ("campaign", "error on new snapshots"),
    "campaign-parity": ("campaign", "error on new snapshots"),
    "campaign-stages": ("campaign", "stages,"),
    "campaign-settings": ("campaign", "quick"),
    "campaign-report": ("campaign", "eV"),
    "stage": ("stage", "bytes"),
    "configuration": ("configuration", "eV/atom"),
    "run": ("run", "cm²/s"),
    "trajectory": ("trajectory", "failed no such file"),
    "compare": (None, "mS/cm at 300.0 K"),
}


def test_every_snippet_runs(live_server, client, ada, tmp_path):
    row = factories.full_campaign(ada, frames_per_step=6)
    places = {
        "campaign": row.pk,
        "model": TrainedModel.objects.last().pk,
        "stage": row.stages.filter(state="done").first().pk,
        "configuration": row.frames.exclude(verdict="unlabelled").first().pk,
        "run": MdRun.objects.filter(purpose="evaluate", diffusion__isnull=False).first().pk,
        "material": row.cells.first().material_id,
        "trajectory": TrajectoryAnalysis.objects.create(
            owner=ada,
            name="run",
            file_names=["run.xyz"],
            mobile_ion="Li",
            temperature_K=600,
            spec={},
            state="failed",
            message="no such file",
        ).pk,
    }
    token = AuthToken.objects.create(ada)[1]
    client.force_login(ada)
    for name, (place, words) in PAGES.items():
        address = reverse(name, args=[places[place]]) if place else f"{reverse(name)}?campaign={row.pk}"
        page = client.get(address).content.decode()
        (code,) = re.findall(r'<pre[^>]*aria-label="Python example">(.*?)</pre>', page, re.DOTALL)
        program = html.unescape(code).replace("YOUR TOKEN", token).replace("http://testserver", live_server.url)
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert (name, done.returncode, done.stderr) == (name, 0, "")
        assert words in done.stdout, (name, done.stdout)
    filtered = client.get(reverse("campaign-training-set", args=[row.pk]), {"verdict": "rejected", "overruled": "kept", "loop": "1"})
    assert "page_size=1000&amp;verdict=rejected&amp;loop=1" in filtered.content.decode()
    assert (tmp_path / "frozen_model.pb").read_bytes() == b"frozen"
    assert (tmp_path / "data-set.zip").read_bytes().startswith(b"PK")
