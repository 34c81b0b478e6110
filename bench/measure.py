"""Times small operations in this process: CPU time, several rounds, the best and the middle one."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import msgspec

from .instructions import Counter

Run = Callable[[], None]


class Operation(msgspec.Struct, frozen=True):
    """Something to be timed. `prepare` returns what does it `count` times; only that is timed, once per preparation."""

    name: str
    count: int
    prepare: Callable[[], Run]
    note: str = ""


class Timing(msgspec.Struct, frozen=True):
    """What an operation costs, in microseconds: the best round and the middle one.

    `ratio` is that of the best rounds to the first operation. `instructions` is of the best round, where they can be
    counted.
    """

    name: str
    best_us: float
    median_us: float
    ratio: float
    instructions: int | None = None
    note: str = ""


def time_all(operations: Sequence[Operation], *, rounds: int, round_s: float) -> list[Timing]:
    """Times operations in turn, round by round, so that a busy moment of the machine hits all of them.

    The first operation is the reference of the ratios.
    """
    times: dict[str, list[float]] = {operation.name: [] for operation in operations}
    counts: dict[str, list[int]] = {operation.name: [] for operation in operations}
    counter = Counter.open()
    with _kept():
        repeats = {operation.name: _repeats(operation, round_s) for operation in operations}
        for _ in range(rounds):
            for operation in operations:
                took_us, count = _round(operation, repeats[operation.name], counter)
                times[operation.name].append(took_us)
                counts[operation.name].append(count)
    reference = min(times[operations[0].name])
    timings = []
    for one in operations:
        took = times[one.name]
        instructions = min(counts[one.name]) if counter is not None else None
        timings.append(Timing(one.name, min(took), median(took), min(took) / reference, instructions, one.note))
    if counter is not None:
        counter.close()
    return timings


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Keeps the collector from looking at what is there already: that takes longer than many a round."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _round(operation: Operation, repeats: int, counter: Counter | None) -> tuple[float, int]:
    """Returns the microseconds and the instructions (0 without a counter) that one operation took in one round."""
    runs = [operation.prepare() for _ in range(repeats)]
    gc.collect()
    counted = counter.read() if counter is not None else 0
    began = time.process_time_ns()
    for run in runs:
        run()
    took_ns = time.process_time_ns() - began
    if counter is not None:
        counted = counter.read() - counted
    done = repeats * operation.count
    return took_ns / 1000 / done, counted // done


def _repeats(operation: Operation, round_s: float) -> int:
    """Returns how many preparations fill a round; the operation is warm afterwards."""
    for _ in range(3):
        took_s = _round(operation, 1, None)[0] * operation.count / 1e6
    return max(1, min(1000, round(round_s / max(took_s, 1e-9))))
