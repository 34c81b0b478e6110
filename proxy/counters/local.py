"""Counters of one process: exact for a server with one worker."""

from __future__ import annotations

import time
from collections.abc import Callable

from .limits import Grant, Limits
from .window import Window

_MOST_SUBJECTS = 100_000


class _Subject:
    __slots__ = ("parallel", "window")

    def __init__(self, window: Window) -> None:
        self.window = window
        self.parallel = 0


class LocalCounters:
    """Counters in memory. Beyond `most` subjects, those that were longest without a request are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MOST_SUBJECTS) -> None:
        self._clock = clock
        self._most = most
        self._subjects: dict[bytes, _Subject] = {}

    async def take(self, subject: str, limits: Limits) -> Grant:
        """Takes one request and one parallel slot of a subject, or nothing."""
        name = subject.encode()
        counted = self._subjects.pop(name, None) or _Subject(Window(limits.window_s))
        self._subjects[name] = counted  # the dict's order is that of the last use
        if len(self._subjects) > self._most:
            self._forget_one()
        grant = decide(Grant(name), limits, counted.window, counted.parallel, self._clock())
        counted.parallel += grant.held
        return grant

    async def release(self, grant: Grant) -> None:
        """Gives back the parallel slot of a grant."""
        if grant.held:
            grant.held = False
            counted = self._subjects.get(grant.subject)
            if counted is not None and counted.parallel:
                counted.parallel -= 1

    def forget_worker(self, index: int) -> None:
        """Does nothing: the only worker is this one."""

    def close(self) -> None:
        """Does nothing: nothing is open."""

    def _forget_one(self) -> None:
        """Forgets the subject longest without a request that has none running, if there is one among the first."""
        oldest = list(zip(range(8), self._subjects.items(), strict=False))
        idle = (name for _, (name, counted) in oldest if not counted.parallel)
        del self._subjects[next(idle, oldest[0][1][0])]


def decide(grant: Grant, limits: Limits, window: Window, parallel: int, now: float) -> Grant:
    """Fills in a grant for the state of a subject, and counts the request in its window if it may go on."""
    if limits.requests is not None:
        used = window.used(now)
        if used >= limits.requests:
            grant.refused_by = "requests"
            grant.retry_after_s = window.wait_s(now, limits.requests)
    if grant.refused_by is None and limits.parallel is not None:
        if parallel >= limits.parallel:
            grant.refused_by = "parallel"
            grant.retry_after_s = 1.0
        else:
            grant.held = True
    if limits.requests is not None:
        if grant.refused_by is None:
            window.add()
            used += 1
        grant.remaining = max(0, limits.requests - used)
        grant.reset_s = window.wait_s(now, 1)
    return grant
