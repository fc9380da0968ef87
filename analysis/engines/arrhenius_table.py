"""An Arrhenius line through a table of one's own: temperatures, D and its errors."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.science import arrhenius, transport
from campaigns.engines.disk import why_not

COLUMNS = ("temperature_K", "diffusivity_cm2_s", "diffusivity_error_cm2_s")
OPTIONAL = ("temperature_error_K",)
SHORT = {"T": COLUMNS[0], "T_error": OPTIONAL[0], "D": COLUMNS[1], "D_error": COLUMNS[2]}  # in the same units
OUTLIER_SIGMA = 4.0  # of its own error, by which the worst of a dozen good points is off once in a thousand tables


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
    document: dict[str, Any] = {"points": rows, "activation_energy_eV": None, "activation_energy_error_eV": None, "reason": ""}
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
    """The row that lies farthest from the line through the others, if too far for chance; it stays in the fit, for its owner to judge."""
    found = []
    for index in range(len(points.temperature_K)):
        try:
            line = arrhenius.fit(points.without(index))
        except arrhenius.NoLine:
            continue
        sigmas = _sigmas_above(line, points, index)
        found.append({"row": index + 1, "temperature_K": float(points.temperature_K[index]), "sigmas_above_the_others": sigmas,
                      "activation_energy_without_eV": line.activation_energy_eV,
                      "activation_energy_error_without_eV": line.activation_energy_error_eV})  # fmt: skip
    worst = max(found, key=lambda one: abs(one["sigmas_above_the_others"]), default=None)
    return worst if worst and abs(worst["sigmas_above_the_others"]) > OUTLIER_SIGMA else None


def _sigmas_above(line: arrhenius.Line, points: arrhenius.Points, index: int) -> float:
    """By how many errors, its own and that of the line there, ln D of one point lies above a line without it."""
    inverse = 1 / (transport.BOLTZMANN_EV_K * points.temperature_K[index])
    gradient = np.array([1.0, -inverse])
    above = np.log(points.diffusivity_cm2_s[index]) - line.ln_prefactor + line.activation_energy_eV * inverse
    thermal = line.activation_energy_eV * inverse * points.temperature_error_K[index] / points.temperature_K[index]
    own = np.hypot(points.error_cm2_s[index] / points.diffusivity_cm2_s[index], thermal)
    return float(above / np.sqrt(own**2 + gradient @ line.covariance @ gradient))


def _at(points: arrhenius.Points, line: arrhenius.Line, at_K: float, carriers: Carriers | None) -> dict[str, Any]:
    """What the line says at `at_K`: nothing outside of points that bend."""
    extrapolated = bool(at_K < points.temperature_K.min() or at_K > points.temperature_K.max())
    found = arrhenius.extrapolate(line, at_K)
    refused = extrapolated and arrhenius.bends(points)
    value, low, high = (None, None, None) if refused else (found.diffusivity_cm2_s, found.low_cm2_s, found.high_cm2_s)
    return {
        "temperature_K": at_K,
        "extrapolated": extrapolated,
        "reason": "The points bend: nothing is extrapolated from them." if refused else "",
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
