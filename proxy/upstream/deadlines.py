"""The clock of one exchange with an upstream: several limits, one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

GRAIN = 0.001
"""uvloop's timers count whole milliseconds and may run that much early."""


class Deadlines:
    """Watches one phase after the other (first byte, idle), and the total beside them, with one timer at most.

    A sign of life is only a stored time (`last`): the timer is not moved by it, but looks at it when it runs out.
    `fire` is called once, with the phase whose limit ran out, and its length in seconds; then all is stopped.
    """

    __slots__ = ("_fire", "_limit", "_loop", "_paused", "_phase", "_timer", "_total", "_total_at", "last")

    def __init__(self, loop: asyncio.AbstractEventLoop, fire: Callable[[str, float], None]) -> None:
        self._loop = loop
        self._fire = fire
        self._timer: asyncio.TimerHandle | None = None
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
        self.last = self._loop.time()
        self._arm(min(self.last + self._limit, self._total_at))

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

    def _arm(self, due: float) -> None:
        # A timer that runs out too early looks and is set again; only one that would be late must be moved.
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due < inf:
            self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        due = (now if self._paused else self.last) + self._limit
        if now + GRAIN >= self._total_at:
            self._fire("total", self._total)
        elif now + GRAIN >= due:
            self._fire(self._phase, self._limit)
        else:
            self._arm(min(due, self._total_at))
