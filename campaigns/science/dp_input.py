"""What DeePMD-kit reads and writes: input.json, the `sel` of neighbours, the learning curve."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray

from campaigns.science.frames import Frames

# Hotter steps bring more neighbours than the set at hand; too small a `sel` is the second most common error of DeePMD-kit's users.
SEL_MARGIN = 1.2
SEL_MULTIPLE = 4
MAX_FRAMES_COUNTED = 40
# DeePMD-kit's own prefactors of the loss: forces first, then everything alike.
LOSS = {
    "start_pref_e": 0.02, "limit_pref_e": 1.0, "start_pref_f": 1000.0, "limit_pref_f": 1.0, "start_pref_v": 0.02, "limit_pref_v": 1.0,
}  # fmt: skip


def neighbour_counts(frames: Frames, type_map: Sequence[str], cutoff_A: float) -> NDArray[np.integer]:
    """Largest number of neighbours of each type within the cut-off of any atom in (a sample of) the frames: (n_types,)."""
    types = np.array([type_map.index(symbol) for symbol in frames.symbols])
    largest = np.zeros(len(type_map), dtype=int)
    for index in np.unique(np.linspace(0, len(frames) - 1, MAX_FRAMES_COUNTED).astype(int)):
        first, second = primitive_neighbor_list("ij", (True,) * 3, frames.cell_A[index], frames.positions_A[index], cutoff_A)
        counts = np.zeros((len(types), len(type_map)), dtype=int)
        np.add.at(counts, (first, types[second]), 1)
        largest = np.maximum(largest, counts.max(axis=0))
    return largest


def sel_with_margin(counts: NDArray[np.integer]) -> list[int]:
    """`sel` for each type, with a margin for hotter steps, rounded up: the network's cost is proportional to it."""
    return [SEL_MULTIPLE * max(1, math.ceil(SEL_MARGIN * count / SEL_MULTIPLE)) for count in counts]


def training_input(
    *,
    systems: Sequence[str],
    type_map: Sequence[str],
    cutoff_A: float,
    cutoff_smooth_A: float,
    sel: Sequence[int],
    embedding_net: Sequence[int],
    axis_neurons: int,
    fitting_net: Sequence[int],
    precision: str,
    n_batches: int,
    batch_size: int,
    learning_rate_start: float,
    learning_rate_stop: float,
    seed: int,
    display_every: int,
    save_every: int,
) -> dict[str, Any]:
    """input.json for `dp train`: se_e2_a; energy, force and virial in the loss; exponential decay over the length of the training."""
    return {
        "model": {
            "type_map": list(type_map),
            "descriptor": {
                "type": "se_e2_a",
                "rcut": cutoff_A,
                "rcut_smth": cutoff_smooth_A,
                "sel": list(sel),
                "neuron": list(embedding_net),
                "axis_neuron": axis_neurons,
                "precision": precision,
                "seed": seed,
            },
            "fitting_net": {"neuron": list(fitting_net), "precision": precision, "seed": seed + 1},
        },
        "learning_rate": {
            "type": "exp",
            "start_lr": learning_rate_start,
            "stop_lr": learning_rate_stop,
            # DeePMD-kit's default is 5000, as long as a whole short training.
            "decay_steps": max(1, min(5000, n_batches // 50)),
        },
        "loss": {"type": "ener", **LOSS},
        "training": {
            "training_data": {"systems": list(systems), "batch_size": batch_size},
            "numb_steps": n_batches,
            "seed": seed + 2,
            "disp_file": "lcurve.out",
            "disp_freq": display_every,
            "save_freq": save_every,
            "save_ckpt": "model.ckpt",
            "max_ckpt_keep": 2,
        },
    }


def read_learning_curve(path: Path) -> dict[str, NDArray[np.floating]]:
    """Columns of lcurve.out by the names of its header (they shift with validation data and virial).

    Half a line (of a program that writes or was killed) is left out; so are rows of batches that a restart did over again.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    header = next((line.lstrip("# ").split() for line in lines if line.startswith("#") and "step" in line), None)
    if header is None:
        return {}
    rows = [row for row in map(_numbers, lines) if len(row) == len(header)]
    kept: list[list[float]] = []
    for row in reversed(rows):
        if not kept or row[0] < kept[-1][0]:
            kept.append(row)
    table = np.array(kept[::-1]).reshape(-1, len(header))
    return dict(zip(header, table.T, strict=True))


def _numbers(line: str) -> list[float]:
    """The numbers of a row (NaN is one); none where a word is something else: a header, or half a row with the next one glued to it."""
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []


def final_error(curve: dict[str, NDArray[np.floating]], quantity: str, share: float = 0.1) -> float:
    """Mean of the last rows of `rmse_<quantity>_trn`: one row is the error of a single batch. NaN where the curve is empty."""
    column = curve.get(f"rmse_{quantity}_trn", curve.get(f"rmse_{quantity}"))
    if column is None or len(column) == 0:
        return math.nan
    return float(column[-max(1, math.ceil(share * len(column))) :].mean())
