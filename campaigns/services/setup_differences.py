"""How the set-ups of two campaigns differ: what was chosen for each, side by side, without what is alike."""

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from campaigns.models import Campaign, Cell
from campaigns.science.protocol import GROUPS, ProtocolSettings
from campaigns.services import data_sets


@dataclass(frozen=True)
class Difference:
    """One thing that was chosen otherwise; None where a campaign has no such thing."""

    group: str
    label: str
    unit: str
    here: Any
    there: Any


def differences(here: Campaign, there: Campaign) -> list[Difference]:
    mine, others = _chosen(here), _chosen(there)
    both = dict.fromkeys([*mine, *others])
    return [Difference(*key, mine.get(key), others.get(key)) for key in both if mine.get(key) != others.get(key)]


def _chosen(campaign: Campaign) -> dict[tuple[str, str, str], Any]:
    """All that was chosen, by group, label and unit. Names and projects are no part of a set-up."""
    settings = campaign.settings
    cells = {f"Cell {number}": _cell(cell) for number, cell in enumerate(campaign.cells.select_related("material"), start=1)}
    method = {"Method": campaign.labeller, **{name: _in_short(value) for name, value in campaign.labeller_options.items()}}
    start = {"Where it comes from": campaign.get_s0_route_display(), "Data set": data_sets.token_of(campaign.s0_upload)[:12] or None}
    protocol = {
        (GROUPS[spec.metadata["group"]], spec.metadata["label"], spec.metadata["unit"]): getattr(settings, spec.name)
        for spec in fields(ProtocolSettings)
    }
    return {
        **{("Structure", label, ""): value for label, value in {"Mobile ion": campaign.mobile_ion, **cells}.items()},
        **{("Reference method", label, ""): value for label, value in method.items()},
        **{(GROUPS["s0"], label, ""): value for label, value in start.items()},
        ("Protocol", "Preset", ""): campaign.preset,
        **protocol,
        ("Protocol", "Seed", ""): campaign.seed,
        **{("Where it runs", kind, ""): name for kind, name in campaign.resources.items()},
    }


def _cell(cell: Cell) -> str:
    states = f"; {', '.join(f'{symbol} {state:+g}' for symbol, state in cell.oxidation_states.items())}" if cell.oxidation_states else ""
    material = f"{cell.material.name} ({cell.material.particulars})"
    return f"{material}, {' × '.join(map(str, cell.supercell))}, for {cell.purpose}; ordering {cell.candidate}{states}"


def _in_short(value: Any) -> Any:
    """Of an option: long texts and files by the hash that tells them apart."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    if "\n" in text or "\\n" in text:
        names = f"{', '.join(value)} " if isinstance(value, dict) else "a text "
        return f"{names}(sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"
    return text if isinstance(value, dict) else value
