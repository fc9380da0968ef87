"""Published values of known electrolytes, to be shown beside our own. They come with the program: analysis/data/README.md."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "reference_values.csv"


@dataclass(frozen=True)
class Reference:
    """`quantity` is activation_energy (eV), conductivity (S/cm) or diffusivity (cm²/s); low and high are equal but for a range."""

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

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def half_width(self) -> float:
        """Of the range, or the error that the source gives."""
        return max((self.high - self.low) / 2, self.error or 0.0)

    @property
    def source(self) -> str:
        return f"https://doi.org/{self.doi}"


@cache
def every() -> tuple[Reference, ...]:
    with FILE.open(newline="") as stream:
        return tuple(
            Reference(
                frozenset(row["elements"].split()), row["material"], row["quantity"], float(row["low"]), float(row["high"]),
                float(row["error"]) if row["error"] else None, float(row["temperature_K"]) if row["temperature_K"] else None,
                row["kind"], row["method"], row["citation"], row["doi"],
            )
            for row in csv.DictReader(stream)
        )  # fmt: skip


def of_elements(elements: set[frozenset[str]]) -> list[Reference]:
    """Those of compounds that are made of one of these sets of elements."""
    return [reference for reference in every() if reference.elements in elements]
