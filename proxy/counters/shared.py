"""Counters of all processes of one host, in one table. Nothing is read or written but memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from . import cells
from .cells import GENERATION, NEWEST, look, post, standing
from .holds import Holds
from .limits import CounterState, Demand, Grant, Standing
from .table import HELD, USED, Row, Table

_log = logging.getLogger("penstock")


class _Taken(msgspec.Struct):
    """Where something was taken: for each demand the row, whose counter it was, and the newest slot then.

    `number` is that of the column that it is held in.
    """

    number: int
    places: list[tuple[Demand, int, int, int]]


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
        self._mine_until = 0  # nobody else may clear the column before that
        self.holds = Holds()
        self._users = 0
        self._stop = threading.Event()
        self._renewing: threading.Thread | None = None

    async def start(self) -> None:
        """Begins to renew the lease."""
        self._users += 1
        if self._renewing is None:
            with self._table:
                self._own(self._now())
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
                self._mine_until = 0

    def unmap(self) -> None:
        """Lets go of the memory, for good."""
        self._table.close()

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        """Meets all demands, or none of them. Hot: once an exchange."""
        table = self._table
        with table:
            now = int(self._clock() * 1e6)
            if now >= self._mine_until:
                self._own(now)
            refused = None
            found: list[tuple[Demand, Row]] = []
            for demand in demands:
                row = table.row(demand, now)
                if refused is None and row[USED] + row[HELD] + (demand.amount or 1) > demand.limit.most:
                    refused = len(found)
                found.append((demand, row))
            if refused is not None:
                return Grant(demands, [self._refusal(row, demand, now) for demand, row in found], refused)
            standings, taken = [], []
            for demand, (at, generation, newest, last, used, held) in found:
                limit, amount = demand.limit, demand.amount
                if limit.unit == "requests":
                    post(table.cells, at, amount)
                    used, last = used + amount, newest
                else:
                    table.hold(at, self._column, amount)
                    held += amount
                taken.append((demand, at, generation, newest))
                standings.append(standing(limit, used, held, last, now))
        return Grant(demands, standings, None, _Taken(self._number, taken))

    async def settle(self, grant: Grant, used: Sequence[int]) -> None:
        """Puts what was used in the place of what was taken. Hot: once an exchange."""
        if grant.taken is None:
            return
        taken, grant.taken = grant.taken, None
        table = self._table
        with table:
            now = int(self._clock() * 1e6)
            rows = table.cells
            # not when the lease was lost meanwhile
            holds = taken.number == self._number and (now < self._mine_until or table.has(self._column, self._number))
            for number, (demand, at, generation, slot) in enumerate(taken.places):
                unit, amount = demand.limit.unit, used[number]
                if unit == "requests" and amount:
                    continue
                same = rows[at + GENERATION] == generation  # the row is still this counter's
                if unit == "requests":
                    if same:
                        cells.take_back(rows, at, slot, demand.amount)
                    continue
                if holds and same:
                    table.release(at, self._column, demand.amount)
                if amount and unit != "parallel":
                    if not same:
                        at = table.row(demand, now)[0]
                    elif rows[at + NEWEST] != now // demand.limit.slot_us:
                        look(rows, at, now)
                    post(rows, at, amount)

    async def snapshot(self) -> list[CounterState]:
        """Returns every counter as it is now."""
        with self._table:
            return list(self._table.states(self._now()))

    def _now(self) -> int:
        return int(self._clock() * 1e6)

    def _own(self, now: int) -> None:
        """Makes sure that this process has a column: its first, or another one when its lease was lost meanwhile."""
        table = self._table
        if not table.has(self._column, self._number):
            self._column, self._number = table.claim(now + self._lease_us, now)
            self._mine_until = now + self._lease_us

    def _refusal(self, row: Row, demand: Demand, now: int) -> Standing:
        """Returns how a counter stands for demands that were refused, this one or another."""
        at, _, _, last, used, held = row
        limit, rows = demand.limit, self._table.cells
        stand = standing(limit, used, held, last, now)
        if not cells.fits(rows, at, limit.most, demand.amount):
            stand.retry_after_s = cells.wait_s(rows, at, limit, demand.amount, now)
        return stand

    def _renew(self, stop: threading.Event) -> None:
        """Says again and again that the process lives, and clears what the dead have left."""
        while not stop.wait(self._lease_us / 4e6):
            with self._table:
                now = self._now()
                self._own(now)
                self._table.renew(self._column, now + self._lease_us)
                self._mine_until = now + self._lease_us
                dead = self._table.clear_dead(now)
            if dead:
                _log.warning("gave back what %d dead processes have held of limits", dead)
