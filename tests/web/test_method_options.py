"""The options of a reference method in the form: parsed, proposed, explained; the files that belong to them."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.engines import labellers
from campaigns.forms.settings import LabellerOptionsForm
from campaigns.models import Campaign
from campaigns.services import potential_files
from tests import factories
from tests.web.typed import typed_campaign


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
    sent = typed_campaign(factories.material(ada), labeller="lammps", **{"labeller-pair_style": "magic", "labeller-charges": "Li"})
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
    sent = typed_campaign(factories.material(ada), labeller="lammps", **{"labeller-files": [file.token for file in attached]})
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
    sent = typed_campaign(factories.material(ada), labeller="lammps", **{"labeller-files": [token]})
    assert "attach it again" in str(as_ada.post(reverse("campaign-new"), sent).context["setup"].options.errors["files"])


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
    sent = typed_campaign(factories.material(ada), labeller="ase", **{"labeller-calculator": "ase.calculators.lj.LennardJones"})
    refused = as_ada.post(reverse("campaign-new"), sent | {"labeller-keywords": "sigma 2.5"})
    assert "object in JSON" in str(refused.context["setup"].options.errors["keywords"])
    assert "sigma 2.5" in refused.content.decode()
    as_ada.post(reverse("campaign-new"), sent | {"labeller-keywords": '{"sigma": 2.5, "smooth": true}'})
    assert Campaign.objects.get().labeller_options["keywords"] == {"sigma": 2.5, "smooth": True}
