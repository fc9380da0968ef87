"""The page on which a campaign is set up: errors at their field, nothing typed is lost, drafts edited and copied."""

import re

import pytest
from django.urls import reverse

from campaigns.enums import StageKind
from campaigns.models import Campaign
from campaigns.science.protocol import PRESET_HELP
from campaigns.services import potential_files, projects
from tests import factories
from tests.web.typed import as_typed, typed_campaign


def test_a_campaign_is_made_as_a_draft(as_ada, ada):
    material = factories.material(ada)
    response = as_ada.post(reverse("campaign-new"), typed_campaign(material, max_loops="1"))
    made = Campaign.objects.get()
    assert response.url == reverse("campaign-overview", args=[made.pk])
    assert (made.state, made.changes, made.cells.count()) == ("draft", {"max_loops": 1}, 2)
    assert [(cell.purpose, cell.supercell) for cell in made.cells.all()] == [("training", (1, 1, 1)), ("evaluation", (2, 2, 1))]


def test_a_refused_campaign_keeps_what_was_typed(as_ada, ada):
    material = factories.material(ada)
    response = as_ada.post(reverse("campaign-new"), typed_campaign(material, name="my <name>", ramp_T_max_K="100", seed="77"))
    text = response.content.decode()
    assert response.status_code == 422
    assert "below the lowest" in text
    assert 'value="my &lt;name&gt;"' in text
    assert 'value="77"' in text
    assert 'name="cell-4-a" value="2"' in text
    assert not Campaign.objects.exists()


def test_what_a_service_refuses_stands_at_its_field(as_ada, ada):
    material = factories.material(ada)
    response = as_ada.post(reverse("campaign-new"), typed_campaign(material, mobile_ion="Xe"))
    assert "Xe is not in the material" in str(response.context["setup"].campaign.errors["mobile_ion"])
    response = as_ada.post(reverse("campaign-new"), typed_campaign(material, **{"cell-4-for_evaluation": "", "cell-4-for_training": "on"}))
    assert "evaluate on" in response.context["setup"].cells_error
    response = as_ada.post(
        reverse("campaign-new"), {key: value for key, value in typed_campaign(material).items() if not key.startswith("cell-")}
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
    few = as_ada.post(reverse("campaign-new-estimate"), typed_campaign(material)).context["estimate"]
    many = as_ada.post(reverse("campaign-new-estimate"), typed_campaign(material, snapshots_per_step="500")).context["estimate"]
    assert many.labels > few.labels
    wrong = as_ada.post(reverse("campaign-new-estimate"), typed_campaign(material, max_loops="none"))
    assert [(problem.label, problem.target) for problem in wrong.context["problems"]] == [("Training loops at most", "id_max_loops")]
    assert '<a href="#id_max_loops" data-problem>' in wrong.content.decode()


def test_form_draft_and_program_tell_one_estimate_with_one_basis(as_ada, ada):
    labelled = factories.campaign(ada)
    factories.stage(labelled, StageKind.LABEL, cell=labelled.cells.first(), labels_computed=50, seconds=50.0)
    sent = typed_campaign(factories.material(ada))
    of_form = as_ada.post(reverse("campaign-new-estimate"), sent)
    as_ada.post(reverse("campaign-new"), sent)
    draft = Campaign.objects.latest("id")
    of_draft = as_ada.get(reverse("campaign-overview", args=[draft.pk]))
    assert of_draft.context["estimate"] == of_form.context["estimate"]
    for page in (of_form, of_draft):
        assert "One of the stages of labels on this machine, " in page.content.decode()


def test_a_preset_promises_no_time_beside_the_estimate():
    assert not any(re.search(r"minute|hour|day", text) for text in PRESET_HELP.values())


def test_a_campaign_is_put_into_a_project_when_it_is_made(as_ada, ada, bob):
    material, own, of_bob = factories.material(ada), projects.create(ada, "garnets"), projects.create(bob, "sulfides")
    page = as_ada.get(reverse("campaign-new"), {"material": material.pk}).content.decode()
    assert "garnets" in page
    assert "sulfides" not in page
    as_ada.post(reverse("campaign-new"), typed_campaign(material, project=str(own.pk)))
    made = Campaign.objects.get()
    assert made.project == own
    assert set(made.activities.values_list("what", flat=True)) == {"created", "shared"}
    refused = as_ada.post(reverse("campaign-new"), typed_campaign(material, project=str(of_bob.pk)))
    assert refused.status_code == 422
    assert [(problem.label, problem.target) for problem in refused.context["problems"]] == [("Project", "id_project")]
    copy = as_ada.get(reverse("campaign-new"), {"copy": made.pk}).context["setup"]
    assert copy.place["project"].value() == own.pk


def test_the_estimate_is_refused_for_what_would_refuse_the_campaign(as_ada, ada):
    material = factories.material(ada)
    sent = typed_campaign(material, name="", mobile_ion="Xe", seed="0", **{"cell-0-a": "9", "cell-0-b": "9", "cell-0-c": "9"})
    refused = as_ada.post(reverse("campaign-new"), sent).context["problems"]
    assert as_ada.post(reverse("campaign-new-estimate"), sent).context["problems"] == refused
    assert [problem.target for problem in refused] == ["id_name", "id_mobile_ion", "id_cell-0-material", "id_seed"]
    assert "at most 5000" in refused[2].text


def test_a_refused_form_says_what_is_wrong_at_its_top_and_at_each_field(as_ada, ada):
    sent = typed_campaign(
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


def test_the_ions_of_the_material_are_offered_the_proposal_first(as_ada, ada):
    material = factories.material(ada)
    field = as_ada.get(reverse("campaign-new"), {"material": material.pk}).context["setup"].campaign["mobile_ion"]
    assert [words for _, words in field.field.widget.choices] == ["Li (+1), proposed", "Ge (+4)", "P (+5)", "S (-2)"]
    assert field.help_text == "Proposed: the only alkali metal"
    swapped = as_ada.get(reverse("campaign-new-cells"), {"material": material.pk}).content.decode()
    assert 'id="mobile-ion" hx-swap-oob="true"' in swapped
    assert "Ge (+4)" in swapped


def test_an_ion_that_is_not_known_to_move_is_doubted_not_refused(as_ada, ada):
    sent = typed_campaign(factories.material(ada), mobile_ion="Ge")
    warnings = as_ada.post(reverse("campaign-new-estimate"), sent).context["estimate"].warnings
    assert warnings[0].startswith("Ge is not known to be mobile")
    assert warnings[0].endswith("the only alkali metal")
    as_ada.post(reverse("campaign-new"), sent)
    made = Campaign.objects.get()
    assert (made.mobile_ion, made.mobile_ion_charge) == ("Ge", 4.0)
    sure = as_ada.post(reverse("campaign-new-estimate"), typed_campaign(factories.material(ada), mobile_ion="Li"))
    assert not any("known to be mobile" in warning for warning in sure.context["estimate"].warnings)


def test_oxidation_states_are_optional_and_complete_the_guess(as_ada, ada):
    material = factories.material(ada)
    page = as_ada.get(reverse("campaign-new"), {"material": material.pk}).content.decode()
    assert 'placeholder="Li 1, Ge 4, P 5, S -2"' in page
    as_ada.post(reverse("campaign-new"), typed_campaign(material, **{"cell-0-oxidation_states": "Ge 2"}))
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
    response = as_ada.post(reverse("campaign-new-estimate"), typed_campaign(material, **{"cell-4-oxidation_states": typed}))
    problems = response.context.get("problems", [])
    assert [problem.target for problem in problems][-1:] == (["id_cell-4-oxidation_states"] if words else [])
    assert words in " ".join(problem.text for problem in problems)


def test_states_that_leave_a_charge_are_a_warning_for_a_disordered_cell(as_ada, ada):
    sent = typed_campaign(factories.material(ada), **{"cell-0-oxidation_states": "Ge 2, P 3"})
    assert (
        "per unit cell: ordered cells get the nearest"
        in as_ada.post(reverse("campaign-new-estimate"), sent).context["estimate"].warnings[0]
    )


def test_a_doubt_about_the_charges_is_said_at_the_material_and_the_campaign_and_refuses_nothing(as_ada, ada):
    doubt = "The composition is not neutral: with the usual oxidation states (Li +1, O -2) the unit cell has a charge of +1 e."
    facts = factories.FACTS | {"oxidation_states": {}, "charge_doubt": doubt, "warnings": [doubt]}
    material = factories.material(ada, "Li3O", facts=facts, is_disordered=False)
    assert doubt in as_ada.get(reverse("material-page", args=[material.pk])).content.decode()
    sent = typed_campaign(material)
    assert f"Li3O: {doubt}" in as_ada.post(reverse("campaign-new-estimate"), sent).context["estimate"].warnings
    as_ada.post(reverse("campaign-new"), sent)
    assert f"Li3O: {doubt}" in as_ada.get(reverse("campaign-overview", args=[Campaign.objects.get().pk])).content.decode()


def test_the_usual_charge_of_the_ion_is_taken_where_none_was_guessed_and_shown(as_ada, ada):
    facts = factories.FACTS | {"elements": ["Bi", "Mg"], "oxidation_states": {}, "mobile_ion": "Mg", "sites": [], "warnings": []}
    material = factories.material(ada, "Mg3Bi2", facts=facts, is_disordered=False, mobile_ion="Mg")
    field = as_ada.get(reverse("campaign-new"), {"material": material.pk}).context["setup"].campaign["mobile_ion"]
    assert [words for _, words in field.field.widget.choices] == ["Mg (+2 usual), proposed", "Bi (+3 usual)"]
    sent = typed_campaign(material)
    warnings = as_ada.post(reverse("campaign-new-estimate"), sent).context["estimate"].warnings
    assert any("reckoned with +2 e" in text and "give the oxidation states of the cells" in text for text in warnings)
    as_ada.post(reverse("campaign-new"), sent)
    made = Campaign.objects.get()
    assert made.mobile_ion_charge == 2.0
    assert "Mg, 2 e" in as_ada.get(reverse("campaign-overview", args=[made.pk])).content.decode()
    given = as_ada.post(reverse("campaign-new-estimate"), sent | {"cell-0-oxidation_states": "Mg 1, Bi -1", "cell-4-oxidation_states": ""})
    assert not any("reckoned with" in text for text in given.context["estimate"].warnings)


def test_a_draft_is_edited_in_the_form_it_was_made_with(as_ada, ada):
    material = factories.material(ada)
    token = potential_files.store(ada, "Ge.sw", b"Ge Ge Ge 1").token
    sent = typed_campaign(material, max_loops="1", labeller="lammps", mobile_ion="S", **{"cell-4-oxidation_states": "Ge 2"})
    sent |= {"labeller-pair_style": "sw", "labeller-pair_coeff": "* * Ge.sw Ge Li P S", "labeller-elements": "Ge Li P S"}
    as_ada.post(reverse("campaign-new"), sent | {"labeller-files": [token]})
    made = Campaign.objects.get()
    before = {name: getattr(made, name) for name in ("name", "mobile_ion", "mobile_ion_charge", "labeller_options", "protocol", "seed")}
    address = reverse("campaign-edit", args=[made.pk])
    shown = as_ada.get(address).context["setup"]
    untouched = as_ada.post(address, as_typed(shown))
    assert untouched.url == reverse("campaign-overview", args=[made.pk])
    made.refresh_from_db()
    assert {name: getattr(made, name) for name in before} == before
    assert [cell.oxidation_states and cell.oxidation_states["Ge"] for cell in made.cells.all()] == [None, 2.0]
    as_ada.post(address, as_typed(shown) | {"name": "renamed", "max_loops": "2", "cell-1-a": "3"})
    made.refresh_from_db()
    assert (made.name, made.changes, [cell.supercell_a for cell in made.cells.all()]) == ("renamed", {}, [1, 3])
    assert Campaign.objects.count() == 1


def test_a_campaign_that_runs_is_not_edited(as_ada, ada):
    row = factories.campaign(ada)
    address = reverse("campaign-edit", args=[row.pk])
    for response in (as_ada.get(address, follow=True), as_ada.post(address, typed_campaign(factories.material(ada)), follow=True)):
        assert "no draft any more" in response.content.decode()
    assert row.cells.first().structure is not None


def test_a_draft_shows_its_cost_and_the_way_to_change_it(as_ada, ada):
    as_ada.post(reverse("campaign-new"), typed_campaign(factories.material(ada), mobile_ion="Ge"))
    text = as_ada.get(reverse("campaign-overview", args=[Campaign.objects.get().pk])).content.decode()
    assert "For all loops that the settings allow" in text
    assert "Ge is not known to be mobile" in text
    assert f'href="{reverse("campaign-edit", args=[Campaign.objects.get().pk])}"' in text


def test_a_campaign_is_copied_into_the_form(as_ada, ada, bob):
    as_ada.post(reverse("campaign-new"), typed_campaign(factories.material(ada), max_loops="3"))
    Campaign.objects.update(state="running")
    address = reverse("campaign-new") + f"?copy={Campaign.objects.get().pk}"
    copy = as_ada.get(address).context["setup"]
    assert (copy.campaign["name"].value(), copy.protocol["max_loops"].value(), len(copy.cells)) == ("LGPS, copy", 3, 2)
    as_ada.force_login(bob)
    assert as_ada.get(address).status_code == 404


def test_the_review_says_in_words_what_was_chosen_also_where_something_is_wrong(as_ada, ada):
    material = factories.material(ada)
    sent = typed_campaign(material, max_loops="none", learning_rate_stop="1e-7", labeller="lammps")
    sent |= {"labeller-pair_style": "lj/cut 5", "labeller-pair_coeff": "* * 1 1\n1 1 2 2", "cell-4-a": "0"}
    parts = {part.title: part.choices for part in as_ada.post(reverse("campaign-new-estimate"), sent).context["parts"]}
    words = {choice.term: (choice.value, choice.unit, choice.remark) for choices in parts.values() for choice in choices}
    assert list(parts) == ["Structure", "Reference method and S0", "Protocol"]
    assert words["Cell 1"] == ("LGPS, 1 × 1 × 1, 50 atoms", "", "train on it; ordering 0")
    assert words["Cell 2"][0] == "to be mended"
    assert words["Pair style"][0] == "lj/cut 5"
    assert words["Ramp and exploration: training loops at most"] == ("to be mended", "", "quick: 2")
    assert words["Training: learning rate, end"] == (1e-7, "", "quick: 1e-05")
    assert "Training: learning rate, start" not in words
    assert words["Training: cut-off radius"] == (5.0, "Å", "")


def test_an_ordering_that_an_ordered_cell_has_not_is_refused_at_its_field(as_ada, ada):
    material = factories.material(ada, is_disordered=False)
    response = as_ada.post(reverse("campaign-new-estimate"), typed_campaign(material, **{"cell-4-candidate": "50"}))
    assert [problem.target for problem in response.context["problems"]] == ["id_cell-4-candidate"]
