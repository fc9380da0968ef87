"""Checkpoints of a training: which is the newest that is whole.

Not what DeePMD-kit says: its `model.ckpt` are links, which a kill can leave half switched over, and its file `checkpoint` is written before
the last file of that checkpoint, or not at all.
"""

import re
import zipfile
from pathlib import Path

from campaigns.engines.backends import PYTORCH, Backend

PREFIX = "model.ckpt"


def newest(folder: Path, backend: Backend) -> str | None:
    """Prefix of the newest whole checkpoint, such as model.ckpt-1500; None where there is none."""
    whole = _of_pytorch(folder) if backend is PYTORCH else _of_tensorflow(folder)
    return max(whole, key=batches_of, default=None)


def batches_of(checkpoint: str | None) -> int:
    """DeePMD-kit writes them into its name."""
    found = re.search(r"-(\d+)$", checkpoint or "")
    return int(found[1]) if found else 0


def final(folder: Path, backend: Backend) -> str | None:
    """Prefix of what a finished training left for a warm start: TensorFlow's links, which keep their names; PyTorch's last file itself."""
    return newest(folder, backend) if backend is PYTORCH else PREFIX


def to_freeze(n_batches: int, backend: Backend) -> list[str]:
    """Arguments of `dp freeze`. PyTorch's takes what the file `checkpoint` names, which a kill can leave at the one before the last."""
    return ["-c", f"{PREFIX}-{n_batches}.pt"] if backend is PYTORCH else []


def _of_tensorflow(folder: Path) -> list[str]:
    """Three files, each named when it is whole; the graph (.meta) comes last."""
    return [path.with_suffix("").name for path in folder.glob(f"{PREFIX}-*.meta") if path.with_suffix(".index").exists()]


def _of_pytorch(folder: Path) -> list[str]:
    """One zip file, written in its place: half of one has no directory, which stands at its end."""
    return [path.with_suffix("").name for path in folder.glob(f"{PREFIX}-*.pt") if zipfile.is_zipfile(path)]
