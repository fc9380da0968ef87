"""What was chosen otherwise in another campaign, on the page of settings."""

import pytest
from django.urls import reverse

from campaigns.services.setup_differences import differences
from tests import factories


def _told(here, there):
    return {(row.group, row.label): (row.here, row.there) for row in differences(here, there)}


def test_only_what_differs_is_told(ada):
    one = factories.campaign(ada)
    other = factories.campaign(ada, seed=9, labeller="lammps", labeller_options={"pair_style": "sw", "files": {"Ge.sw": "Ge Ge\n1"}})
    other.protocol |= {"max_loops": 7, "evaluation_temperatures_K": [600.0, 900.0]}
    other.cells.update(candidate=2)
    told = _told(one, other)
    assert told[("Ramp and exploration", "Training loops at most")] == (one.settings.max_loops, 7)
    assert told[("Evaluation", "Temperatures")][1] == (600.0, 900.0)
    assert told[("Reference method", "Method")] == (one.labeller, "lammps")
    assert told[("Reference method", "pair_style")] == (None, "sw")
    assert told[("Protocol", "Seed")] == (one.seed, 9)
    assert told[("Structure", "Cell 1")][1].endswith("ordering 2")
    assert ("Training", "Cut-off radius") not in told


def test_files_of_one_name_are_told_apart_by_their_content(ada):
    one, other = (factories.campaign(ada, labeller_options={"files": {"Ge.sw": text}}) for text in ("Ge 1\n", "Ge 2\n"))
    (here, there) = _told(one, other)[("Reference method", "files")]
    assert here != there
    assert here.startswith("Ge.sw (sha256 ")


def test_a_campaign_is_set_up_like_its_equal(as_ada, ada):
    material = factories.material(ada)
    one, other = (factories.campaign(ada, made_of=material) for _ in range(2))
    assert _told(one, other) == {}
    page = as_ada.get(reverse("campaign-settings", args=[one.pk]), {"with": other.pk}).content.decode()
    assert "Both are set up alike" in page


@pytest.mark.parametrize("named", ["", "x", "999999"])
def test_what_is_no_campaign_of_mine_is_not_compared(as_ada, ada, bob, named):
    mine, others = factories.campaign(ada), factories.campaign(bob)
    address = reverse("campaign-settings", args=[mine.pk])
    assert as_ada.get(address, {"with": named}).status_code == (404 if named == "999999" else 200)
    assert as_ada.get(address, {"with": others.pk}).status_code == 404
