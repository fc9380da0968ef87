"""CIFs, as files or as text; name and tags of a material."""

from typing import Any

from django import forms
from django.conf import settings

from campaigns.forms.fields import PlainForm, SeveralFilesField
from campaigns.services.materials import MAX_NAME, MAX_TAGS

MAX_CIFS = 10  # each is read in a child of its own, for a second or two


class DescriptionForm(PlainForm):
    name = forms.CharField(max_length=MAX_NAME, label="Name")
    tags = forms.CharField(
        required=False, max_length=400, label="Tags", help_text=f"Your own words to find it by, separated by commas: at most {MAX_TAGS}."
    )


class MaterialForm(PlainForm):
    """CIFs as files, or one as text."""

    cif_file = SeveralFilesField(
        required=False, label="CIF files", help_text=f"One, or several at once: at most {MAX_CIFS}, 1 MB together, one structure in each."
    )
    cif_text = forms.CharField(
        required=False,
        label="or paste its text",
        strip=False,
        max_length=settings.MAX_CIF_BYTES,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
    )
    name = forms.CharField(required=False, max_length=200, label="Name", help_text="Left empty: the formula. Of one file alone.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        files = cleaned.get("cif_file") or []
        if not self.errors and not files and not (cleaned.get("cif_text") or "").strip():
            self.add_error("cif_file", "Choose a CIF file, or paste the text of one below.")
        if len(files) > MAX_CIFS:
            self.add_error("cif_file", f"These are {len(files)} files; choose at most {MAX_CIFS} at once.")
        if len(files) > 1 and cleaned.get("name"):
            self.add_error("name", "Several files cannot have one name: leave it empty, and each is named by its formula.")
        return cleaned

    def cifs(self) -> list[tuple[bytes, str]]:
        """Each CIF and its file name."""
        if files := self.cleaned_data["cif_file"]:
            return [(file.read(), file.name) for file in files]
        return [(self.cleaned_data["cif_text"].encode("utf-8", "replace"), "pasted.cif")]
