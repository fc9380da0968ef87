"""The list of materials, searched and filtered."""

import pytest
from django.urls import reverse

from campaigns.services import projects
from tests import factories


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"elements": "Li S"}, {"LGPS", "argyrodite"}),
        ({"elements": "cl"}, {"argyrodite", "salt"}),
        ({"elements": "C"}, set()),  # neither Cl nor Ca
        ({"elements": "Li, Ge", "q": "lgps"}, {"LGPS"}),
        ({"elements": ".*["}, {"LGPS", "argyrodite", "salt"}),
        ({"q": "Li6PS5Cl"}, {"argyrodite"}),
    ],
)
def test_materials_are_found_by_element_and_formula(as_ada, ada, asked, names):
    factories.material(ada)
    factories.material(ada, "argyrodite", formula="Li24P4S20Cl4", reduced_formula="Li6PS5Cl")
    factories.material(ada, "salt", formula="CaCl2", reduced_formula="CaCl2")
    found = as_ada.get(reverse("material-list"), asked)
    assert {row.name for row in found.context["page"]} == names
    assert f'name="elements" value="{asked.get("elements", "")}"' in found.content.decode()


def test_materials_are_found_by_project(as_ada, ada):
    factories.material(ada)
    shared = factories.material(ada, "shared")
    project = projects.create(ada, "garnets")
    projects.move(shared, project, ada)
    assert [row.name for row in as_ada.get(reverse("material-list"), {"whose": project.pk}).context["page"]] == ["shared"]


def test_materials_are_found_by_ion_tag_and_owner(as_ada, ada, bob):
    lgps = factories.material(ada)
    factories.material(ada, "nasicon", mobile_ion="Na")
    theirs = factories.material(bob, "of bob", tags=",sulphide,")
    project = projects.create(ada, "all")
    projects.move(theirs, project, ada)
    saved = as_ada.post(
        reverse("material-describe", args=[lgps.pk]), {"name": "LGPS, Kamaya", "tags": "Sulphide,  tetragonal cell , sulphide"}
    )
    assert saved.status_code == 302
    lgps.refresh_from_db()
    assert (lgps.name, lgps.tag_list) == ("LGPS, Kamaya", ["sulphide", "tetragonal cell"])
    for asked, names in [
        ({"ion": "Na"}, {"nasicon"}),
        ({"tag": "Sulphide"}, {"LGPS, Kamaya", "of bob"}),
        ({"tag": "sulph"}, set()),
        ({"owner": "bob"}, {"of bob"}),
    ]:
        assert {row.name for row in as_ada.get(reverse("material-list"), asked).context["page"]} == names
    assert "tetragonal cell" in as_ada.get(reverse("material-page", args=[lgps.pk])).content.decode()


def test_a_name_that_cannot_be_is_refused_with_what_was_typed(as_ada, ada):
    lgps = factories.material(ada)
    tags = ",".join("abcdefghijklmn")
    refused = as_ada.post(reverse("material-describe", args=[lgps.pk]), {"name": "kept", "tags": tags})
    assert refused.status_code == 422
    assert "at most 12 tags" in refused.content.decode()
    assert 'value="kept"' in refused.content.decode()


def test_campaigns_are_found_by_name(as_ada, ada):
    for name in ("garnet, quick", "LGPS"):
        factories.campaign(ada, name)
    assert [row.name for row in as_ada.get(reverse("campaign-list"), {"q": "GARNET"}).context["page"]] == ["garnet, quick"]


def test_a_material_is_shown_in_each_of_its_cells_with_what_is_published(as_ada, full):
    cell = full.cells.exclude(structure=None).first()
    address = reverse("material-page", args=[cell.material_id])
    text = as_ada.get(address).content.decode()
    assert "The cell as uploaded" in text
    assert "Marcolongo 2019" in text
    text = as_ada.get(address, {"cell": cell.pk}).content.decode()
    assert f'data-structure-url="{reverse("cell-structure", args=[cell.pk])}"' in text
    assert "The cell as uploaded" not in text
    picture = as_ada.get(reverse("material-structure", args=[cell.material_id])).json()
    assert {"symbol": "P", "said": "48.5 % of Ge1"} in picture["legend"]
