"""Who of this process holds what of limits: the exchanges that still run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import msgspec

from .limits import Demand, Grant, Unit


class Hold(msgspec.Struct, frozen=True):
    """How much of a counter one exchange holds, and for how long it has been running."""

    exchange: str
    counter: str
    unit: Unit
    amount: int
    age_s: float


class Holding(Protocol):
    """What an exchange was let in with: since when (`time.monotonic()`), and its grants, which may become more."""

    exchange_id: str
    since: float
    grants: list[Grant]


class Holds:
    """The exchanges that hold something, in the order in which they came."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.running: dict[Holding, None] = {}
        """Those that have not ended, in the order in which they came: whoever reserves adds and removes them."""

    def __len__(self) -> int:
        return len(self.running)

    def oldest(self, most: int) -> Sequence[Hold]:
        """Returns what the first exchanges hold, so many exchanges at most."""
        now = self._clock()
        return [
            Hold(running.exchange_id, one.counter, one.limit.unit, one.amount, round(now - running.since, 3))
            for running in islice(self.running, most)
            for one in _held(running)
        ]


def _held(holding: Holding) -> Iterator[Demand]:
    """Yields what it holds; requests are counted, not held."""
    for grant in holding.grants:
        if grant.taken is not None:
            yield from (one for one in grant.demands if one.amount and one.limit.unit != "requests")
