"""Tells work that grows with its size from work that grows with its square, on a busy machine too."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

_ATTEMPTS = 6


def check_growth(work: Callable[[int], object], small: int, factor: int = 16) -> None:
    """Fails when `factor` times the size costs half the square of `factor` or more, each time it is tried.

    A guard against the square, no measurement: what else runs on the machine only adds, so one good attempt is enough.
    """
    ratios: list[float] = []
    for _ in range(_ATTEMPTS):
        little = min(_seconds(work, small) for _ in range(3))
        ratios.append(_seconds(work, small * factor) / max(little, 1e-6))
        if ratios[-1] < factor * factor / 2:
            return
    raise AssertionError(f"{factor} times the size took {min(ratios):.0f} times as long, in {_ATTEMPTS} attempts")


def _seconds(work: Callable[[int], object], size: int) -> float:
    gc.collect()
    start = time.process_time()
    work(size)
    return time.process_time() - start
