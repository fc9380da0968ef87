"""What users type, parsed. The rules of a campaign stand in services and protocol; here is only their way into a form and back."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import QueryDict

from campaigns.engines import labellers
from campaigns.enums import S0Route
from campaigns.models import Material
from campaigns.science.protocol import GROUPS, PRESET_HELP, PRESETS, ProtocolSettings, SettingsError, settings_from_mapping
from campaigns.services import potential_files
from campaigns.services.errors import BadInput, sentence
from campaigns.services.requests import CampaignRequest, CellRequest, check

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
MAX_CELLS = 12
# Where the cursor goes for a field that is not one input of its own.
FOCUS = {"s0_upload": "data_set", "preset": "preset-quick", "files": "potential_file"}


@dataclass(frozen=True)
class Problem:
    """One line of the summary above a refused form; `target` is the id of the input to go to, if there is one."""

    label: str
    text: str
    target: str


def problems_of(form: forms.Form, names: Iterable[str] | None = None, where: str = "") -> list[Problem]:
    """What is wrong in a form, in the order of its fields, or of `names` alone."""
    found = []
    for bound in [form[name] for name in names] if names is not None else form:
        label = f"{where}, {bound.label}" if where else str(bound.label)
        target = FOCUS.get(bound.name) or bound.id_for_label or f"{bound.auto_id}_0"
        found += [Problem(label, str(error), target) for error in bound.errors]
    if names is None:
        first = next((bound.id_for_label for bound in form), "")
        found += [Problem(where, str(error), first) for error in form.non_field_errors()]
    return found


class MaterialForm(forms.Form):
    """A CIF, as a file or as text."""

    cif_file = forms.FileField(required=False, label="CIF file", help_text="At most 1 MB, one structure.")
    cif_text = forms.CharField(
        required=False,
        label="or paste its text",
        strip=False,
        max_length=settings.MAX_CIF_BYTES,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
    )
    name = forms.CharField(required=False, max_length=200, label="Name", help_text="Left empty: the formula.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned.get("cif_file") and not (cleaned.get("cif_text") or "").strip():
            self.add_error("cif_file", "Choose a CIF file, or paste the text of one below.")
        return cleaned

    def cif(self) -> tuple[bytes, str]:
        """The CIF and its file name."""
        file = self.cleaned_data.get("cif_file")
        if file:
            return file.read(), file.name
        return self.cleaned_data["cif_text"].encode("utf-8", "replace"), "pasted.cif"


class NumbersField(forms.CharField):
    """Several numbers, separated by commas or blanks, as a tuple of the type that the setting has."""

    def __init__(self, kind: type, **options: Any) -> None:
        super().__init__(**options)
        self._kind = kind

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else ", ".join(f"{item:g}" for item in value or ())

    def to_python(self, value: Any) -> tuple[float, ...]:
        words = [word for word in re.split(r"[,;\s]+", str(value or "")) if word]
        try:
            return tuple(self._kind(word) for word in words)
        except ValueError as error:
            what = "whole numbers" if self._kind is int else "numbers"
            raise forms.ValidationError(f"Give {what}, separated by commas.") from error


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(value or ())

    def to_python(self, value: Any) -> list[str]:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


def states_in_words(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number:g}" for name, number in numbers.items())


class MappingField(forms.CharField):
    """Numbers by name, separated by commas or line ends: `Li 1, O -2`."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": "Li 1, O -2"})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else states_in_words(value or {})

    def to_python(self, value: Any) -> dict[str, float]:
        found = {}
        for line in re.split(r"[\n,;]+", str(value or "")):
            words = re.split(r"[\s:=]+", line.strip())
            if words == [""]:
                continue
            try:
                name, number = words
                found[name] = float(number)
            except ValueError as error:
                raise forms.ValidationError(f"“{line.strip()}” is not a name and a number, such as “Li 1”.") from error
        return found


class PlainFloatField(forms.FloatField):
    """Shows 400 and 5e-08, not 400.0."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value:.12g}" if isinstance(value, float) else value


class ProtocolForm(forms.Form):
    """Every setting of the protocol, from its own definition: label, unit, help and bounds are not said twice."""

    def __init__(self, preset: str, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        self.preset = preset if preset in PRESETS else "quick"
        values = {spec.name: getattr(PRESETS[self.preset], spec.name) for spec in fields(ProtocolSettings)}
        super().__init__(data, initial=values | (initial or {}))
        for spec in fields(ProtocolSettings):
            self.fields[spec.name] = _setting_field(values[spec.name], spec.metadata)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                settings_from_mapping(self.preset, self.changes)
            except SettingsError as error:
                for name, problem in error.problems.items():
                    self.add_error(name, sentence(problem))
        return cleaned

    @property
    def changes(self) -> dict[str, Any]:
        """The settings that differ from the preset."""
        chosen = PRESETS[self.preset]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.cleaned_data.items()
            if value != getattr(chosen, name)
        }

    @property
    def groups(self) -> list[dict[str, Any]]:
        """For the template: each group with what matters first and the rest, and whether the rest must be open to show an error."""
        found = []
        for name, title in GROUPS.items():
            bound = [(self[spec.name], spec.metadata["key"]) for spec in fields(ProtocolSettings) if spec.metadata["group"] == name]
            rest = [field for field, is_key in bound if not is_key]
            found.append(
                {
                    "title": title,
                    "key": [field for field, is_key in bound if is_key],
                    "rest": rest,
                    "open": any(field.errors for field in rest),
                }
            )
        return found


def _setting_field(value: Any, metadata: Any) -> forms.Field:
    bounds = {"min_value": metadata["low"], "max_value": metadata["high"]}
    if metadata["choices"]:
        field: forms.Field = forms.ChoiceField(choices=[(choice, choice) for choice in metadata["choices"]])
    elif isinstance(value, bool):
        field = forms.BooleanField(required=False)
    elif isinstance(value, tuple):
        field = NumbersField(type(value[0]))
    elif isinstance(value, int):
        field = forms.IntegerField(**bounds)
    else:
        field = PlainFloatField(**bounds)
        field.widget.attrs["step"] = "any"
    return described(field, metadata["label"], metadata["unit"], metadata["help"])


def described(field: forms.Field, label: str, unit: str, explanation: str) -> forms.Field:
    """A field with its unit, and the text that stands behind its (?)."""
    field.label, field.unit, field.explanation = label, unit, explanation
    return field


class CellForm(forms.Form):
    """One supercell of one material."""

    material = forms.ModelChoiceField(
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
        self.fields["material"].queryset = materials
        wanted = str(self["material"].value() or "")
        material = materials.filter(pk=wanted).first() if wanted.isdigit() else None
        if material:
            field, guessed = self.fields["oxidation_states"], material.facts.get("oxidation_states") or {}
            field.widget.attrs["placeholder"] = states_in_words(guessed) or states_in_words(dict.fromkeys(material.facts["elements"], 0))
            if not guessed:
                needed = "give one for each element." if material.is_disordered else "without them the mobile ion is taken to carry +1 e."
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


class LabellerOptionsForm(forms.Form):
    """The options of one reference method, as its module describes them. `owner`: whose potential files may be named."""

    prefix = "labeller"

    def __init__(self, labeller: str, owner: AbstractBaseUser, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        options = labellers.module(labeller).OPTIONS if labeller in labellers.MODULES else ()
        for option in options:
            field = FilesField(owner) if option.kind == "files" else _option_field(option)
            self.fields[option.name] = described(field, option.name.replace("_", " ").capitalize(), option.unit, option.help)

    @property
    def attached(self) -> list[potential_files.PotentialFile]:
        return self.fields["files"].attached(self["files"].value()) if "files" in self.fields else []

    def values(self) -> dict[str, Any]:
        """What was given; an option left empty keeps its default."""
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None, [], {})}


def _option_field(option: labellers.Option) -> forms.Field:
    if option.kind == "choice":
        return forms.ChoiceField(choices=[(choice, choice) for choice in option.choices], initial=option.default, required=False)
    if option.kind == "number":
        return PlainFloatField(initial=option.default, required=False, widget=forms.NumberInput(attrs={"step": "any"}))
    if option.kind == "lines":
        return LinesField(initial=option.default, required=False)
    if option.kind == "mapping":
        return MappingField(initial=option.default, required=False)
    return forms.CharField(initial=option.default, required=False, max_length=1000)


class FilesField(forms.Field):
    """Potential files by the tokens under which they were uploaded; cleaned, their contents by name."""

    widget = forms.MultipleHiddenInput

    def __init__(self, owner: AbstractBaseUser) -> None:
        super().__init__(required=False)
        self._owner = owner

    def clean(self, value: Any) -> dict[str, str]:
        try:
            found = [potential_files.read(self._owner, token) for token in value or []]
        except BadInput as error:
            raise forms.ValidationError(str(error)) from error
        return {file.name: file.content for file in found}

    def attached(self, tokens: Any) -> list[potential_files.PotentialFile]:
        """Those that are there, for the page."""
        found = []
        for token in tokens or []:
            with suppress(BadInput):
                found.append(potential_files.read(self._owner, token))
        return found


class CampaignForm(forms.Form):
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
        names = {symbol: symbol if states.get(symbol) is None else f"{symbol} ({states[symbol]:+g})" for symbol in offered}
        bound.field.widget.choices = [(symbol, f"{name}, proposed" if symbol == proposed else name) for symbol, name in names.items()]
        bound.help_text = f"Proposed: {chosen[0].facts.get('mobile_ion_reason', '')}".removesuffix(": ")

    @property
    def preset_choices(self) -> list[dict[str, Any]]:
        chosen = self["preset"].value()
        return [{"name": name, "help": text, "checked": name == chosen} for name, text in PRESET_HELP.items()]


def initial_of(request: CampaignRequest, owner: AbstractBaseUser) -> dict[str, Any]:
    """A request as what the page starts with."""
    cells = [
        {
            "material": cell.material_id,
            **dict(zip("abc", cell.supercell, strict=True)),
            **{name: getattr(cell, name) for name in ("for_training", "for_evaluation", "candidate", "oxidation_states")},
        }
        for cell in request.cells
    ]
    options: dict[str, Any] = {}
    for name, value in request.labeller_options.items():
        if name == "files":
            options[name] = [potential_files.store(owner, file, content.encode()).token for file, content in value.items()]
        else:
            options[name] = " ".join(map(str, value)) if name == "elements" and isinstance(value, list) else value
    return {
        "campaign": {name: getattr(request, name) for name in CampaignForm.base_fields},
        "cells": cells,
        "options": options,
        "protocol": request.changes,
    }


class CampaignSetup:
    """The whole page: campaign, cells, options of the reference method, protocol settings; read from one POST."""

    def __init__(
        self, owner: AbstractBaseUser, materials: Any, data: QueryDict | None = None, initial: dict[str, Any] | None = None
    ) -> None:
        initial = initial or {}
        self.owner = owner
        self.materials = materials
        self.campaign = CampaignForm(data, initial=initial.get("campaign"))
        preset, labeller = self.campaign["preset"].value() or "quick", self.campaign["labeller"].value() or "chgnet"
        self.protocol = ProtocolForm(preset, data, initial.get("protocol"))
        self.options = LabellerOptionsForm(labeller, owner, data, initial.get("options"))
        if data is None:
            self.cells = [CellForm(materials, prefix=f"cell-{index}", initial=cell) for index, cell in enumerate(initial.get("cells", []))]
        else:
            self.cells = [CellForm(materials, data, prefix=f"cell-{index}") for index in cell_indices(data)]
        self.cells_error = ""
        self.campaign.offer_ions(self._chosen_materials())

    def _chosen_materials(self) -> list[Material]:
        """In the order of the cells."""
        named = list(dict.fromkeys(str(form["material"].value()) for form in self.cells))
        found = self.materials.in_bulk([int(pk) for pk in named if pk.isdigit()])
        return [found[int(pk)] for pk in named if pk.isdigit() and int(pk) in found]

    def checked_request(self) -> CampaignRequest | None:
        """The request if it can be carried out; else None, with every problem at its field, those that only the services see too."""
        refused = [form for form in (self.campaign, self.protocol, self.options, *self.cells) if not form.is_valid()]
        readable = [form for form in self.cells if form not in refused]
        request = self._request(readable)
        try:
            check(self.owner, request)
        except BadInput as error:
            self._add_problems(error.fields, readable)
            return None
        return None if refused else request

    def _request(self, readable: list[CellForm]) -> CampaignRequest:
        """With what could be read; a value that could not has its error already."""
        found = self.campaign.cleaned_data
        return CampaignRequest(
            name=found.get("name", ""),
            cells=[form.request() for form in readable],
            labeller=found.get("labeller", ""),
            labeller_options=self.options.values(),
            preset=self.protocol.preset,
            changes=self.protocol.changes if self.protocol.is_valid() else {},
            s0_route=found.get("s0_route", ""),
            s0_upload=found.get("s0_upload", ""),
            s0_upload_format=found.get("s0_upload_format") or "auto",
            mobile_ion=found.get("mobile_ion", ""),
            seed=found.get("seed", 1),
        )

    def elements(self) -> list[str]:
        return sorted({symbol for form in self.cells for symbol in form.cleaned_data["material"].facts["elements"]})

    def _add_problems(self, problems: dict[str, str], readable: list[CellForm]) -> None:
        """Put what a service refused at the fields it names; what names no field stands above the form."""
        unseen = {"cells", "mobile_ion"} if len(readable) < len(self.cells) else set()  # the services did not see all cells
        for name in problems.keys() - unseen:
            first, _, rest = name.partition(".")
            text = sentence(problems[name])
            if name == "cells":
                self.cells_error = text
            elif first == "cells":
                number, _, field = rest.partition(".")
                readable[int(number) - 1].add_error(field or None, text)
            elif rest in self.options.fields:
                if rest not in self.options.errors:
                    self.options.add_error(rest, text)
            elif form := next((form for form in (self.campaign, self.protocol) if name in form.fields), None):
                if name not in form.errors:
                    form.add_error(name, text)
            else:
                self.campaign.add_error(None, f"{name}: {text}")

    def problems(self) -> list[Problem]:
        """All that is wrong, from the top of the page to its end."""
        found = [Problem("", str(error), "") for error in self.campaign.non_field_errors()]
        if self.cells_error:
            found.append(Problem("Material and cells", self.cells_error, "main-material"))
        found += problems_of(self.campaign, ["name", "mobile_ion"])
        for number, form in enumerate(self.cells, start=1):
            found += problems_of(form, where=f"Cell {number}")
        found += problems_of(self.campaign, ["labeller"]) + problems_of(self.options)
        found += problems_of(self.campaign, ["s0_route", "s0_upload", "s0_upload_format", "preset"])
        return found + problems_of(self.protocol) + problems_of(self.campaign, ["seed"])


def cell_indices(data: Any) -> list[int]:
    """Which rows of cells were sent: a row that was removed leaves a gap."""
    found = {int(match[1]) for key in data if (match := re.fullmatch(r"cell-(\d{1,3})-material", key))}
    return sorted(found)[:MAX_CELLS]
