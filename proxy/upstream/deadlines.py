"""The clock of one exchange with an upstream: several limits, one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol

from .far_off import far_off

GRAIN = 0.001
"""uvloop's timers count whole milliseconds and may run that much early."""

_FAR_S = 5.0
"""From this on a limit has no timer of its own as yet."""


class Hears(Protocol):
    """Who hears signs of life."""

    last: float
    """When the last one was, by the loop's clock."""


class Deadlines:
    """Watches one phase after the other (first byte, idle), and the total beside them, with one timer at most.

    While all is far off it has none of its own. A sign of life is only a stored time (`last`, its own or that of who
    `hears` them, where that costs less): the timer is not moved by it, but looks at it when it runs out. `fire` is
    called once, with the phase whose limit ran out, and its length in seconds; then all is stopped.
    """

    __slots__ = (
        "_far_off",
        "_fire",
        "_hears",
        "_limit",
        "_loop",
        "_paused",
        "_phase",
        "_second",
        "_timer",
        "_total",
        "_total_at",
        "last",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fire: Callable[[str, float], None], hears: Hears | None = None
    ) -> None:
        self._loop = loop
        self._fire = fire
        self._hears = hears
        self._far_off = far_off(loop)
        self._second: int | None = None  # at which it is looked at, when that is far off
        self._timer: asyncio.TimerHandle | None = None  # when it is not
        self._phase = ""
        self._limit = inf
        self._total = inf
        self._total_at = inf
        self._paused = False
        self.last = 0.0

    def start(self, phase: str, limit: float | None, total: float | None, total_at: float) -> None:
        """Begins with a phase; `total_at` is the moment, by the loop's clock, at which `total` seconds are over."""
        self._total = inf if total is None else total
        self._total_at = total_at
        self._paused = False
        self.enter(phase, limit)

    def enter(self, phase: str, limit: float | None) -> None:
        """Goes over to another phase, which begins now."""
        self._phase = phase
        self._limit = inf if limit is None else limit
        self.last = now = self._loop.time()
        due = now + self._limit
        due = due if due < self._total_at else self._total_at
        if self._second is None or self._second > due:
            self._arm(due, now)

    def pause(self) -> None:
        """Lets the phase stand still; the total goes on."""
        self._paused = True

    def resume(self) -> None:
        """Begins the phase anew."""
        if self._paused:
            self._paused = False
            self.last = self._loop.time()

    def stop(self) -> None:
        """Ends all limits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._second is not None:
            self._far_off.discard(self._second, self)
            self._second = None

    def rest(self) -> None:
        """Ends all limits until the next start. What is far off stays where it is: the next limit mostly needs it too,
        and who looks before that finds nothing due.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._limit = self._total_at = inf

    def close(self) -> None:
        """Ends all limits for good, and lets go of who would be told."""
        self.stop()
        self._fire = _nobody
        self._hears = None

    def _arm(self, due: float, now: float) -> None:
        # What looks too early looks again; only what would be late must be moved.
        if self._second is not None and self._second <= due:
            return
        if self._timer is not None and self._timer.when() <= due:
            return
        self.stop()
        if due >= now + _FAR_S:
            if due < inf:
                self._second = int(due)
                self._far_off.add(self._second, self)
        else:
            self._timer = self._loop.call_at(due, self.look)

    def look(self) -> None:
        """Fires if a limit has run out; else sees to it that somebody looks again."""
        if self._timer is None and self._second is None:
            return  # stopped in the same turn
        self.stop()
        now = self._loop.time()
        if self._hears is not None and self._hears.last > self.last:
            self.last = self._hears.last
        due = (now if self._paused else self.last) + self._limit
        if now + GRAIN >= self._total_at:
            self._fire("total", self._total)
        elif now + GRAIN >= due:
            self._fire(self._phase, self._limit)
        else:
            self._arm(min(due, self._total_at), now)


def _nobody(_phase: str, _limit: float) -> None:
    """Is told of nothing."""
