"""What is said of cells before a campaign starts."""

from dataclasses import replace

import pytest

from campaigns.models import Material
from campaigns.services import cautions
from campaigns.services.requests import check, request_of
from tests import factories


@pytest.mark.django_db
def test_a_training_cell_that_is_the_evaluation_cell_is_said_once(django_user_model):
    ada = django_user_model.objects.create_user("ada")
    asked = request_of(factories.campaign(ada))
    cell = replace(asked.cells[0], supercell=(1, 1, 2))
    twice = [replace(cell, for_training=True, for_evaluation=False), replace(cell, for_training=False, for_evaluation=True)]
    asked = replace(asked, cells=twice)
    found = cautions.of(asked, check(ada, asked), [100], 0)
    assert len([text for text in found if "make it one cell for both" in text]) == 1
    assert len([text for text in found if "atoms see their own images" in text]) == 1


@pytest.mark.django_db
def test_a_material_with_hydrogen_gets_short_time_steps(django_user_model):
    ada = django_user_model.objects.create_user("ada")
    asked = request_of(factories.campaign(ada))
    material = Material.objects.get(pk=asked.cells[0].material_id)
    material.facts = factories.FACTS | {"elements": ["B", "H", "Li"], "oxidation_states": {"B": 3.0, "H": -1.0, "Li": 1.0}}
    material.is_disordered = False
    material.save()
    asked = replace(asked, preset="standard", changes={})
    checked = check(ada, asked)
    assert (checked.settings.s0_timestep_fs, checked.settings.timestep_fs) == (0.5, 0.5)
    assert len([text for text in cautions.of(asked, checked, [100], 0) if "holds hydrogen" in text]) == 2
