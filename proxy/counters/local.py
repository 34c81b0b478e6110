"""Counters of one process: exact for a server with one worker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from . import cells
from .cells import HELD, LAST, MOST, NEWEST, SLOT_US, USED, look, post, standing
from .holds import Holds
from .limits import UNITS, CounterState, Demand, Grant, Holder, Standing

_MOST_COUNTERS = 100_000
_Row = list[int]


class LocalCounters:
    """Counters in memory. Beyond `most`, those that were longest without a request are forgotten."""

    settles_at_once = True

    def __init__(self, clock: Callable[[], float] = time.time, most: int = _MOST_COUNTERS) -> None:
        self._clock = clock
        self._most = most
        self.holds = Holds()
        self._rows: dict[str, _Row] = {}

    async def start(self) -> None:
        """Does nothing: what dies with the process takes its counters with it."""

    async def close(self) -> None:
        """Does nothing: nothing is open."""

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        """Meets all demands, or none of them. Hot: once an exchange."""
        now = int(self._clock() * 1e6)
        refused = None
        found: list[tuple[Demand, _Row]] = []
        for demand in demands:
            row = self._row(demand, now)
            if refused is None and row[USED] + row[HELD] + (demand.amount or 1) > demand.limit.most:
                refused = len(found)
            found.append((demand, row))
        if refused is not None:
            return Grant(demands, [_refusal(row, demand, now) for demand, row in found], refused)
        standings, taken = [], []
        for demand, row in found:
            limit, slot = demand.limit, 0
            if limit.unit == "requests":
                slot = post(row, 0, demand.amount)
            else:
                row[HELD] += demand.amount
            taken.append((demand, row, slot))
            standings.append(standing(limit, row[USED], row[HELD], row[LAST], now))
        return Grant(demands, standings, None, taken)

    async def settle(self, grant: Grant, used: Sequence[int]) -> None:
        """Puts what was used in the place of what was taken. Hot: once an exchange."""
        if grant.taken is None:
            return
        taken, grant.taken = grant.taken, None
        now = int(self._clock() * 1e6)
        for number, (demand, row, slot) in enumerate(taken):
            unit, amount = demand.limit.unit, used[number]
            if unit == "requests":
                if not amount:
                    cells.take_back(row, 0, slot, demand.amount)
                continue
            row[HELD] -= demand.amount
            if amount and unit != "parallel":
                there: _Row | None = self._rows.get(demand.counter)
                if there is None:  # forgotten meanwhile
                    there = self._row(demand, now)
                elif now // there[SLOT_US] != there[NEWEST]:
                    look(there, 0, now)
                post(there, 0, amount)

    async def snapshot(self) -> list[CounterState]:
        """Returns every counter as it is now."""
        now = int(self._clock() * 1e6)
        who = f"process {os.getpid()}"
        states = []
        for name, row in self._rows.items():
            look(row, 0, now)
            holders = (Holder(who, row[HELD]),) if row[HELD] else ()
            unit, slot_us = UNITS[row[cells.UNIT]], row[cells.SLOT_US]
            states.append(CounterState(name, unit, row[MOST], slot_us, row[USED], row[HELD], holders))
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
        row[MOST] = demand.limit.most
        if now // row[SLOT_US] != row[NEWEST]:
            look(row, 0, now)
        return row

    def _forget_one(self) -> None:
        """Forgets the counter longest without a request of which nothing is held, if there is one among the first."""
        oldest = list(zip(range(8), self._rows.items(), strict=False))
        idle = (name for _, (name, row) in oldest if not row[HELD])
        del self._rows[next(idle, oldest[0][1][0])]


def _refusal(row: _Row, demand: Demand, now: int) -> Standing:
    """Returns how a counter stands for demands that were refused, this one or another."""
    limit = demand.limit
    stand = standing(limit, row[USED], row[HELD], row[LAST], now)
    if not cells.fits(row, 0, limit.most, demand.amount):
        stand.retry_after_s = cells.wait_s(row, 0, limit, demand.amount, now)
    return stand
