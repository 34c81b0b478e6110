"""What a server is to be told once it answers again: settlements, with the moment at which they were due."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

_log = logging.getLogger("penstock")

Settling = tuple[list[str], list[Any]]
"""Keys and arguments of the script that settles; AGE is the place of the argument that says how long it was due."""
AGE = 2


class Late:
    """Settlements in the order in which they were due, `most` at most; those beyond push out the oldest."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._queue: deque[tuple[Settling, float]] = deque()
        self._lost = 0

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, settling: Settling) -> None:
        """Notes one that is due now."""
        if len(self._queue) >= self._most:
            self._queue.popleft()
            self._lost += 1
        self._queue.append((settling, self._clock()))

    def first(self) -> Settling:
        """Returns the oldest, as it is to be told now."""
        (keys, args), due = self._queue[0]
        age_us = max(0, int((self._clock() - due) * 1e6))
        return keys, [*args[:AGE], age_us, *args[AGE + 1 :]]

    def told(self) -> None:
        """Lets go of the oldest; says how many were lost when no more is left."""
        self._queue.popleft()
        if self._lost and not self._queue:
            _log.error("%d exchanges were not counted: more ended than are remembered while Redis was away", self._lost)
            self._lost = 0
