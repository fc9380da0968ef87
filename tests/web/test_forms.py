"""Forms: errors at their field, nothing typed is lost, large uploads refused before they are read."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.engines import upload
from campaigns.forms.campaign import UPLOAD_FORMATS
from campaigns.forms.settings import ProtocolForm
from campaigns.models import Material
from campaigns.science.protocol import PRESETS
from campaigns.services.materials import cif_of
from campaigns.templatetags import present
from tests import factories
from tests.web.typed import typed_campaign, typed_settings


def test_numbers_that_are_none_find_nothing_and_break_nothing(as_ada, ada):
    material = factories.material(ada)
    for word in ("²", "9" * 30, "-1", "1e3"):
        assert as_ada.get(reverse("campaign-new"), {"copy": word}).status_code == 200
        assert as_ada.get(reverse("campaign-new"), {"material": word}).status_code == 200
        assert as_ada.post(reverse("campaign-new"), typed_campaign(material, **{"cell-0-material": word})).status_code == 422


@pytest.mark.parametrize("preset", list(PRESETS))
def test_an_untouched_preset_changes_nothing(preset):
    form = ProtocolForm(preset, typed_settings(preset))
    assert form.is_valid(), form.errors
    assert form.changes == {}


def test_only_what_differs_is_a_change():
    form = ProtocolForm(
        "quick", typed_settings(max_loops="5", evaluation_temperatures_K="700; 800 900", precision="float64", embedding_net="10,20")
    )
    assert form.is_valid(), form.errors
    assert form.changes == {
        "max_loops": 5,
        "evaluation_temperatures_K": [700.0, 800.0, 900.0],
        "precision": "float64",
        "embedding_net": [10, 20],
    }


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("ramp_T_max_K", "100", "below the lowest"),
        ("snapshots_per_step", "0", "Give a whole number from 1 to 100000."),
        ("cutoff_A", "99", "Give a number from 2 to 12 Å."),
        ("evaluation_temperatures_K", "700, hot", "separated by commas"),
        ("evaluation_temperatures_K", "", "Give numbers from 1 to 5000 K, separated by commas."),
        ("s0_temperatures_K", "-5", "not between"),
        ("learning_rate_start", "nan", "Give a number from 1e-08 to 1."),
        ("precision", "float16", "Choose one of float32, float64."),
    ],
)
def test_a_wrong_setting_has_its_error_at_its_field(field, value, words):
    form = ProtocolForm("quick", typed_settings(**{field: value}))
    assert not form.is_valid()
    assert words in " ".join(form.errors[field])


def test_a_contradiction_is_said_beside_the_errors_of_other_fields():
    form = ProtocolForm("quick", typed_settings(ramp_T_max_K="100", max_loops="many", snapshots_per_step="0"))
    assert set(form.errors) == {"ramp_T_max_K", "max_loops", "snapshots_per_step"}
    assert "below the lowest" in form.errors["ramp_T_max_K"][0]


def test_a_cif_over_the_limit_is_refused_at_once(as_ada):
    file = SimpleUploadedFile("big.cif", b"x" * 1_300_000)
    response = as_ada.post(reverse("material-new"), {"cif_file": file})
    assert response.status_code == 413
    assert "larger than the 1 MB" in response.content.decode()
    assert f'href="{reverse("material-new")}"' in response.content.decode()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Choose a CIF file"),
        ({"cif_text": "   "}, "Choose a CIF file"),
        ({"cif_file": SimpleUploadedFile("e.cif", b"")}, "empty"),
    ],
)
def test_a_cif_form_without_a_cif(as_ada, sent, words):
    response = as_ada.post(reverse("material-new"), sent | {"name": "kept"})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert 'value="kept"' in response.content.decode()


def test_a_cif_that_is_there_already_is_said_to_be(as_ada, ada):
    cif = cif_of("li3n")
    said = [
        as_ada.post(reverse("material-new"), {"cif_file": SimpleUploadedFile("Li3N.cif", cif)}, follow=True).content.decode()
        for _ in range(2)
    ]
    said.append(as_ada.post(reverse("material-example", args=["li3n"]), follow=True).content.decode())
    said.append(as_ada.post(reverse("material-new"), {"cif_text": cif.decode().replace("\n", "\r\n")}, follow=True).content.decode())
    words = f"You uploaded this file already on {Material.objects.get().created_at:%-d %b %Y} as “Li3N”; this is it."
    assert [words in text for text in said] == [False, True, True, True]


def test_materials_of_one_name_are_told_apart_wherever_one_is_chosen_or_listed(as_ada, ada):
    large = factories.material(ada, "LLZO", space_group="Ia-3d", n_atoms=192.0, cif_filename="cubic.cif")
    small = factories.material(ada, "LLZO", space_group="I4_1/acd", n_atoms=64.0, cif_filename="tetragonal.cif")
    made = factories.campaign(ada, made_of=large)
    page = as_ada.get(reverse("campaign-new"), {"material": small.pk}).content.decode()
    assert page.count("Ia-3d, 192 atoms, cubic.cif") == page.count("I4_1/acd, 64 atoms, tetragonal.cif") == 3  # the material, two cells
    listed = as_ada.get(reverse("material-list")).content.decode()
    assert "cubic.cif" in listed
    assert "tetragonal.cif" in listed
    settings_page = as_ada.get(reverse("campaign-settings", args=[made.pk])).content.decode()
    assert f"{present.space_group('Ia-3d')}, 192 atoms, cubic.cif" in settings_page


def test_the_formats_offered_are_those_that_are_read():
    assert {value for value, _ in UPLOAD_FORMATS} == set(upload.FORMATS)


def test_a_large_upload_within_a_page_is_refused_in_its_place(as_ada):
    sent = {"potential_file": SimpleUploadedFile("big", b"x" * 5_300_000)}
    response = as_ada.post(reverse("campaign-new-potential"), sent, headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Retarget"]) == (413, "#potential-problem")
    assert "Choose a smaller file" in response.content.decode()
