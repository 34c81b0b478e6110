"""Times small operations in this process: CPU time, several rounds, the best and the middle one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median

import msgspec

Run = Callable[[], None]


class Operation(msgspec.Struct, frozen=True):
    """Something to be timed. `prepare` returns what does it `count` times; only that is timed, once per preparation."""

    name: str
    count: int
    prepare: Callable[[], Run]
    note: str = ""


class Timing(msgspec.Struct, frozen=True):
    """What an operation costs, in microseconds: the best round and the middle one. `best_ratio` is to the first row."""

    name: str
    best_us: float
    median_us: float
    rounds: int
    note: str = ""
    best_ratio: float = 0.0


def time_all(operations: Sequence[Operation], *, rounds: int, round_s: float) -> list[Timing]:
    """Times operations in turn, round by round, so that a busy moment of the machine hits all of them.

    The first operation is the reference of the ratios.
    """
    times: dict[str, list[float]] = {operation.name: [] for operation in operations}
    repeats = {operation.name: _repeats(operation, round_s) for operation in operations}
    for _ in range(rounds):
        for operation in operations:
            times[operation.name].append(_round(operation, repeats[operation.name]))
    reference = min(times[operations[0].name])
    return [
        Timing(one.name, min(took), median(took), rounds, one.note, min(took) / reference)
        for one in operations
        for took in (times[one.name],)
    ]


def _round(operation: Operation, repeats: int) -> float:
    """Returns the microseconds that one operation took in one round."""
    runs = [operation.prepare() for _ in range(repeats)]
    gc.collect()
    began = time.process_time_ns()
    for run in runs:
        run()
    return (time.process_time_ns() - began) / 1000 / (repeats * operation.count)


def _repeats(operation: Operation, round_s: float) -> int:
    """Returns how many preparations fill a round; the operation is warm afterwards."""
    for _ in range(3):
        took_s = _round(operation, 1) * operation.count / 1e6
    return max(1, min(1000, round(round_s / max(took_s, 1e-9))))
