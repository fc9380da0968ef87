"""The page on which a campaign is set up: its forms together, what is wrong with them, and the request that they make."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import QueryDict

from campaigns.forms.campaign import CampaignForm, CellForm, ProjectForm
from campaigns.forms.fields import whole_number
from campaigns.forms.resources import ResourcesForm
from campaigns.forms.settings import LabellerOptionsForm, ProtocolForm
from campaigns.models import Campaign, Material
from campaigns.services import potential_files
from campaigns.services.errors import BadInput, sentence
from campaigns.services.requests import MAX_CELLS, CampaignRequest, check, elements_of

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
        "resources": request.resources,
    }


class CampaignSetup:
    """The whole page: campaign, cells, options of the reference method, protocol settings, resources; read from one POST."""

    def __init__(
        self,
        owner: AbstractBaseUser,
        materials: Any,
        data: QueryDict | None = None,
        initial: dict[str, Any] | None = None,
        draft: Campaign | None = None,
    ) -> None:
        initial = initial or {}
        self.owner = owner
        self.draft = draft
        self.materials = materials
        self.campaign = CampaignForm(data, initial=initial.get("campaign"))
        self.place = ProjectForm(owner, data, initial={"project": initial.get("project")})
        preset, labeller = self.campaign["preset"].value() or "quick", self.campaign["labeller"].value() or "chgnet"
        self.protocol = ProtocolForm(preset, data, initial.get("protocol"))
        self.options = LabellerOptionsForm(labeller, owner, data, initial.get("options"))
        self.resources = ResourcesForm(data, initial.get("resources"))
        if data is None:
            self.cells = [CellForm(materials, prefix=f"cell-{index}", initial=cell) for index, cell in enumerate(initial.get("cells", []))]
        else:
            self.cells = [CellForm(materials, data, prefix=f"cell-{index}") for index in cell_indices(data)]
        self.cells_error = ""
        self.campaign.offer_ions(self._chosen_materials())

    def _chosen_materials(self) -> list[Material]:
        """In the order of the cells."""
        named = list(dict.fromkeys(str(form["material"].value()) for form in self.cells))
        numbers = [number for word in named if (number := whole_number(word)) is not None]
        found = self.materials.in_bulk(numbers)
        return [found[number] for number in numbers if number in found]

    def checked_request(self) -> CampaignRequest | None:
        """The request if it can be carried out; else None, with every problem at its field, those that only the services see too."""
        refused = [
            form for form in (self.campaign, self.place, self.protocol, self.options, self.resources, *self.cells) if not form.is_valid()
        ]
        readable = [form for form in self.cells if form not in refused]
        request = self._request(readable)
        try:
            check(self.owner, request, keep=self.draft)
        except BadInput as error:
            self._add_problems(error.fields, readable)
            return None
        return None if refused else request

    def refuse(self, error: BadInput) -> None:
        """What came to light only when the campaign was to be made."""
        self._add_problems(error.fields, self.cells)

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
            resources=self.resources.values(),
        )

    def elements(self) -> list[str]:
        """That the cells as they are typed will hold. For cells that could be read."""
        materials = {form.cleaned_data["material"].pk: form.cleaned_data["material"] for form in self.cells}
        proposed = next(iter(materials.values())).mobile_ion
        return elements_of([form.request() for form in self.cells], materials, str(self.campaign["mobile_ion"].value() or proposed))

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
            elif first == "resources" and rest in self.resources.fields:
                if rest not in self.resources.errors:
                    self.resources.add_error(rest, text)
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
        found += problems_of(self.campaign, ["name", "mobile_ion"]) + problems_of(self.place)
        for number, form in enumerate(self.cells, start=1):
            found += problems_of(form, where=f"Cell {number}")
        found += problems_of(self.campaign, ["labeller"]) + problems_of(self.options)
        found += problems_of(self.campaign, ["s0_route", "s0_upload", "s0_upload_format", "preset"])
        return found + problems_of(self.protocol) + problems_of(self.campaign, ["seed"]) + problems_of(self.resources)


def cell_indices(data: Any) -> list[int]:
    """Which rows of cells were sent: a row that was removed leaves a gap."""
    found = {int(match[1]) for key in data if (match := re.fullmatch(r"cell-(\d{1,3})-material", key))}
    return sorted(found)[:MAX_CELLS]
