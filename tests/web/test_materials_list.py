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
