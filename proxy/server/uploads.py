"""The bodies of requests that are still coming, and how they end when the server is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from ..errors import Overloaded

T = TypeVar("T")


class Uploads:
    """Waits for bodies. Once it is cut off, those that are coming and those that come later end in its error."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()
        self._cut: Overloaded | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def cut_off(self, error: Overloaded) -> None:
        """Ends them all with this error."""
        self._cut = error
        for task in self._waiting:
            task.cancel()

    def check(self) -> None:
        """Raises the error of the end, if that has come."""
        if self._cut is not None:
            raise self._cut

    async def whole(self, body: Awaitable[T]) -> T:
        """Returns what `body` does, in whose task it runs; raises what that does, or the error of the end."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            done = await body
        except asyncio.CancelledError:
            if self._cut is None or task.uncancel():
                raise
        finally:
            self._waiting.discard(task)
        self.check()
        return done
