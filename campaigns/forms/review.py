"""The page of a campaign in words: its last step repeats what was chosen before anything is made of it."""

from dataclasses import dataclass
from typing import Any

from django import forms

from campaigns.enums import S0Route
from campaigns.forms.campaign import CellForm
from campaigns.forms.resources import HERE
from campaigns.forms.setup import CampaignSetup
from campaigns.science.protocol import PRESETS
from campaigns.templatetags.present import joined

STEPS = ("Structure", "Reference method and S0", "Protocol", "Review")
UNREADABLE = "to be mended"


@dataclass(frozen=True)
class Choice:
    """`remark`: what the value would be if it had been left alone, for instance."""

    term: str
    value: Any
    unit: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Part:
    """What is chosen in one step, by its number."""

    step: int
    title: str
    choices: list[Choice]


def parts(setup: CampaignSetup) -> list[Part]:
    """Of a setup that has been checked; what could not be read is said to be so."""
    found = (_structure(setup), _method(setup), _protocol(setup))
    return [Part(number, STEPS[number - 1], choices) for number, choices in enumerate(found, start=1)]


def _structure(setup: CampaignSetup) -> list[Choice]:
    ion, project = setup.campaign["mobile_ion"], setup.place.cleaned_data.get("project")
    offered = dict(ion.field.widget.choices)
    return [
        _choice(setup.campaign, "name"),
        Choice("Mobile ion", offered.get(ion.value()) or next(iter(offered.values()))),
        *([Choice("Project", project.name)] if project else []),
        *(_cell(number, form) for number, form in enumerate(setup.cells, start=1)),
    ]


def _cell(number: int, form: CellForm) -> Choice:
    term = f"Cell {number}"
    if not form.is_valid():
        return Choice(term, UNREADABLE)
    cell, material = form.request(), form.cleaned_data["material"]
    a, b, c = cell.supercell
    used = ", ".join(str(form.fields[name].label) for name in ("for_training", "for_evaluation") if form.cleaned_data[name])
    remark = f"{used}{f'; ordering {cell.candidate}' if material.is_disordered else ''}"
    return Choice(term, f"{material.name}, {a} × {b} × {c}, {material.n_atoms * a * b * c:.0f} atoms", remark=remark)


def _method(setup: CampaignSetup) -> list[Choice]:
    routes, methods = dict(S0Route.choices), dict(setup.campaign.fields["labeller"].choices)
    chosen = setup.campaign.cleaned_data
    fields = setup.options.fields
    options = {name: value for name, value in setup.options.values().items() if value != fields[name].initial}
    found = [
        Choice("Reference method", methods.get(chosen.get("labeller"), UNREADABLE)),
        *(_option(fields[name], value) for name, value in options.items()),
        Choice("Starting set S0", routes.get(chosen.get("s0_route"), UNREADABLE)),
    ]
    if chosen.get("s0_route") == S0Route.UPLOAD:
        found.append(Choice("Data set", "attached" if chosen.get("s0_upload") else UNREADABLE))
    return found


def _option(field: forms.Field, value: Any) -> Choice:
    """Of the reference method. Lines, long texts and files have no place in a review as they are."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else f"{len(value)} lines"
    elif isinstance(value, dict):
        value = ", ".join(f"{name} {item:g}" if isinstance(item, int | float) else name for name, item in value.items())
    elif isinstance(value, str) and "\n" in value:
        value = "your own text"
    return Choice(str(field.label), value, field.unit if isinstance(value, int | float) else "")


def _protocol(setup: CampaignSetup) -> list[Choice]:
    """The preset, the settings that matter most, and whatever is not as in the preset."""
    form, changes = setup.protocol, setup.protocol.changes
    found = [Choice("Preset", form.preset, remark="changed" if changes or form.errors else "as it is")]
    for group in form.groups:
        for field in (*group["key"], *group["rest"]):
            is_changed = field.name in changes or field.name in form.errors
            if is_changed or field in group["key"]:
                remark = f"{form.preset}: {joined(getattr(PRESETS[form.preset], field.name))}" if is_changed else ""
                found.append(_choice(form, field.name, f"{group['title']}: {field.label.lower()}", remark))
    where = [Choice(str(setup.resources.fields[kind].label), name or HERE) for kind, name in setup.resources.cleaned_data.items()]
    return [*found, _choice(setup.campaign, "seed"), *where]


def _choice(form: forms.Form, name: str, term: str = "", remark: str = "") -> Choice:
    field = form.fields[name]
    value = UNREADABLE if name in form.errors else form.cleaned_data[name]
    return Choice(term or str(field.label), value, getattr(field, "unit", "") if value != UNREADABLE else "", remark)
