"""What users type about a trajectory, parsed."""

from typing import Any

from django import forms

from analysis.models import TrajectoryAnalysis
from analysis.services.trajectories import AnalysisRequest
from campaigns.forms.fields import PlainForm, SeveralFilesField
from campaigns.science.elements import ELEMENTS
from campaigns.science.mobile_ions import known_charge_e


def _element(word: str) -> str:
    if word not in ELEMENTS:
        raise forms.ValidationError(f"“{word}” is no element; give a symbol, such as Li.")
    return word


class TrajectoryForm(PlainForm):
    """Files of one run, and what they do not say themselves."""

    files = SeveralFilesField(
        label="Files",
        help_text="LAMMPS dump, XDATCAR or extended XYZ, .gz too; several are one run, in the order of steps, else names (9 before 10).",
    )
    name = forms.CharField(required=False, max_length=200, label="Name", help_text="Left empty: that of the first file.")
    mobile_ion = forms.CharField(max_length=3, label="Mobile ion")
    temperature_K = forms.FloatField(min_value=1, max_value=10000, label="Temperature", help_text="Better the measured than the target.")
    frame_interval_fs = forms.FloatField(
        required=False, min_value=1e-3, label="Time between frames", help_text="Left empty: as extended XYZ says it (Time, in fs)."
    )
    timestep_fs = forms.FloatField(
        required=False, min_value=1e-3, label="or time step", help_text="Where the files say MD steps (LAMMPS dumps)."
    )
    elements = forms.CharField(
        required=False,
        max_length=200,
        label="Elements of LAMMPS's types",
        help_text="In the order of the types, if the dump has no element column: Li, Ge, P, S.",
    )
    charge = forms.FloatField(
        required=False, min_value=-10, max_value=10, label="Charge of the mobile ion",
        help_text="For the conductivity. Left empty: the usual one, such as 1 of Li and 2 of Mg.",
    )  # fmt: skip
    hop_length_A = forms.FloatField(
        required=False, initial=3, min_value=0.5, max_value=10, label="Hop length",
        help_text="Between neighbouring sites: what counts as a hop (LLZO 2.4, LGPS 2.8, Na in NASICON 3.5 Å).",
    )  # fmt: skip

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, unit in {
            "temperature_K": "K",
            "frame_interval_fs": "fs",
            "timestep_fs": "fs",
            "charge": "e",
            "hop_length_A": "Å",
        }.items():
            self.fields[name].unit = unit
            self.fields[name].widget.attrs["step"] = "any"

    def clean_mobile_ion(self) -> str:
        return _element(self.cleaned_data["mobile_ion"])

    def clean_elements(self) -> list[str]:
        return [_element(word) for word in self.cleaned_data["elements"].replace(",", " ").split()]

    def clean(self) -> dict[str, Any]:
        ion = self.cleaned_data.get("mobile_ion")
        if ion and "charge" not in self.errors and self.cleaned_data["charge"] is None:
            self.cleaned_data["charge"] = known_charge_e(ion)
            if self.cleaned_data["charge"] is None:
                self.add_error("charge", f"Give the charge of {ion}: it has no usual one.")
        return self.cleaned_data

    def request(self) -> AnalysisRequest:
        found = self.cleaned_data
        return AnalysisRequest(
            found["name"],
            found["mobile_ion"],
            found["temperature_K"],
            found["frame_interval_fs"],
            found["timestep_fs"],
            found["elements"],
            found["charge"],
            found["hop_length_A"] or 3.0,
        )


class CorrectionForm(TrajectoryForm):
    """What was said of a trajectory whose files are kept, to be said again."""

    files = None

    @staticmethod
    def said_of(row: TrajectoryAnalysis) -> dict[str, Any]:
        """What its fields hold at first. A charge that is the usual one is left to the ion, which may be what was wrong."""
        said = row.spec | {"name": row.name, "elements": ", ".join(row.spec.get("elements") or [])}
        return said | {"charge": None} if said.get("charge") == known_charge_e(row.mobile_ion) else said
