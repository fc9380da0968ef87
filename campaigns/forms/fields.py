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


def described(field: forms.Field, label: str, unit: str, explanation: str) -> forms.Field:
    """A field with its unit, and the text that stands behind its (?)."""
    field.label, field.unit, field.explanation = label, unit, explanation
    return field
