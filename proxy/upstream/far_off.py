"""Limits that are many seconds off: one timer of the event loop for all of them.

Each timer of an event loop takes half a kilobyte and some microseconds to set and to cancel. Most limits are minutes
long and never run out, so these share one: they stand in lists by the whole second before they are due.
"""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakKeyDictionary, ref


class Waiting(Protocol):
    """What waits."""

    def look(self) -> None:
        """Looks what is due, and waits again if it is not yet. Harmless at any time."""


class FarOff:
    """What waits in one event loop, by the second of the loop's clock at which to look at it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._by_second: dict[int, set[Waiting]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  # the second that the timer is set for

    def add(self, second: int, one: Waiting) -> None:
        """Has somebody look at that second."""
        waiting = self._by_second.get(second)
        if waiting is None:
            waiting = self._by_second[second] = set()
            if self._timer is None or second < self._next:
                self._set(second)
        waiting.add(one)

    def discard(self, second: int, one: Waiting) -> None:
        """Has somebody look no more."""
        waiting = self._by_second.get(second)
        if waiting is not None:
            waiting.discard(one)
            if not waiting:
                del self._by_second[second]  # the timer stays: whoever comes next will want it too

    def _set(self, second: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = self._loop()
        assert loop is not None
        self._next = second
        self._timer = loop.call_at(second, self._beat)

    def _beat(self) -> None:
        self._timer = None
        loop = self._loop()
        assert loop is not None
        due = self._by_second.pop(self._next, ())
        if self._by_second:
            self._set(min(self._by_second))
        for one in due:
            loop.call_soon(one.look)  # each by itself: what goes wrong with one is no matter of the others


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, FarOff] = WeakKeyDictionary()


def far_off(loop: asyncio.AbstractEventLoop) -> FarOff:
    """Returns what waits in a loop."""
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = FarOff(loop)
    return found
