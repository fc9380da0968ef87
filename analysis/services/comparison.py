"""Campaigns side by side: one row for each evaluation cell of the last judged model of each campaign."""

from dataclasses import asdict, dataclass
from typing import Any

from analysis import queries
from analysis.queries import CellFit, JudgedModel, OnLine
from analysis.references import Reference
from campaigns.models import Campaign, Cell

COLUMNS = (
    *("campaign_id", "campaign", "state", "material", "mobile_ion", "reference_method", "s0_route", "preset", "seed"),
    *("cells", "volume_A3", "replicas", "model", "decision", "n_points"),
    *("activation_energy_eV", "activation_energy_error_eV", "temperature_K", "extrapolated"),
    *("diffusivity_cm2_s", "diffusivity_error_cm2_s", "diffusivity_low_cm2_s", "diffusivity_high_cm2_s"),
    *("conductivity_mS_cm", "conductivity_error_mS_cm", "conductivity_low_mS_cm", "conductivity_high_mS_cm"),
    *("fitted_from_K", "fitted_to_K", "reason"),
)


@dataclass(frozen=True)
class Compared:
    """`cells` is the cell that the line belongs to, or every evaluation cell of a campaign that nothing was judged of."""

    campaign: Campaign
    material: str
    cells: str
    judged: JudgedModel | None
    diffusivity: OnLine | None
    conductivity: OnLine | None
    reading: dict[str, Any]
    label: str
    volume_A3: float | None  # of the cell of the line

    @property
    def fit(self) -> Any:
        return self.judged.fit if self.judged else None

    @property
    def activation_energy_eV(self) -> float | None:
        return self.fit.activation_energy_eV if self.judged else None

    @property
    def reason(self) -> str:
        """Why there is no D at the chosen temperature."""
        if self.judged is None:
            return "not evaluated yet"
        if self.diffusivity is not None:
            return ""
        if self.activation_energy_eV is None:
            return self.fit.reason
        return self.fit.details.get("D300_reason") or "not known at this temperature"

    def plain(self, temperature_K: float) -> dict[str, Any]:
        """Numbers and words, under COLUMNS."""
        fit = self.fit or CellFit(None, None, None, None, "", {})
        model = self.judged.model if self.judged else None
        quantities = [
            (None,) * 4 if one is None else (one.value, one.error, one.low, one.high) for one in (self.diffusivity, self.conductivity)
        ]
        values = (
            *(self.campaign.pk, self.campaign.name, self.campaign.state, self.material, self.campaign.mobile_ion, self.campaign.labeller),
            *(self.campaign.s0_route, self.campaign.preset, self.campaign.seed),
            *(self.cells, self.volume_A3, self.campaign.settings.evaluation_replicas),
            *(self.judged.name if self.judged else None, model.convergence if model else None, fit.n_points),
            *(fit.activation_energy_eV, fit.activation_energy_error_eV, temperature_K),
            *(self.diffusivity.extrapolated if self.diffusivity else None, *quantities[0], *quantities[1]),
            *(self.reading.get("low_K"), self.reading.get("high_K"), self.reason),
        )
        return dict(zip(COLUMNS, values, strict=True))


def compared(campaigns: list[Campaign], temperature_K: float) -> list[Compared]:
    """In the order of `campaigns`; as many queries for many as for one."""
    found = queries.last_judged(campaigns)
    cells: dict[int, list[Cell]] = {}
    evaluated = Cell.objects.filter(campaign__in=campaigns, for_evaluation=True).select_related("material")
    for cell in evaluated.defer("material__cif", "material__facts"):
        cells.setdefault(cell.campaign_id, []).append(cell)
    rows = []
    for campaign in campaigns:
        own = cells.get(campaign.pk, [])
        lines = queries.by_cell(found[campaign.pk]) if campaign.pk in found else [None]
        rows += [_row(campaign, own, judged, temperature_K, len(lines) > 1) for judged in lines]
    return rows


def _row(campaign: Campaign, cells: list[Cell], judged: JudgedModel | None, temperature_K: float, is_one_of_many: bool) -> Compared:
    of_runs = {run.md_run.cell_id for run in judged.runs} if judged else set()
    own = [cell for cell in cells if cell.pk in of_runs] or cells
    at = queries.on_line(judged, temperature_K) if judged else []
    diffusivity, conductivity = at or (None, None)
    names = "; ".join(f"{cell}, {cell.n_atoms} atoms" if cell.n_atoms else str(cell) for cell in own)
    materials = ", ".join(dict.fromkeys(cell.material.reduced_formula for cell in own))
    label = f"{campaign.name[:30]}, {'×'.join(map(str, own[0].supercell))}" if is_one_of_many and own else campaign.name[:40]
    volume_A3 = next((run.details["volume_A3"] for run in judged.runs if "volume_A3" in run.details), None) if judged else None
    read = queries.reading(judged) if judged else {}
    return Compared(campaign, materials, names, judged, diffusivity, conductivity, read, label, volume_A3)


# What the rows can be sorted by: the order they were chosen in, or a number.
SORTABLE = {
    "activation_energy_eV": lambda row: row.activation_energy_eV,
    "diffusivity": lambda row: row.diffusivity and row.diffusivity.value,
    "conductivity": lambda row: row.conductivity and row.conductivity.value,
}


def ordered(rows: list[Compared], key: str) -> list[Compared]:
    """By one of SORTABLE, downwards with a minus before it; rows without the number come last."""
    number = SORTABLE.get(key.removeprefix("-"))
    if number is None:
        return rows[::-1] if key == "-id" else rows
    with_it = [row for row in rows if number(row) is not None]
    return sorted(with_it, key=number, reverse=key.startswith("-")) + [row for row in rows if number(row) is None]


def document(rows: list[Compared], published: list[Reference], temperature_K: float) -> dict[str, Any]:
    """The comparison as numbers and words, and what is published of the same elements."""
    theirs = [asdict(one) | {"elements": sorted(one.elements), "unit": one.unit, "source": one.source} for one in published]
    return {"campaigns": [row.plain(temperature_K) for row in rows], "published": theirs}
