"""Files of a run folder of DP-GEN that are not DeePMD-kit's: model_devi.out, the candidates, numbers of param.json."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEVIATION_COLUMNS = 7  # step, then max, min, avg of the deviation of the virial and of the forces


def read_model_deviation(path: Path) -> NDArray[np.floating]:
    """Rows (n, 7) of model_devi.out: step, max, min and average deviation of the virial, the same of the forces; further columns are left.

    A number that is none is NaN, as DP-GEN's own runs leave it; half a last line is left out.
    """
    rows = []
    for line in text_of(path).splitlines():
        words = line.split()
        if line.startswith("#") or len(words) < DEVIATION_COLUMNS:
            continue
        rows.append([number_of(word) for word in words[:DEVIATION_COLUMNS]])
    table = np.array(rows, dtype=float).reshape(-1, DEVIATION_COLUMNS)
    return table[np.isfinite(table[:, 0])]


def deviations_of(data: Path, iteration: Path) -> list[float | None]:
    """Largest force deviation of what was labelled for one system, in the order of its tasks; empty where tasks are missing.

    DP-GEN sorts the chosen candidates, makes task.SSS.000000 of the first and so on; candidate.shuffled.SSS.out holds them unsorted, the
    chosen ones first.
    """
    system = data.name.partition(".")[2]
    tasks = sorted(one.name for one in iteration.glob(f"02.fp/task.{system}.*"))
    lines = next((text_of(one) for one in sorted(iteration.glob(f"02.fp/candidate.shuffle*.{system}.out"))), "").splitlines()
    chosen = sorted([words[0], int(words[1])] for line in lines[: len(tasks)] if len(words := line.split()) >= 2 and words[1].isdigit())
    if not tasks or len(chosen) != len(tasks):
        return []
    tables: dict[str, dict[int, float]] = {}
    found: list[float | None] = []
    for name, step in chosen:
        task = Path(str(name)).name
        if task not in tables:
            rows = read_model_deviation(iteration / "01.model_devi" / task / "model_devi.out")
            tables[task] = {int(row[0]): float(row[4]) for row in rows}
        found.append(finite(tables[task].get(int(step), np.nan)))
    return found


def text_of(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def number_of(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def first_number(value: Any, otherwise: float) -> float:
    """Of a number, or of a list or mapping of numbers for several systems the first."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        value = value[0] if value else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
