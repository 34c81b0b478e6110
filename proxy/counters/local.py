"""Counters of one process: exact for a server with one worker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from . import cells
from .limits import SLOTS, UNITS, CounterState, Demand, Grant, Holder

_MOST_COUNTERS = 100_000
_Row = list[int]


class LocalCounters:
    """Counters in memory. Beyond `most`, those that were longest without a request are forgotten."""

    settles_at_once = True

    def __init__(self, clock: Callable[[], float] = time.time, most: int = _MOST_COUNTERS) -> None:
        self._clock = clock
        self._most = most
        self._rows: dict[str, _Row] = {}

    async def start(self) -> None:
        """Does nothing: what dies with the process takes its counters with it."""

    async def close(self) -> None:
        """Does nothing: nothing is open."""

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        """Meets all demands, or none of them."""
        now = int(self._clock() * 1e6)
        rows = [self._row(demand, now) for demand in demands]
        grant = Grant(demands, [])
        for number, (demand, row) in enumerate(zip(demands, rows, strict=True)):
            if grant.refused is None and not cells.fits(row, 0, demand.limit.most, demand.amount):
                grant.refused = number
        if grant.refused is None:
            grant.taken = [(row, _take(row, demand)) for demand, row in zip(demands, rows, strict=True)]
        for demand, row in zip(demands, rows, strict=True):
            stand = cells.standing(row, 0, demand.limit, now)
            if grant.refused is not None and not cells.fits(row, 0, demand.limit.most, demand.amount):
                stand.retry_after_s = cells.wait_s(row, 0, demand.limit, demand.amount, now)
            grant.standings.append(stand)
        return grant

    async def settle(self, grant: Grant, used: Sequence[int]) -> None:
        """Puts what was used in the place of what was taken."""
        if grant.taken is None:
            return
        taken, grant.taken = grant.taken, None
        now = int(self._clock() * 1e6)
        for demand, (row, slot), amount in zip(grant.demands, taken, used, strict=True):
            unit = demand.limit.unit
            if unit == "requests":
                if not amount:
                    cells.take_back(row, 0, slot, demand.amount)
                continue
            row[cells.HELD] -= demand.amount
            if unit != "parallel" and amount:
                cells.post(self._row(demand, now), 0, amount)

    async def snapshot(self) -> list[CounterState]:
        """Returns every counter as it is now."""
        now = int(self._clock() * 1e6)
        who = f"process {os.getpid()}"
        states = []
        for name, row in self._rows.items():
            cells.look(row, 0, now)
            holders = (Holder(who, row[cells.HELD]),) if row[cells.HELD] else ()
            unit = UNITS[row[cells.UNIT]]
            window_s = 0.0 if unit == "parallel" else row[cells.SLOT_US] * SLOTS / 1e6
            states.append(
                CounterState(name, unit, row[cells.MOST], window_s, row[cells.USED], row[cells.HELD], holders)
            )
        return states

    def _row(self, demand: Demand, now: int) -> _Row:
        """Returns the row of a counter, made when it is not there, as it is now."""
        row = self._rows.pop(demand.counter, None)
        if row is None:
            row = [0] * cells.CELLS
            cells.begin(row, 0, demand.limit)
            if len(self._rows) >= self._most:
                self._forget_one()
        self._rows[demand.counter] = row  # the dict's order is that of the last use
        row[cells.MOST] = demand.limit.most
        cells.look(row, 0, now)
        return row

    def _forget_one(self) -> None:
        """Forgets the counter longest without a request of which nothing is held, if there is one among the first."""
        oldest = list(zip(range(8), self._rows.items(), strict=False))
        idle = (name for _, (name, row) in oldest if not row[cells.HELD])
        del self._rows[next(idle, oldest[0][1][0])]


def _take(row: _Row, demand: Demand) -> int:
    if demand.limit.unit == "requests":
        return cells.post(row, 0, demand.amount)
    row[cells.HELD] += demand.amount
    return 0
