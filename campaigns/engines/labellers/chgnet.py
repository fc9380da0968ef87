"""CHGNet 0.3.0, a universal potential trained on PBE(+U) relaxations. Deng et al. 2023, doi:10.1038/s42256-023-00716-3.

The weights come with the package: nothing is downloaded.
"""

import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from campaigns.engines.labellers.base import Labeller, Option, unknown_elements

TITLE = "CHGNet 0.3.0 (universal potential, PBE quality, runs here)"
USES_CORES = False
OPTIONS: tuple[Option, ...] = ()
MODEL_NAME = "0.3.0"

# The Materials Project trajectories that CHGNet was trained on hold 89 elements: hydrogen to plutonium without these.
ABSENT = frozenset({"Po", "At", "Rn", "Fr", "Ra"})
LAST_ATOMIC_NUMBER = 94


def check(options: Mapping[str, Any], symbols: Sequence[str]) -> dict[str, list[str]]:
    unknown = unknown_elements(symbols, elements())
    return {"": [f"CHGNet does not know the element {symbol}: choose another reference method." for symbol in unknown]} if unknown else {}


def propose(symbols: Sequence[str], oxidation_states: Mapping[str, float]) -> dict[str, Any]:
    """There is nothing to choose."""
    return {}


def elements() -> list[str]:
    """What CHGNet knows, by atomic number."""
    from ase.data import chemical_symbols

    return [symbol for symbol in chemical_symbols[1 : LAST_ATOMIC_NUMBER + 1] if symbol not in ABSENT]


def build(options: Mapping[str, Any], folder: Path, cores: int) -> Labeller:
    """One thread whatever `cores` says: a second one saves 10 to 30 % on an idle machine, and where another program computes beside it
    every label waits for the slower thread, ten times as long. Several stages side by side use the cores better.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports' own
        import torch
        from chgnet.model.model import CHGNet

        from campaigns.engines.labellers.chgnet_calculator import ChgnetCalculator

        torch.set_num_threads(1)
        calculator = ChgnetCalculator(CHGNet.load(model_name=MODEL_NAME, use_device="cpu", verbose=False))
    versions = {"chgnet": metadata.version("chgnet"), "torch": torch.__version__, "model": MODEL_NAME}
    return Labeller(calculator, f"CHGNet {MODEL_NAME}, float32, cpu", versions)
