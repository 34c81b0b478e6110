"""Counters of all processes of one host, in one table. Nothing is read or written but memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from . import cells
from .limits import CounterState, Demand, Grant
from .table import Table

_log = logging.getLogger("penstock")


class _Taken(msgspec.Struct):
    """Where something was taken: the row, whose counter it was, the slot of a request, and the column's number."""

    at: int
    generation: int
    slot: int
    column: int


class SharedCounters:
    """The view of one process. Its lease is renewed by a thread, so that a busy event loop cannot lose it.

    What it holds is free `lease_s` after it was killed. Raises OSError, and ValueError for a file that is no table.
    """

    settles_at_once = True

    def __init__(
        self, path: str, *, lease_s: float = 15.0, rows: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._lease_us = int(lease_s * 1e6)
        self._table = Table(path) if rows is None else Table(path, rows)
        self._column = self._number = -1
        self._users = 0
        self._stop = threading.Event()
        self._renewing: threading.Thread | None = None

    async def start(self) -> None:
        """Begins to renew the lease."""
        self._users += 1
        if self._renewing is None:
            with self._table:
                self._own_column(self._now())
            self._stop = threading.Event()
            self._renewing = threading.Thread(target=self._renew, args=(self._stop,), daemon=True)
            self._renewing.start()

    async def close(self) -> None:
        """Gives up what the process still holds, once nobody uses the counters any more; they may be started again."""
        self._users = max(0, self._users - 1)
        if not self._users and self._renewing is not None:
            self._stop.set()
            self._renewing.join()
            self._renewing = None
            with self._table:
                if self._table.has(self._column, self._number):
                    self._table.give_up(self._column)

    def unmap(self) -> None:
        """Lets go of the memory, for good."""
        self._table.close()

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        """Meets all demands, or none of them. Hot: once an exchange."""
        table = self._table
        rows = table.cells
        grant = Grant(demands, [])
        with table:
            now = self._now()
            column = self._own_column(now)
            places = [table.row(demand, now) for demand in demands]
            for number, demand in enumerate(demands):
                if not cells.fits(rows, places[number], demand.limit.most, demand.amount):
                    grant.refused = number
                    break
            else:
                grant.taken = [self._take(at, demand, column) for at, demand in zip(places, demands, strict=True)]
            for at, demand in zip(places, demands, strict=True):
                stand = cells.standing(rows, at, demand.limit, now)
                if grant.refused is not None and not cells.fits(rows, at, demand.limit.most, demand.amount):
                    stand.retry_after_s = cells.wait_s(rows, at, demand.limit, demand.amount, now)
                grant.standings.append(stand)
        return grant

    async def settle(self, grant: Grant, used: Sequence[int]) -> None:
        """Puts what was used in the place of what was taken. Hot: once an exchange."""
        if grant.taken is None:
            return
        taken, grant.taken = grant.taken, None
        table = self._table
        with table:
            now = self._now()
            for demand, one, amount in zip(grant.demands, taken, used, strict=True):
                unit = demand.limit.unit
                if unit == "requests":
                    if not amount and table.generation(one.at) == one.generation:
                        cells.take_back(table.cells, one.at, one.slot, demand.amount)
                    continue
                if self._still_holds(one):
                    table.hold(one.at, self._column, -demand.amount)
                if unit != "parallel" and amount:
                    cells.post(table.cells, table.row(demand, now), amount)

    async def snapshot(self) -> list[CounterState]:
        """Returns every counter as it is now."""
        with self._table:
            return list(self._table.states(self._now()))

    def _now(self) -> int:
        return int(self._clock() * 1e6)

    def _own_column(self, now: int) -> int:
        """Returns the column of this process; another one than before when its lease was lost meanwhile."""
        if not self._table.has(self._column, self._number):
            self._column, self._number = self._table.claim(now + self._lease_us, now)
        return self._column

    def _still_holds(self, taken: _Taken) -> bool:
        """Tells whether what was taken is still held: not when the lease was lost meanwhile, or the row."""
        mine = taken.column == self._number and self._table.has(self._column, self._number)
        return mine and self._table.generation(taken.at) == taken.generation

    def _take(self, at: int, demand: Demand, column: int) -> _Taken:
        slot = 0
        if demand.limit.unit == "requests":
            slot = cells.post(self._table.cells, at, demand.amount)
        else:
            self._table.hold(at, column, demand.amount)
        return _Taken(at, self._table.generation(at), slot, self._number)

    def _renew(self, stop: threading.Event) -> None:
        """Says again and again that the process lives, and clears what the dead have left."""
        while not stop.wait(self._lease_us / 4e6):
            with self._table:
                now = self._now()
                self._table.renew(self._own_column(now), now + self._lease_us)
                dead = self._table.clear_dead(now)
            if dead:
                _log.warning("gave back what %d dead processes have held of limits", dead)
