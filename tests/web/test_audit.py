"""The training set is audited in the browser: histograms, model against label, a person's verdict."""

import base64
import gzip
import json

import numpy as np
from django.urls import reverse

from campaigns.models import Overruling
from campaigns.science.frames import Frames
from campaigns.templatetags.present import sig
from tests import factories
from tests.web.test_exports import rows_of, unpacked


def sources(plot):
    """Data of every glyph of a Bokeh document."""
    for root in plot["doc"]["roots"]:
        for renderer in root["attributes"]["renderers"]:
            yield {name: decoded(values) for name, values in renderer["attributes"]["data_source"]["attributes"]["data"]["entries"]}


def decoded(values):
    if isinstance(values, dict) and values.get("type") == "ndarray":
        if isinstance(values["array"], list):
            return values["array"]
        return np.frombuffer(gzip.decompress(base64.b64decode(values["array"]["data"])), dtype=values["dtype"]).tolist()
    return values


def test_errors_on_the_page_are_those_of_the_files(as_ada, full):
    page = as_ada.get(reverse("campaign-parity", args=[full.pk]), {"at": "1.2"})
    rows = list(full.frames.filter(loop=1, step=2).exclude(verdict="unlabelled").select_related("artefact"))
    parts = [Frames.load(row.artefact.file)[[row.row]] for row in rows]
    apart = np.concatenate([(part.model_forces_eV_A - part.forces_eV_A).ravel() for part in parts])
    energy = np.concatenate([part.model_energy_eV - part.energy_eV for part in parts]) * 1000 / 8
    by_name = {one.name: one.deviation for one in page.context["compared"]}
    assert by_name["force component"].rmse == np.sqrt(np.mean(apart**2))
    assert np.isclose(by_name["energy per atom"].mae, np.abs(energy).mean())
    assert sig(by_name["force component"].rmse) in page.content.decode()
    assert page.context["shown"] == (1, 2)


def test_every_point_of_a_parity_plot_leads_to_its_configuration(as_ada, full):
    plot = as_ada.get(reverse("plot-parity", args=[full.pk, 1, 1, "energy"])).json()
    (data,) = sources(plot)
    for pk, label, model in zip(data["configuration"], data["x"], data["y"], strict=True):
        row = full.frames.get(pk=pk)
        truth = Frames.load(row.artefact.file)[[row.row]]
        assert (label, model) == (truth.energy_eV[0] / 8, truth.model_energy_eV[0] / 8)
    assert "/configurations/@configuration/" in json.dumps(plot)


def test_thousands_of_components_are_thinned_out(as_ada, ada):
    full = factories.full_campaign(ada, n_steps=1, frames_per_step=200)
    drawn = sum(len(data["x"]) for data in sources(as_ada.get(reverse("plot-parity", args=[full.pk, 1, 1, "force"])).json()))
    assert drawn == 2000


def test_a_step_without_model_values_says_so(as_ada, full):
    assert "without a model" in as_ada.get(reverse("plot-parity", args=[full.pk, 7, 7, "force"])).json()["message"]
    assert as_ada.get(reverse("plot-parity", args=[full.pk, 1, 1, "nothing"])).status_code == 404


def test_a_histogram_counts_every_labelled_configuration(as_ada, full):
    plot = as_ada.get(reverse("plot-histogram", args=[full.pk, "energy"])).json()
    counted = {data["verdict"][0]: sum(data["count"]) for data in sources(plot)}
    assert counted == {verdict: full.frames.filter(verdict=verdict).count() for verdict in ("kept", "rejected")}


def test_a_verdict_is_overruled_shown_exported_and_taken_back(as_ada, ada, full, tmp_path):
    frame = full.frames.filter(verdict="rejected").first()
    address = reverse("configuration-overrule", args=[frame.pk])
    page = as_ada.post(address, {"verdict": "kept", "reason": "<b>rare</b> but real"}, follow=True).content.decode()
    assert "Cleaning would have it rejected" in page
    assert "&lt;b&gt;rare&lt;/b&gt; but real" in page
    table = as_ada.get(reverse("campaign-training-set", args=[full.pk]), {"overruled": "kept"}).content.decode()
    assert "overruled by ada" in table
    assert table.count('<th scope="row">') == 1
    download = as_ada.get(reverse("campaign-training-set-download", args=[full.pk]), {"verdict": "kept", "format": "extxyz"})
    top = unpacked(download, tmp_path / "set")
    assert [row["configuration"] for row in rows_of(top) if row["overruled"] == "kept"] == [str(frame.pk)]
    (said,) = json.loads((top / "overrulings.json").read_text())
    assert (said["configuration"], said["verdict"], said["reason"], said["by"]) == (frame.pk, "kept", "<b>rare</b> but real", "ada")
    page = as_ada.post(address, {"verdict": "", "reason": "no, it is not"}, follow=True).content.decode()
    assert "Left to cleaning again" in page
    frame.refresh_from_db()
    assert (frame.verdict, frame.overruled, Overruling.objects.count()) == ("rejected", "", 2)


def test_without_a_reason_nothing_changes(as_ada, full):
    frame = full.frames.filter(verdict="kept").first()
    page = as_ada.post(reverse("configuration-overrule", args=[frame.pk]), {"verdict": "rejected", "reason": " "}, follow=True)
    assert "Say why" in page.content.decode()
    frame.refresh_from_db()
    assert frame.verdict == "kept"
