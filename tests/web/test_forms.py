"""Forms: errors at their field, nothing typed is lost, large uploads refused before they are read."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.engines import labellers, upload
from campaigns.forms.campaign import UPLOAD_FORMATS
from campaigns.forms.settings import LabellerOptionsForm, ProtocolForm
from campaigns.models import Campaign, Material
from campaigns.science.protocol import PRESETS
from campaigns.services import potential_files
from campaigns.services.materials import cif_of
from tests import factories


def _typed(preset="quick", **changes):
    """What the browser sends for an untouched form, with changes."""
    form = ProtocolForm(preset)
    sent = {}
    for field in form:
        value = field.value()
        if isinstance(value, bool):
            sent |= {field.name: "on"} if value else {}
        else:
            sent[field.name] = str(value)
    return sent | changes


def _campaign(material, **changes):
    return (
        _typed()
        | {
            "name": "LGPS",
            "labeller": "chgnet",
            "s0_route": "fpmd",
            "preset": "quick",
            "seed": "1",
            "mobile_ion": "",
            "cell-0-material": material.pk,
            "cell-0-a": 1,
            "cell-0-b": 1,
            "cell-0-c": 1,
            "cell-0-for_training": "on",
            "cell-0-candidate": 0,
            "cell-4-material": material.pk,
            "cell-4-a": 2,
            "cell-4-b": 2,
            "cell-4-c": 1,
            "cell-4-for_evaluation": "on",
            "cell-4-candidate": 0,
        }
        | changes
    )


def test_numbers_that_are_none_find_nothing_and_break_nothing(as_ada, ada):
    material = factories.material(ada)
    for word in ("²", "9" * 30, "-1", "1e3"):
        assert as_ada.get(reverse("campaign-new"), {"copy": word}).status_code == 200
        assert as_ada.get(reverse("campaign-new"), {"material": word}).status_code == 200
        assert as_ada.post(reverse("campaign-new"), _campaign(material, **{"cell-0-material": word})).status_code == 422


@pytest.mark.parametrize("preset", list(PRESETS))
def test_an_untouched_preset_changes_nothing(preset):
    form = ProtocolForm(preset, _typed(preset))
    assert form.is_valid(), form.errors
    assert form.changes == {}


def test_only_what_differs_is_a_change():
    form = ProtocolForm(
        "quick", _typed(max_loops="5", evaluation_temperatures_K="700; 800 900", precision="float64", embedding_net="10,20")
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
    form = ProtocolForm("quick", _typed(**{field: value}))
    assert not form.is_valid()
    assert words in " ".join(form.errors[field])


def test_a_contradiction_is_said_beside_the_errors_of_other_fields():
    form = ProtocolForm("quick", _typed(ramp_T_max_K="100", max_loops="many", snapshots_per_step="0"))
    assert set(form.errors) == {"ramp_T_max_K", "max_loops", "snapshots_per_step"}
    assert "below the lowest" in form.errors["ramp_T_max_K"][0]


def test_a_campaign_is_made_as_a_draft(as_ada, ada):
    material = factories.material(ada)
    response = as_ada.post(reverse("campaign-new"), _campaign(material, max_loops="1"))
    made = Campaign.objects.get()
    assert response.url == reverse("campaign-overview", args=[made.pk])
    assert (made.state, made.changes, made.cells.count()) == ("draft", {"max_loops": 1}, 2)
    assert [(cell.purpose, cell.supercell) for cell in made.cells.all()] == [("training", (1, 1, 1)), ("evaluation", (2, 2, 1))]


def test_a_refused_campaign_keeps_what_was_typed(as_ada, ada):
    material = factories.material(ada)
    response = as_ada.post(reverse("campaign-new"), _campaign(material, name="my <name>", ramp_T_max_K="100", seed="77"))
    text = response.content.decode()
    assert response.status_code == 422
    assert "below the lowest" in text
    assert 'value="my &lt;name&gt;"' in text
    assert 'value="77"' in text
    assert 'name="cell-4-a" value="2"' in text
    assert not Campaign.objects.exists()


def test_what_a_service_refuses_stands_at_its_field(as_ada, ada):
    material = factories.material(ada)
    response = as_ada.post(reverse("campaign-new"), _campaign(material, mobile_ion="Xe"))
    assert "Xe is not in the material" in str(response.context["setup"].campaign.errors["mobile_ion"])
    response = as_ada.post(reverse("campaign-new"), _campaign(material, **{"cell-4-for_evaluation": "", "cell-4-for_training": "on"}))
    assert "evaluate on" in response.context["setup"].cells_error
    response = as_ada.post(
        reverse("campaign-new"), {key: value for key, value in _campaign(material).items() if not key.startswith("cell-")}
    )
    assert "at least one cell" in response.context["setup"].cells_error
    assert not Campaign.objects.exists()


def test_the_proposed_cells_are_filled_in(as_ada, ada):
    setup = as_ada.get(reverse("campaign-new"), {"material": factories.material(ada).pk}).context["setup"]
    assert [(cell["a"].value(), cell["for_training"].value(), cell["for_evaluation"].value()) for cell in setup.cells] == [
        (1, True, None),
        (2, None, True),
    ]


def test_the_estimate_follows(as_ada, ada):
    material = factories.material(ada)
    few = as_ada.post(reverse("campaign-new-estimate"), _campaign(material)).context["estimate"]
    many = as_ada.post(reverse("campaign-new-estimate"), _campaign(material, snapshots_per_step="500")).context["estimate"]
    assert many.labels > few.labels
    wrong = as_ada.post(reverse("campaign-new-estimate"), _campaign(material, max_loops="none"))
    assert [(problem.label, problem.target) for problem in wrong.context["problems"]] == [("Training loops at most", "id_max_loops")]
    assert '<a href="#id_max_loops" data-problem>' in wrong.content.decode()


def test_the_estimate_is_refused_for_what_would_refuse_the_campaign(as_ada, ada):
    material = factories.material(ada)
    sent = _campaign(material, name="", mobile_ion="Xe", seed="0", **{"cell-0-a": "9", "cell-0-b": "9", "cell-0-c": "9"})
    refused = as_ada.post(reverse("campaign-new"), sent).context["problems"]
    assert as_ada.post(reverse("campaign-new-estimate"), sent).context["problems"] == refused
    assert [problem.target for problem in refused] == ["id_name", "id_mobile_ion", "id_cell-0-material", "id_seed"]
    assert "at most 5000" in refused[2].text


def test_a_refused_form_says_what_is_wrong_at_its_top_and_at_each_field(as_ada, ada):
    sent = _campaign(
        factories.material(ada), name="", labeller="oracle", **{"cell-4-b": "0", "cell-4-candidate": "x", "s0_route": "upload"}
    )
    text = as_ada.post(reverse("campaign-new"), sent).content.decode()
    assert "5 problems to mend" in text
    assert 'role="alert"' in text
    for name in ("id_name", "id_labeller", "id_cell-4-b", "id_cell-4-candidate", "id_s0_upload"):
        tag = re.search(rf'<(?:input|select)[^>]*\bid="{name.replace("id_s0_upload", "data_set")}"[^>]*>', text)[0]
        assert 'aria-invalid="true"' in tag
        assert re.search(rf'aria-describedby="[^"]*\b{name}_error', tag)
        assert f'id="{name}_error"' in text
        assert f'href="#{name.replace("id_s0_upload", "data_set")}"' in text


def test_a_cell_is_added_with_the_next_number(as_ada, ada):
    material = factories.material(ada)
    text = as_ada.get(reverse("campaign-new-cell"), {"cell-0-material": material.pk, "cell-4-material": material.pk}).content.decode()
    assert 'name="cell-5-material"' in text


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
    assert "Ia-3d, 192 atoms, cubic.cif" in as_ada.get(reverse("campaign-settings", args=[made.pk])).content.decode()


def test_the_formats_offered_are_those_that_are_read():
    assert {value for value, _ in UPLOAD_FORMATS} == set(upload.FORMATS)


def test_options_of_a_reference_method_are_parsed():
    form = LabellerOptionsForm(
        "lammps",
        None,
        {
            "labeller-pair_style": "buck/coul/long 10.0",
            "labeller-pair_coeff": "Li O 1 2 3\n\nO O 1 2 3\n",
            "labeller-charges": "Li 1, O -2",
        },
    )
    assert form.is_valid(), form.errors
    values = form.values()
    assert values["pair_coeff"] == ["Li O 1 2 3", "O O 1 2 3"]
    assert values["charges"] == {"Li": 1.0, "O": -2.0}
    assert "kspace_style" not in values
    assert "not a name and a number" in str(LabellerOptionsForm("lammps", None, {"labeller-charges": "Li"}).errors)


def test_every_problem_of_a_reference_method_stands_at_its_option(as_ada, ada):
    sent = _campaign(factories.material(ada), labeller="lammps", **{"labeller-pair_style": "magic", "labeller-charges": "Li"})
    options = as_ada.post(reverse("campaign-new"), sent).context["setup"].options
    assert set(options.errors) == {"pair_style", "pair_coeff", "charges", "elements"}
    sent |= {
        "labeller-pair_style": "coul/long 8",
        "labeller-charges": "Li 1, S -2",
        "labeller-elements": "Li S",
        "labeller-pair_coeff": "Li S",
    }
    response = as_ada.post(reverse("campaign-new"), sent)
    errors = response.context["setup"].options.errors
    assert set(errors) == {"elements", "charges", "kspace_style", "pair_coeff"}
    assert "nothing about the element Ge. The potential says nothing about the element P." in str(errors["elements"])
    assert 'id="id_labeller-kspace_style_error"' in response.content.decode()


def test_elements_and_charges_are_proposed_for_the_material(as_ada, ada):
    material = factories.material(ada)
    form = as_ada.get(reverse("campaign-new-labeller"), {"labeller": "lammps", "cell-0-material": material.pk}).context["options"]
    assert form["elements"].value() == "Ge Li P S"
    assert form["charges"].value() == "Ge 4, Li 1, P 5, S -2"


def _attach(client, *files, tokens=()):
    sent = [SimpleUploadedFile(name, content) for name, content in files]
    return client.post(reverse("campaign-new-potential"), {"potential_file": sent, "labeller-files": tokens})


def test_potential_files_are_attached_and_kept_when_the_form_is_refused(as_ada, ada):
    kept = _attach(as_ada, ("Ge.tersoff", b"old\n"), ("Ge.sw", b"Ge Ge Ge 1\r\n")).context["attached"]
    attached = _attach(as_ada, ("Ge.tersoff", b"new\n"), tokens=[file.token for file in kept]).context["attached"]
    assert [(file.name, file.content) for file in attached] == [("Ge.tersoff", "new\n"), ("Ge.sw", "Ge Ge Ge 1\r\n")]
    sent = _campaign(factories.material(ada), labeller="lammps", **{"labeller-files": [file.token for file in attached]})
    sent |= {"labeller-pair_style": "sw", "labeller-pair_coeff": "* * Ge.sw Ge Li P S", "labeller-elements": "Ge Li P S"}
    refused = as_ada.post(reverse("campaign-new"), sent | {"name": ""})
    assert all(f'name="labeller-files" value="{file.token}"' in refused.content.decode() for file in attached)
    assert [problem.label for problem in refused.context["problems"]] == ["Name of the campaign"]
    as_ada.post(reverse("campaign-new"), sent)
    assert Campaign.objects.get().labeller_options["files"] == {"Ge.tersoff": "new\n", "Ge.sw": "Ge Ge Ge 1\r\n"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a b.sw", b"text", "not a plain file name"),
        (".hidden", b"text", "not a plain file name"),
        ("x" * 101, b"text", "not a plain file name"),
        ("Ge.sw", b"\x00\x01", "not a text file"),
        ("Ge.sw", b"\xff\xfe", "not a text file"),
        ("Ge.sw", b"x" * 5_000_001, "at most 5 MB"),
    ],
)
def test_what_is_no_potential_file_is_refused(as_ada, name, content, words):
    response = _attach(as_ada, (name, content))
    assert response.context["attached"] == []
    assert words in response.content.decode()


def test_potential_files_of_somebody_else_are_not_there(as_ada, ada, bob):
    token = potential_files.store(bob, "Ge.sw", b"secret").token
    assert _attach(as_ada, tokens=[token]).context["attached"] == []
    sent = _campaign(factories.material(ada), labeller="lammps", **{"labeller-files": [token]})
    assert "attach it again" in str(as_ada.post(reverse("campaign-new"), sent).context["setup"].options.errors["files"])


def test_a_large_upload_within_a_page_is_refused_in_its_place(as_ada):
    sent = {"potential_file": SimpleUploadedFile("big", b"x" * 5_300_000)}
    response = as_ada.post(reverse("campaign-new-potential"), sent, headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Retarget"]) == (413, "#potential-problem")
    assert "Choose a smaller file" in response.content.decode()


def test_the_ions_of_the_material_are_offered_the_proposal_first(as_ada, ada):
    material = factories.material(ada)
    field = as_ada.get(reverse("campaign-new"), {"material": material.pk}).context["setup"].campaign["mobile_ion"]
    assert [words for _, words in field.field.widget.choices] == ["Li (+1), proposed", "Ge (+4)", "P (+5)", "S (-2)"]
    assert field.help_text == "Proposed: the only alkali metal"
    swapped = as_ada.get(reverse("campaign-new-cells"), {"material": material.pk}).content.decode()
    assert 'id="mobile-ion" hx-swap-oob="true"' in swapped
    assert "Ge (+4)" in swapped


def test_an_ion_that_is_not_known_to_move_is_doubted_not_refused(as_ada, ada):
    sent = _campaign(factories.material(ada), mobile_ion="Ge")
    warnings = as_ada.post(reverse("campaign-new-estimate"), sent).context["estimate"].warnings
    assert warnings[0].startswith("Ge is not known to be mobile")
    assert warnings[0].endswith("the only alkali metal")
    as_ada.post(reverse("campaign-new"), sent)
    made = Campaign.objects.get()
    assert (made.mobile_ion, made.mobile_ion_charge) == ("Ge", 4.0)
    sure = as_ada.post(reverse("campaign-new-estimate"), _campaign(factories.material(ada), mobile_ion="Li"))
    assert not any("known to be mobile" in warning for warning in sure.context["estimate"].warnings)


def test_oxidation_states_are_optional_and_complete_the_guess(as_ada, ada):
    material = factories.material(ada)
    page = as_ada.get(reverse("campaign-new"), {"material": material.pk}).content.decode()
    assert 'placeholder="Li 1, Ge 4, P 5, S -2"' in page
    as_ada.post(reverse("campaign-new"), _campaign(material, **{"cell-0-oxidation_states": "Ge 2"}))
    first, second = Campaign.objects.get().cells.all()
    assert first.oxidation_states == {"Li": 1.0, "Ge": 2.0, "P": 5.0, "S": -2.0}
    assert second.oxidation_states is None


@pytest.mark.parametrize(
    ("facts", "ordered", "typed", "words"),
    [
        ({}, False, "Xe 1", "Xe is not in the material"),
        ({}, False, "Ge", "not a name and a number"),
        ({}, False, "Ge nan", "between -9 and 9"),
        ({}, True, "Ge inf", "between -9 and 9"),
        ({"oxidation_states": {}}, False, "", "oxidation state for Ge, Li, P, S"),
        ({"oxidation_states": {}}, False, "Li 1, S -2, P 5", "oxidation state for Ge"),
        ({}, True, "S -1", "must be neutral"),
        ({"oxidation_states": {}}, True, "", ""),
        ({}, True, "", ""),
        ({}, True, "S -1.75", ""),
    ],
)
def test_oxidation_states_are_checked_before_anything_runs(as_ada, ada, facts, ordered, typed, words):
    material = factories.material(ada, facts=factories.FACTS | facts, is_disordered=not ordered)
    response = as_ada.post(reverse("campaign-new-estimate"), _campaign(material, **{"cell-4-oxidation_states": typed}))
    problems = response.context.get("problems", [])
    assert [problem.target for problem in problems][-1:] == (["id_cell-4-oxidation_states"] if words else [])
    assert words in " ".join(problem.text for problem in problems)


def test_states_that_leave_a_charge_are_a_warning_for_a_disordered_cell(as_ada, ada):
    sent = _campaign(factories.material(ada), **{"cell-0-oxidation_states": "Ge 2, P 3"})
    assert (
        "per unit cell: ordered cells get the nearest"
        in as_ada.post(reverse("campaign-new-estimate"), sent).context["estimate"].warnings[0]
    )


def test_a_doubt_about_the_charges_is_said_at_the_material_and_the_campaign_and_refuses_nothing(as_ada, ada):
    doubt = "The composition is not neutral: with the usual oxidation states (Li +1, O -2) the unit cell has a charge of +1 e."
    facts = factories.FACTS | {"oxidation_states": {}, "charge_doubt": doubt, "warnings": [doubt]}
    material = factories.material(ada, "Li3O", facts=facts, is_disordered=False)
    assert doubt in as_ada.get(reverse("material-page", args=[material.pk])).content.decode()
    sent = _campaign(material)
    assert f"Li3O: {doubt}" in as_ada.post(reverse("campaign-new-estimate"), sent).context["estimate"].warnings
    as_ada.post(reverse("campaign-new"), sent)
    assert f"Li3O: {doubt}" in as_ada.get(reverse("campaign-overview", args=[Campaign.objects.get().pk])).content.decode()


def _as_typed(setup):
    """What the browser would send for a page as it is shown."""
    sent = {}
    for form in (setup.campaign, setup.protocol, setup.options, *setup.cells):
        for bound in form:
            value = bound.value()
            if isinstance(value, bool) or value is None:
                sent |= {bound.html_name: "on"} if value else {}
            else:
                sent[bound.html_name] = value if isinstance(value, list) else str(value)
    return sent


def test_a_draft_is_edited_in_the_form_it_was_made_with(as_ada, ada):
    material = factories.material(ada)
    token = potential_files.store(ada, "Ge.sw", b"Ge Ge Ge 1").token
    sent = _campaign(material, max_loops="1", labeller="lammps", mobile_ion="S", **{"cell-4-oxidation_states": "Ge 2"})
    sent |= {"labeller-pair_style": "sw", "labeller-pair_coeff": "* * Ge.sw Ge Li P S", "labeller-elements": "Ge Li P S"}
    as_ada.post(reverse("campaign-new"), sent | {"labeller-files": [token]})
    made = Campaign.objects.get()
    before = {name: getattr(made, name) for name in ("name", "mobile_ion", "mobile_ion_charge", "labeller_options", "protocol", "seed")}
    address = reverse("campaign-edit", args=[made.pk])
    shown = as_ada.get(address).context["setup"]
    untouched = as_ada.post(address, _as_typed(shown))
    assert untouched.url == reverse("campaign-overview", args=[made.pk])
    made.refresh_from_db()
    assert {name: getattr(made, name) for name in before} == before
    assert [cell.oxidation_states and cell.oxidation_states["Ge"] for cell in made.cells.all()] == [None, 2.0]
    as_ada.post(address, _as_typed(shown) | {"name": "renamed", "max_loops": "2", "cell-1-a": "3"})
    made.refresh_from_db()
    assert (made.name, made.changes, [cell.supercell_a for cell in made.cells.all()]) == ("renamed", {}, [1, 3])
    assert Campaign.objects.count() == 1


def test_a_campaign_that_runs_is_not_edited(as_ada, ada):
    row = factories.campaign(ada)
    address = reverse("campaign-edit", args=[row.pk])
    for response in (as_ada.get(address, follow=True), as_ada.post(address, _campaign(factories.material(ada)), follow=True)):
        assert "no draft any more" in response.content.decode()
    assert row.cells.first().structure is not None


def test_a_draft_shows_its_cost_and_the_way_to_change_it(as_ada, ada):
    as_ada.post(reverse("campaign-new"), _campaign(factories.material(ada), mobile_ion="Ge"))
    text = as_ada.get(reverse("campaign-overview", args=[Campaign.objects.get().pk])).content.decode()
    assert "For all loops that the settings allow" in text
    assert "Ge is not known to be mobile" in text
    assert f'href="{reverse("campaign-edit", args=[Campaign.objects.get().pk])}"' in text


def test_a_campaign_is_copied_into_the_form(as_ada, ada, bob):
    as_ada.post(reverse("campaign-new"), _campaign(factories.material(ada), max_loops="3"))
    Campaign.objects.update(state="running")
    address = reverse("campaign-new") + f"?copy={Campaign.objects.get().pk}"
    copy = as_ada.get(address).context["setup"]
    assert (copy.campaign["name"].value(), copy.protocol["max_loops"].value(), len(copy.cells)) == ("LGPS, copy", 3, 2)
    as_ada.force_login(bob)
    assert as_ada.get(address).status_code == 404


def test_a_template_left_as_it_is_is_no_option_and_a_changed_one_is():
    template = LabellerOptionsForm("cp2k", None)["template"].value()
    sent = {"labeller-template": template.replace("\n", "\r\n"), "labeller-cutoff_Ry": "500"}
    same = LabellerOptionsForm("cp2k", None, sent)
    assert same.is_valid(), same.errors
    assert same.values() == {"cutoff_Ry": 500.0}
    changed = LabellerOptionsForm("cp2k", None, {"labeller-template": template.replace("PBE", "BLYP"), "labeller-cutoff_Ry": "1"})
    assert "Give a number from 50 to" in changed.errors["cutoff_Ry"][0]
    assert changed.cleaned_data["template"] == template.replace("PBE", "BLYP")


@pytest.mark.parametrize("name", labellers.MODULES)
def test_every_option_of_a_method_is_in_the_form_with_its_help(as_ada, ada, name):
    material = factories.material(ada)
    text = as_ada.get(reverse("campaign-new-labeller"), {"labeller": name, "material": material.pk}).content.decode()
    for option in labellers.module(name).OPTIONS:
        assert option.title in text
        assert ('id="potential_file"' if option.kind == "files" else f'name="labeller-{option.name}"') in text


def test_the_files_of_a_method_are_explained_in_its_own_words(as_ada):
    upload = SimpleUploadedFile("Li.upf", b"<UPF>")
    text = as_ada.post(reverse("campaign-new-potential"), {"potential_file": [upload], "labeller": "espresso"}).content.decode()
    assert "Pseudopotential files" in text
    assert "format UPF" in text


def test_keywords_of_a_calculator_are_an_object_in_json(as_ada, ada, monkeypatch):
    monkeypatch.setenv("SSEWEB_ASE_CALCULATORS", "ase.calculators.lj.LennardJones")
    sent = _campaign(factories.material(ada), labeller="ase", **{"labeller-calculator": "ase.calculators.lj.LennardJones"})
    refused = as_ada.post(reverse("campaign-new"), sent | {"labeller-keywords": "sigma 2.5"})
    assert "object in JSON" in str(refused.context["setup"].options.errors["keywords"])
    assert "sigma 2.5" in refused.content.decode()
    as_ada.post(reverse("campaign-new"), sent | {"labeller-keywords": '{"sigma": 2.5, "smooth": true}'})
    assert Campaign.objects.get().labeller_options["keywords"] == {"sigma": 2.5, "smooth": True}
