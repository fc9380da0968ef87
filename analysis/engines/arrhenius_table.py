"""An Arrhenius line through a table of one's own: temperatures, D and its errors."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.science import arrhenius, interval, transport
from campaigns.engines.disk import why_not

COLUMNS = ("temperature_K", "diffusivity_cm2_s", "diffusivity_error_cm2_s")
OPTIONAL = ("temperature_error_K",)
SHORT = {"T": COLUMNS[0], "T_error": OPTIONAL[0], "D": COLUMNS[1], "D_error": COLUMNS[2]}  # in the same units

# What a line gives; null where there is none.
OF_A_LINE = ("activation_energy_eV", "activation_energy_error_eV", "log10_prefactor_cm2_s", "chi2_per_dof", "robust_activation_energy_eV",
             "jackknife_max_change_eV", "curvature_sigma", "outlier", "at")  # fmt: skip


class TableRefused(ValueError):
    """The table cannot be used. The text names the row."""


@dataclass(frozen=True)
class Carriers:
    """What makes a conductivity of D: `n` ions of `charge` e in `volume_A3`."""

    n: int
    volume_A3: float
    charge: float


def read(path: Path) -> list[dict[str, float]]:
    """Rows with numbers; lines that begin with # are comments. Raises TableRefused."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = [line for line in stream if not line.startswith("#")]
            delimiter = max(",;\t", key=lines[0].count) if lines else ","
            reader = csv.DictReader(lines, delimiter=delimiter)
            names = [SHORT.get((name or "").strip(), (name or "").strip()) for name in reader.fieldnames or []]
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise TableRefused(f"{path.name} has no column {', '.join(missing)}; needed are {', '.join(COLUMNS)} (or T, D, D_error in "
                                   f"the same units), and {OPTIONAL[0]} may be there. Its first line says: "
                                   f"{', '.join(names) or 'nothing'}.")  # fmt: skip
            reader.fieldnames = names
            return [_row(row, "." if delimiter == "," else ",", f"{path.name}, row {number}") for number, row in enumerate(reader, start=1)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableRefused(f"{path} cannot be read: {why_not(error)}.") from error


def _row(row: dict[str, Any], decimal: str, where: str) -> dict[str, float]:
    """`decimal` may stand for the decimal point: a comma, where it separates no columns."""
    found = {}
    for name in (*COLUMNS, *(name for name in OPTIONAL if row.get(name))):
        try:
            found[name] = float(row[name].strip().replace(decimal, "."))
        except (AttributeError, ValueError) as error:
            raise TableRefused(f"{where}: {name} is {row[name]!r}, not a number.") from error
        least = 0 if name in OPTIONAL else math.ulp(0)
        if not least <= found[name] < math.inf:
            raise TableRefused(f"{where}: {name} is {found[name]:g}; it must be a positive number.")
    return found


def analyse(rows: list[dict[str, float]], at_K: float, carriers: Carriers | None) -> dict[str, Any]:
    """The line, its robust twin, jackknife, curvature, and D (with a conductivity) at `at_K`; points and the reason where there is none."""
    document: dict[str, Any] = {"points": rows, "reason": ""} | dict.fromkeys(OF_A_LINE)
    column = {name: np.array([row.get(name, 0.0) for row in rows]) for name in COLUMNS + OPTIONAL}
    points = arrhenius.Points(
        column["temperature_K"], column["temperature_error_K"], column["diffusivity_cm2_s"], column["diffusivity_error_cm2_s"]
    )
    try:
        line = arrhenius.fit(points)
    except arrhenius.NoLine as error:
        return document | {"reason": f"{error}."}
    caveats = arrhenius.caveats(points, line)
    return document | {
        "reason": f"Beware: {'; '.join(caveats)}." if caveats else "",
        "activation_energy_eV": line.activation_energy_eV,
        "activation_energy_error_eV": line.activation_energy_error_eV,
        "log10_prefactor_cm2_s": line.log10_prefactor,
        "chi2_per_dof": line.chi2_per_dof,
        "robust_activation_energy_eV": arrhenius.robust_activation_energy_eV(points),
        "jackknife_max_change_eV": arrhenius.jackknife_max_change_eV(points),
        "curvature_sigma": arrhenius.curvature_sigma(points),
        "outlier": _outlier(points),
        "at": _at(points, line, at_K, carriers),
    }


def _outlier(points: arrhenius.Points) -> dict[str, Any] | None:
    found = arrhenius.outlier(points)
    return None if found is None else {"row": found.index + 1} | found.document()


def _at(points: arrhenius.Points, line: arrhenius.Line, at_K: float, carriers: Carriers | None) -> dict[str, Any]:
    """What the line says at `at_K`: nothing outside of points that bend."""
    extrapolated = bool(at_K < points.temperature_K.min() or at_K > points.temperature_K.max())
    found = arrhenius.extrapolate(line, at_K)
    bends = extrapolated and arrhenius.bends(points)
    is_known = not bends and (not extrapolated or interval.is_known(found.low_cm2_s, found.high_cm2_s))
    value, low, high = (found.diffusivity_cm2_s, found.low_cm2_s, found.high_cm2_s) if is_known else (None, None, None)
    return {
        "temperature_K": at_K,
        "extrapolated": extrapolated,
        "is_known": is_known,
        "reason": "The points bend: nothing is extrapolated from them." if bends else "" if is_known else interval.NOT_KNOWN,
        "diffusivity_cm2_s": value,
        "low_cm2_s": low,
        "high_cm2_s": high,
        "conductivity_mS_cm": _conductivity(value, carriers, at_K),
        "conductivity_low_mS_cm": _conductivity(low, carriers, at_K),
        "conductivity_high_mS_cm": _conductivity(high, carriers, at_K),
    }


def _conductivity(diffusivity_cm2_s: float | None, carriers: Carriers | None, temperature_K: float) -> float | None:
    if carriers is None or diffusivity_cm2_s is None:
        return None
    return 1000 * transport.nernst_einstein_S_cm(diffusivity_cm2_s, carriers.n, carriers.charge, carriers.volume_A3, temperature_K)
