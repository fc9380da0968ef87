"""A campaign's name, ion, starting set and preset; and one of its cells."""

from collections.abc import Iterable
from typing import Any

from django import forms

from campaigns.engines import labellers
from campaigns.enums import S0Route
from campaigns.forms.fields import MappingField, PlainForm, numbers_in_words, whole_number
from campaigns.models import Material, Project
from campaigns.science.mobile_ions import usual_charge_e
from campaigns.science.protocol import PRESET_HELP, PRESETS
from campaigns.services.requests import CellRequest

UPLOAD_FORMATS = [
    ("auto", "find out from the file"),
    ("extxyz", "extended XYZ"),
    ("deepmd/npy", "deepmd/npy (packed folder)"),
    ("deepmd/npy/mixed", "deepmd/npy/mixed (packed folder)"),
    ("deepmd/raw", "deepmd/raw (packed folder)"),
    ("vasp/outcar", "VASP OUTCAR"),
    ("vasp/xml", "VASP vasprun.xml"),
    ("cp2k/output", "CP2K output"),
    ("qe/pw/output", "Quantum ESPRESSO output"),
]


class MaterialField(forms.ModelChoiceField):
    """Materials, each with what tells it from others of its name."""

    def label_from_instance(self, material: Material) -> str:
        return f"{material.name} ({material.particulars})"


OFFERED = 100  # materials to choose from in the form; a campaign with any other begins on its page


def offered(materials: Any, chosen: int | None) -> list[Material]:
    """The newest, and the one that is chosen."""
    newest = list(materials.defer("cif", "facts")[:OFFERED])
    if chosen is None or any(material.pk == chosen for material in newest):
        return newest
    return [*materials.defer("cif", "facts").filter(pk=chosen), *newest]


class CellForm(PlainForm):
    """One supercell of one material."""

    material = MaterialField(
        queryset=Material.objects.none(), label="Material", error_messages={"invalid_choice": "This material does not exist (any more)."}
    )
    a = forms.IntegerField(min_value=1, max_value=10, initial=1, label="a")
    b = forms.IntegerField(min_value=1, max_value=10, initial=1, label="b")
    c = forms.IntegerField(min_value=1, max_value=10, initial=1, label="c")
    for_training = forms.BooleanField(required=False, label="train on it")
    for_evaluation = forms.BooleanField(required=False, label="evaluate D in it")
    candidate = forms.IntegerField(min_value=0, max_value=99, initial=0, label="Ordering")
    oxidation_states = MappingField(
        required=False, widget=forms.TextInput(attrs={"spellcheck": "false"}), label="Oxidation states", help_text="Left empty: as guessed."
    )

    def __init__(self, materials: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        field, chosen = self.fields["material"], whole_number(str(self["material"].value() or ""))
        field.queryset = materials  # every one is accepted
        choices = [(one.pk, field.label_from_instance(one)) for one in offered(materials, chosen)]
        field.widget.choices = [("", field.empty_label), *choices]
        material = materials.filter(pk=chosen).first()
        if material:
            field, guessed = self.fields["oxidation_states"], material.facts.get("oxidation_states") or {}
            field.widget.attrs["placeholder"] = numbers_in_words(guessed) or numbers_in_words(dict.fromkeys(material.facts["elements"], 0))
            if not guessed:
                needed = "give one for each element." if material.is_disordered else "without them the mobile ion gets its usual charge."
                field.help_text = f"They could not be guessed: {needed}"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned["for_training"] and not cleaned["for_evaluation"]:
            raise forms.ValidationError("Tick what this cell is for, or remove it.")
        return cleaned

    def request(self) -> CellRequest:
        found = self.cleaned_data
        return CellRequest(
            found["material"].pk,
            (found["a"], found["b"], found["c"]),
            found["for_training"],
            found["for_evaluation"],
            found["candidate"],
            found["oxidation_states"] or None,
        )


class ProjectForm(PlainForm):
    """Where a new campaign is put; one that is there already is moved on its page about people."""

    project = forms.ModelChoiceField(
        queryset=Project.objects.none(),
        required=False,
        empty_label="none: private",
        label="Project",
        help_text="Its people see the campaign, its members may change it.",
        error_messages={"invalid_choice": "There is no such project in which you may put things (any more)."},
    )

    def __init__(self, owner: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["project"].queryset = Project.objects.editable_by(owner)


class CampaignForm(PlainForm):
    """The parts of a campaign that are neither cells nor settings."""

    name = forms.CharField(max_length=200, label="Name of the campaign")
    labeller = forms.ChoiceField(label="Reference method")
    s0_route = forms.ChoiceField(choices=S0Route.choices, initial=S0Route.FPMD, widget=forms.RadioSelect, label="Where S0 comes from")
    s0_upload = forms.CharField(required=False, widget=forms.HiddenInput)
    s0_upload_format = forms.ChoiceField(choices=UPLOAD_FORMATS, initial="auto", required=False, label="Format")
    preset = forms.ChoiceField(choices=[(name, name) for name in PRESETS], initial="quick", widget=forms.RadioSelect, label="Preset")
    mobile_ion = forms.CharField(required=False, max_length=3, label="Mobile ion", widget=forms.Select)
    seed = forms.IntegerField(min_value=1, max_value=2**31 - 1, initial=1, label="Seed", help_text="The same seed gives the same campaign.")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["labeller"].choices = [(name, labellers.module(name).TITLE) for name in labellers.MODULES]
        self.fields["labeller"].initial = "chgnet"

    def offer_ions(self, materials: Iterable[Material]) -> None:
        """The ions of the chosen materials, what is proposed for the first of them before the others, with the reason."""
        bound, chosen = self["mobile_ion"], list(materials)
        if not chosen:
            bound.field.widget.choices, bound.help_text = [("", "as proposed for the material")], "Choose a material first."
            return
        states: dict[str, float] = {}
        for material in reversed(chosen):
            states |= dict.fromkeys(material.facts["elements"]) | (material.facts.get("oxidation_states") or {})
        proposed = chosen[0].mobile_ion
        offered = dict.fromkeys([proposed, *sorted(states)])
        typed = str(bound.value() or "")
        if typed and typed not in offered:  # shown, and refused
            offered[typed] = None
        names = {symbol: f"{symbol} ({_charge(symbol, states.get(symbol))})" for symbol in offered}
        bound.field.widget.choices = [(symbol, f"{name}, proposed" if symbol == proposed else name) for symbol, name in names.items()]
        bound.help_text = f"Proposed: {chosen[0].facts.get('mobile_ion_reason', '')}".removesuffix(": ")

    @property
    def preset_choices(self) -> list[dict[str, Any]]:
        chosen = self["preset"].value()
        return [{"name": name, "help": text, "checked": name == chosen} for name, text in PRESET_HELP.items()]


def _charge(symbol: str, state: float | None) -> str:
    return f"{usual_charge_e(symbol):+g} usual" if state is None else f"{state:+.3g}"
