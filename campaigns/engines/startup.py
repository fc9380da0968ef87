"""How long an engine takes until its work begins: the interpreter and its imports, and the loading of a reference method."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

_loadings_s: list[float] = []  # of this process, which does one stage


def since_process_began_s() -> float:
    return time.time() - psutil.Process().create_time()


@contextmanager
def loading() -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        _loadings_s.append(time.monotonic() - began)


def loadings_s() -> float:
    return sum(_loadings_s)
