"""Published values of known electrolytes, to be shown beside our own. They come with the program: analysis/data/README.md."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

UNITS = {"activation_energy": "eV", "conductivity": "mS/cm", "diffusivity": "cm²/s"}
FILE = Path(__file__).parent / "data" / "reference_values.csv"


@dataclass(frozen=True)
class Reference:
    """`quantity` is activation_energy (eV), conductivity (mS/cm) or diffusivity (cm²/s); low and high are equal but for a range.

    `definition` of an activation energy: `ln D` (or ln(sigma T), which has the same slope), `ln sigma`, or empty where the source that
    we have does not state it. Those from ln sigma are smaller by about kT.
    """

    elements: frozenset[str]
    material: str
    quantity: str
    low: float
    high: float
    error: float | None
    temperature_K: float | None
    kind: str  # experiment | first principles | simulation
    method: str
    citation: str
    doi: str
    definition: str

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def half_width(self) -> float:
        """Of the range, or the error that the source gives."""
        return max((self.high - self.low) / 2, self.error or 0.0)

    @property
    def fitted_to(self) -> str:
        return {"ln D": "ln D", "ln sigma": "ln σ"}.get(self.definition, "not stated")

    @property
    def unit(self) -> str:
        return UNITS[self.quantity]

    @property
    def source(self) -> str:
        return f"https://doi.org/{self.doi}"


@cache
def every() -> tuple[Reference, ...]:
    with FILE.open(newline="") as stream:
        return tuple(_reference(row) for row in csv.DictReader(stream))


def _reference(row: dict[str, str]) -> Reference:
    scale = 1000 if row["quantity"] == "conductivity" else 1  # the file has S/cm, as papers do; pages have one unit
    return Reference(
        frozenset(row["elements"].split()), row["material"], row["quantity"], scale * float(row["low"]), scale * float(row["high"]),
        scale * float(row["error"]) if row["error"] else None, float(row["temperature_K"]) if row["temperature_K"] else None,
        row["kind"], row["method"], row["citation"], row["doi"], row["definition"],
    )  # fmt: skip


def of_elements(elements: set[frozenset[str]]) -> list[Reference]:
    """Those of compounds that are made of one of these sets of elements, by material."""
    found = [reference for reference in every() if reference.elements in elements]
    return sorted(found, key=lambda one: one.material)
