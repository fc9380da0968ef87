"""The small real files behind rows: arrays of labelled frames, and the row of a file below DATA_DIR."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
from django.conf import settings

from campaigns.models import Artefact
from campaigns.science.frames import Frames

SYMBOLS = ["Li", "Li", "Ge", "P", "S", "S", "S", "S"]
LATTICE_A = 6.4
numbers = itertools.count(1)  # so that no two rows are alike


def artefact(path: Path, content: bytes | None = None) -> Artefact:
    """A row for a file below DATA_DIR, written here if `content` is given."""
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    content = path.read_bytes()
    row, _ = Artefact.objects.update_or_create(
        path=str(path.relative_to(settings.DATA_DIR)), defaults={"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    )
    return row


def some_frames(n: int, seed: int = 1) -> Frames:
    """Labelled frames of eight atoms."""
    random = np.random.default_rng(seed)
    base = LATTICE_A * np.array([[x, y, z] for x in (0.1, 0.6) for y in (0.1, 0.6) for z in (0.1, 0.6)])
    return Frames(
        np.array(SYMBOLS),
        base + random.normal(0, 0.1, (n, 8, 3)),
        np.tile(np.eye(3) * LATTICE_A, (n, 1, 1)),
        energy_eV=random.normal(-33, 0.1, n),
        forces_eV_A=random.normal(0, 0.5, (n, 8, 3)),
        virial_eV=random.normal(0, 1, (n, 3, 3)),
    )
