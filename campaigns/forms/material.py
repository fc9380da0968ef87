"""A CIF, as a file or as text."""

from typing import Any

from django import forms
from django.conf import settings

from campaigns.forms.fields import PlainForm


class MaterialForm(PlainForm):
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
