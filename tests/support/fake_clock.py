"""An event loop whose time passes only when everybody waits for it: an hour of waiting takes no time at all."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Returns the seconds that have passed."""
        return self._jumping.now


def in_no_time(work: Coroutine[Any, Any, T]) -> T:
    """Runs what only waits for times and for itself, not for sockets."""
    loop = _Loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
