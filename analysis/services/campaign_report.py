"""A campaign on one sheet: what was asked, how it was done, what came out, what to beware of."""

import importlib.metadata
from collections import Counter
from dataclasses import fields
from typing import Any

from analysis import queries as results
from analysis.references import Reference, of_elements
from analysis.science.interval import NOT_KNOWN
from campaigns import queries
from campaigns.enums import RunPurpose, StageState
from campaigns.models import Campaign, MdRun, SettingChange, StageFailure
from campaigns.science.citations import citations
from campaigns.science.protocol import PRESETS, ProtocolSettings

MAX_PUBLISHED = 3


def contents(campaign: Campaign) -> dict[str, Any]:
    """Everything that the report shows, in the shape of its template."""
    cells = list(campaign.cells.select_related("material").defer("material__cif"))
    found = results.judged_models(campaign.trained_models.all())
    shown = found[-1] if found else None
    ledger = queries.cost_ledger(campaign)
    wall_s, in_engines_s = queries.wall_time(campaign)
    materials = list({cell.material_id: cell.material for cell in cells}.values())
    setting_changes = list(campaign.setting_changes.all())
    published = of_elements({frozenset(material.facts["elements"]) for material in materials})
    return {
        "cells": cells,
        "materials": materials,
        "judged": found,
        "shown": shown,
        "reading": results.reading(shown) if shown else None,
        "room": results.at_room(shown.fit) if shown else [],
        "not_known": NOT_KNOWN,
        "changes": changes(campaign),
        "setting_changes": setting_changes,
        "versions": versions(campaign),
        "ledger": ledger,
        "total": {name: sum(getattr(row, name) for row in ledger) for name in ("n_stages", "labels", "seconds", "startup_seconds")},
        "wall_s": wall_s,
        "in_engines_s": in_engines_s,
        "last_set": campaign.training_sets.last(),
        "last_model": campaign.trained_models.last(),
        "n_overruled": campaign.frames.exclude(overruled="").count(),
        "warnings": warnings(campaign, shown, materials, setting_changes),
        "published": _some_of_each(published),
        "n_more_published": max(len(published) - MAX_PUBLISHED, 0),
        "citations": citations(campaign.labeller),
    }


def _some_of_each(published: list[Reference]) -> list[Reference]:
    """As many as have their place on one sheet: the first of every quantity before the second of any."""
    seen: Counter[str] = Counter()
    ranked = []
    for place, one in enumerate(published):
        seen[one.quantity] += 1
        ranked.append((seen[one.quantity], place, one))
    return [one for _, _, one in sorted(ranked, key=lambda row: row[:2])[:MAX_PUBLISHED]]


def changes(campaign: Campaign) -> list[dict[str, Any]]:
    """Settings that differ from the preset: name, unit, value, the preset's value."""
    preset, changed = PRESETS[campaign.preset], campaign.changes
    return [
        {"label": one.metadata["label"], "unit": one.metadata["unit"], "value": changed[one.name], "preset": getattr(preset, one.name)}
        for one in fields(ProtocolSettings)
        if one.name in changed
    ]


# What the programs of a stage's `versions` are; `model` is what the labeller CHGNet calls its weights.
NAMES = {"model": "CHGNet's weights"}
ROLES = {
    "model": "the trained potential that gave the labels",
    "chgnet": "the package that evaluates these weights",
    "torch": "computes for chgnet, and for deepmd-kit's backend PyTorch",
    "deepmd-kit": "trains the models and gives their forces",
    "tensorflow": "computes for deepmd-kit",
    "lammps": "dynamics",
    "cp2k": "reference method",
    "espresso": "reference method",
    "vasp": "reference method",
}


def versions(campaign: Campaign) -> list[tuple[str, str, str]]:
    """Programs with every version that took part and what they are for, sseweb's own (of now) first."""
    found: dict[str, set[str]] = {}
    done = campaign.stages.filter(state=StageState.DONE).order_by().values_list("versions", flat=True)
    for of_stage in [*done, *campaign.trained_models.values_list("versions", flat=True)]:
        for program, version in of_stage.items():
            found.setdefault(program, set()).add(str(version))
    theirs = [(NAMES.get(name, name), ", ".join(sorted(found[name])), ROLES.get(name.lower(), "")) for name in sorted(found)]
    return [("sseweb", _own_version(), "this program"), *theirs]


def _own_version() -> str:
    try:
        return importlib.metadata.version("sseweb")
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"


def warnings(
    campaign: Campaign, shown: results.JudgedModel | None, materials: list[Any], setting_changes: list[SettingChange]
) -> list[str]:
    """What a reader must know before he quotes a number."""
    said = [text for material in materials for text in material.facts.get("warnings", [])]
    if not campaign.has_ended:
        said.append("The campaign has not ended: what stands here may still change.")
    if setting_changes:
        names = ", ".join(dict.fromkeys(one.label for one in setting_changes))
        said.append(f"Not all stages had the same settings; changed on the way: {names}. See Material and method.")
    if shown is not None:
        if shown.fit.reason:
            said.append(shown.fit.reason)
        if shown.model.convergence != "stationary" and shown.model.convergence_reason:
            said.append(shown.model.convergence_reason)
        left_out = len(shown.runs) - len(shown.fitted_runs)
        if left_out:
            said.append(f"{left_out} of {len(shown.runs)} evaluation runs did not enter the fit: see the verdicts.")
        if shown.fit.details.get("D300_extrapolated"):
            said.append("Values at 300 K are extrapolated: the mechanism may change on the way.")
    said += _failures(campaign)
    return list(dict.fromkeys(said))


def _failures(campaign: Campaign) -> list[str]:
    said = []
    if n_unlabelled := campaign.frames.filter(verdict="unlabelled").count():
        said.append(f"{n_unlabelled} configuration{'s' if n_unlabelled > 1 else ''} could not be labelled and are left out.")
    if n_failures := StageFailure.objects.filter(stage__campaign=campaign).count():
        said.append(f"{n_failures} attempt{'s' if n_failures > 1 else ''} of stages failed and were repeated: causes under Cost.")
    blown_up = MdRun.objects.filter(campaign=campaign, purpose=RunPurpose.EXPLORE).exclude(outcome="completed").count()
    if blown_up:
        said.append(f"{blown_up} exploration{'s' if blown_up > 1 else ''} ended early because the dynamics was unphysical.")
    return said
