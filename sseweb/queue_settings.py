"""Queues that worker hosts take stages from (campaigns/queues.py), as the environment names them; refused at start if wrong."""

import os
from collections.abc import Iterable

from django.core.exceptions import ImproperlyConfigured

QUEUES = ("cpu", "gpu", "dft", "cluster")


def of_this_host(name: str) -> tuple[str, ...]:
    found = tuple(os.environ.get(name, " ".join(QUEUES)).split())
    if not found or set(found) - set(QUEUES):
        raise ImproperlyConfigured(f"{name} must name queues ({', '.join(QUEUES)}), not {' '.join(found)!r}")
    return found


def of_stages(name: str, kinds: Iterable[str]) -> dict[str, str]:
    """The queue of each kind of stage that is named, as in `train=gpu label=dft`."""
    found = dict(word.partition("=")[::2] for word in os.environ.get(name, "").split())
    for kind, queue in found.items():
        if kind not in kinds or queue not in QUEUES or queue == "cluster":
            raise ImproperlyConfigured(
                f"{name} must be pairs like train=gpu label=dft, not {kind}={queue}: kinds of stages are {', '.join(kinds)}; "
                "queues cpu, gpu and dft (what runs on a resource is in the queue cluster anyway)."
            )
    return found
