"""What is to be known before a campaign starts: of the settings, the cells, the disk and the machine."""

import math

from django.conf import settings

from campaigns.engines import disk
from campaigns.models import Material
from campaigns.science.setting_cautions import setting_cautions
from campaigns.services.requests import CampaignRequest, Checked


def of(request: CampaignRequest, checked: Checked, training: list[int], disk_bytes: int) -> list[str]:
    """One sentence each. `training`: atoms of the training cells."""
    return [
        *checked.warnings,
        *_too_little_room(disk_bytes),
        *_same_cells(request, checked),
        *_thin_cells(request, checked),
        *_no_bonds(checked),
        *setting_cautions(request.preset, checked.settings, training),
        *_elsewhere(request),
    ]


def _elsewhere(request: CampaignRequest) -> list[str]:
    names = sorted(set(request.resources.values()))
    return [f"Times are those of this machine: on {', '.join(names)} stages wait in a queue first, and may be faster."] if names else []


def _no_bonds(checked: Checked) -> list[str]:
    """The bond-variation rule where it has nothing to test."""
    if not checked.settings.clean_bond_variation:
        return []
    from campaigns.science.selection import bond_limits_A  # loads ase and scipy, which hardly any estimate needs

    found = []
    for material in checked.materials.values():
        framework = [symbol for symbol in material.facts["elements"] if symbol != checked.mobile_ion]
        if not bond_limits_A(framework):
            elements = ", ".join(framework) or "none"
            found.append(f"The framework of {material.name} ({elements}) has no bonds: the bond-variation rule will reject nothing.")
    return found


def _same_cells(request: CampaignRequest, checked: Checked) -> list[str]:
    """Two cells that are one: each is ordered and relaxed for itself."""
    roles: dict[tuple, set[bool]] = {}
    for cell in request.cells:
        if cell.for_training != cell.for_evaluation:
            roles.setdefault((cell.material_id, tuple(cell.supercell)), set()).add(cell.for_training)
    return [
        f"{checked.materials[material_id].name} {'×'.join(map(str, supercell))} is both the training cell and the evaluation cell, and is "
        "ordered and relaxed twice: make it one cell for both."
        for (material_id, supercell), found in roles.items()
        if len(found) == 2
    ]


def _thin_cells(request: CampaignRequest, checked: Checked) -> list[str]:
    """Cells in which an atom sees its own images; of a training cell that is as proposed that was weighed already."""
    found = []
    for cell in request.cells:
        material, reach_A = checked.materials[cell.material_id], 2 * checked.settings.cutoff_A
        proposed = ((material.facts.get("proposed_cells") or {}).get("training") or {}).get("supercell")
        if not cell.for_evaluation and list(cell.supercell) == proposed:
            continue
        thickness_A = _thickness_A(material, cell.supercell)
        if thickness_A < reach_A:
            name = f"{material.name} {'×'.join(map(str, cell.supercell))}"
            found.append(
                f"{name} is {thickness_A:.1f} Å thick, less than twice the cut-off of {checked.settings.cutoff_A:g} Å: atoms see their own "
                "images. That is usual for training, and a finite-size error of D in an evaluation."
            )
    return list(dict.fromkeys(found))  # once where two cells are alike


def _thickness_A(material: Material, supercell: tuple[int, int, int]) -> float:
    """The smallest distance between parallel faces."""
    cos = [math.cos(math.radians(angle)) for angle in (material.alpha_deg, material.beta_deg, material.gamma_deg)]
    root = math.sqrt(1 - sum(value**2 for value in cos) + 2 * math.prod(cos))
    lengths_A = (material.a_A, material.b_A, material.c_A)
    return min(n * length_A * root / math.sqrt(1 - value**2) for n, length_A, value in zip(supercell, lengths_A, cos, strict=True))


def _too_little_room(disk_bytes: int) -> list[str]:
    free = disk.free_bytes(settings.DATA_DIR)
    if disk_bytes < free:
        return []
    return [f"The campaign may need {disk_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on the disk of the data folder: make room, "
            "ask for shorter evaluations or store their frames less often."]  # fmt: skip
