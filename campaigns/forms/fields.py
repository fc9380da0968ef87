"""Fields that Django has not: several numbers, lines, whole texts, numbers by name, attached files."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser

from campaigns.services import potential_files
from campaigns.services.errors import BadInput

_WHOLE = re.compile(r"[0-9]{1,18}")  # what a database can hold


def whole_number(word: str) -> int | None:
    """The number that a page sent; None for everything else that someone typed. (`str.isdigit` is true for a superscript.)"""
    return int(word) if _WHOLE.fullmatch(word) else None


class NumbersField(forms.CharField):
    """Several numbers, separated by commas or blanks, as a tuple of the type that the setting has."""

    def __init__(self, kind: type, low: float | None = None, high: float | None = None, **options: Any) -> None:
        """The bounds of each number are named here and checked by the settings themselves."""
        super().__init__(**options)
        self._kind, self._low, self._high = kind, low, high

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else ", ".join(f"{item:g}" for item in value or ())

    def to_python(self, value: Any) -> tuple[float, ...]:
        words = [word for word in re.split(r"[,;\s]+", str(value or "")) if word]
        try:
            return tuple(self._kind(word) for word in words)
        except ValueError as error:
            raise forms.ValidationError(self.wanted) from error

    @property
    def wanted(self) -> str:
        what, unit = "whole numbers" if self._kind is int else "numbers", getattr(self, "unit", "")
        bounds = f" from {self._low:.10g} to {self._high:.10g}" if self._low is not None else ""
        return f"Give {what}{bounds} {unit}".rstrip() + ", separated by commas."


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(value or ())

    def to_python(self, value: Any) -> list[str]:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


class TemplateField(forms.CharField):
    """An input file in a program's own words, with line ends as Unix has them."""

    widget = forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "class": "whole-text"})

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, max_length=20000, **options)

    def to_python(self, value: Any) -> str:
        lines = str(value or "").splitlines()
        return "\n".join([*lines, ""]) if any(line.strip() for line in lines) else ""


def numbers_in_words(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number:g}" for name, number in numbers.items())


class MappingField(forms.CharField):
    """Numbers by name, separated by commas or line ends: `Li 1, O -2`."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": "Li 1, O -2"})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else numbers_in_words(value or {})

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


class JsonField(forms.JSONField):
    """An object of plain values in JSON."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": '{"cutoff": 5}'})
    default_error_messages = {"invalid": 'Give an object in JSON, such as {"cutoff": 5}.'}

    def prepare_value(self, value: Any) -> Any:
        return super().prepare_value(value) if value not in ({}, None) else ""

    def to_python(self, value: Any) -> dict[str, Any]:
        found = super().to_python(value) or {}
        if not isinstance(found, dict):
            raise forms.ValidationError(self.error_messages["invalid"])
        return found


class PlainFloatField(forms.FloatField):
    """Shows 400 and 5e-08, not 400.0."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value:.12g}" if isinstance(value, float) else value


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


class SeveralFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class SeveralFilesField(forms.FileField):
    """A list of files."""

    widget = SeveralFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, list | tuple) else [data]
        checked = [super(SeveralFilesField, self).clean(file, initial) for file in files or [None]]
        return [file for file in checked if file]


class PlainForm(forms.Form):
    """A form that says in our words what a field takes, its range and unit; the name of the quantity stands beside each error."""

    def full_clean(self) -> None:
        for field in self.fields.values():
            field.error_messages |= _messages(field)
        super().full_clean()


def _messages(field: forms.Field) -> dict[str, str]:
    """By Django's code of the error. Of what a field says in its own words only what it lacks is replaced."""
    if isinstance(field, forms.IntegerField):  # FloatField is one too
        wanted = f"Give a {'number' if isinstance(field, forms.FloatField) else 'whole number'}{_range(field)}."
        return dict.fromkeys(("required", "invalid", "min_value", "max_value"), wanted)
    if isinstance(field, forms.ModelChoiceField):
        return {"required": "Choose one."}
    if isinstance(field, forms.ChoiceField):
        wanted = f"Choose one of {', '.join(str(value) for value, _ in field.choices if value)}."
        return {"required": wanted, "invalid_choice": wanted}
    if isinstance(field, NumbersField):
        return {"required": field.wanted}
    if isinstance(field, forms.FileField):
        return {"required": "Choose a file.", "empty": "The file is empty."}
    return {"required": "This must not be empty.", "max_length": "Give at most %(limit_value)d characters (it has %(show_value)d)."}


def _range(field: forms.IntegerField) -> str:
    low, high, unit = field.min_value, field.max_value, getattr(field, "unit", "")
    if low is not None and high is not None:
        found = f" from {low:.10g} to {high:.10g}"
    else:
        found = f" of at least {low:.10g}" if low is not None else f" of at most {high:.10g}" if high is not None else ""
    return f"{found} {unit}".rstrip() if found else f" in {unit}" if unit else ""


def described(field: forms.Field, label: str, unit: str, explanation: str) -> forms.Field:
    """A field with its unit, and the text that stands behind its (?)."""
    field.label, field.unit, field.explanation = label, unit, explanation
    return field
