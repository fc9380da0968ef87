"""Settings of the protocol and options of a reference method, as their own modules describe them."""

from dataclasses import fields
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser

from campaigns.engines import labellers
from campaigns.forms.fields import (
    FilesField,
    JsonField,
    LinesField,
    MappingField,
    NumbersField,
    PlainFloatField,
    PlainForm,
    TemplateField,
    described,
)
from campaigns.models import Campaign
from campaigns.science.protocol import GROUPS, PRESETS, SPECS, THRESHOLDS, ProtocolSettings, SettingsError, settings_from_mapping
from campaigns.services import limits, potential_files
from campaigns.services.errors import sentence
from campaigns.services.texts import MAX_REASON


class ProtocolForm(PlainForm):
    """Every setting of the protocol, from its own definition: label, unit, help and bounds are not said twice."""

    def __init__(self, preset: str, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        self.preset = preset if preset in PRESETS else "quick"
        values = {spec.name: getattr(PRESETS[self.preset], spec.name) for spec in fields(ProtocolSettings)}
        super().__init__(data, initial=values | (initial or {}))
        for spec in fields(ProtocolSettings):
            self.fields[spec.name] = _setting_field(values[spec.name], spec.metadata)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            settings_from_mapping(self.preset, self.changes, unreadable=list(self.errors))
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


class ThresholdsForm(PlainForm):
    """What may be changed when a campaign is under way, as it is now, and why it is changed."""

    def __init__(self, campaign: Campaign, data: Any = None) -> None:
        self._now = campaign.settings
        super().__init__(data, initial={name: getattr(self._now, name) for name in THRESHOLDS} | {"version": campaign.version})
        for name in THRESHOLDS:
            self.fields[name] = _setting_field(getattr(self._now, name), SPECS[name].metadata)
        self.fields["reason"] = forms.CharField(max_length=MAX_REASON, widget=forms.Textarea(attrs={"rows": 2}), label="Why")
        self.fields["version"] = forms.IntegerField(widget=forms.HiddenInput)

    @property
    def changes(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in THRESHOLDS if self.cleaned_data[name] != getattr(self._now, name)}

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        by_group = {name: [self[one] for one in THRESHOLDS if SPECS[one].metadata["group"] == name] for name in GROUPS}
        return [(GROUPS[name], bound) for name, bound in by_group.items() if bound]


def _setting_field(value: Any, metadata: Any) -> forms.Field:
    bounds = {"min_value": metadata["low"], "max_value": metadata["high"]}
    if metadata["choices"]:
        field: forms.Field = forms.ChoiceField(choices=[(choice, choice) for choice in metadata["choices"]])
    elif isinstance(value, bool):
        field = forms.BooleanField(required=False)
    elif isinstance(value, tuple):
        field = NumbersField(type(value[0]), metadata["low"], metadata["high"])
    elif isinstance(value, int):
        field = forms.IntegerField(**bounds)
    else:
        field = PlainFloatField(**bounds)
        field.widget.attrs["step"] = "any"
    return described(field, metadata["label"], metadata["unit"], metadata["help"])


class LabellerOptionsForm(PlainForm):
    """The options of one reference method, as its module describes them. `owner`: whose potential files may be named."""

    prefix = "labeller"

    def __init__(self, labeller: str, owner: AbstractBaseUser, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        options = labellers.module(labeller).OPTIONS if labeller in labellers.MODULES else ()
        for option in options:
            field = FilesField(owner) if option.kind == "files" else _option_field(option)
            self.fields[option.name] = described(field, option.title, option.unit, option.help)
        self._templates = {option.name: option.default for option in options if option.kind == "template"}

    @property
    def attached(self) -> list[potential_files.PotentialFile]:
        return self.fields["files"].attached(self["files"].value()) if "files" in self.fields else []

    def values(self) -> dict[str, Any]:
        """What was given; an option left empty, or a template left as it is, keeps its default."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in ("", None, [], {})}
        return {name: value for name, value in given.items() if value != self._templates.get(name)}


class LimitsForm(LabellerOptionsForm):
    """Those of a campaign's options on which no label depends."""

    def __init__(self, campaign: Campaign, data: Any = None) -> None:
        super().__init__(campaign.labeller, campaign.owner, data, campaign.labeller_options)
        changeable = {option.name for option in limits.options_of(campaign.labeller)}
        for name in set(self.fields) - changeable:
            del self.fields[name]


def _option_field(option: labellers.Option) -> forms.Field:
    if option.kind == "choice":
        return forms.ChoiceField(choices=[(choice, choice) for choice in option.choices], initial=option.default, required=False)
    if option.kind == "number":
        widget = forms.NumberInput(attrs={"step": "any"})
        return PlainFloatField(initial=option.default, required=False, min_value=option.low, max_value=option.high, widget=widget)
    if option.kind == "lines":
        return LinesField(initial=option.default, required=False)
    if option.kind == "template":
        return TemplateField(initial=option.default, required=False)
    if option.kind == "json":
        return JsonField(initial=option.default, required=False)
    if option.kind == "mapping":
        return MappingField(initial=option.default, required=False)
    return forms.CharField(initial=option.default, required=False, max_length=1000)
