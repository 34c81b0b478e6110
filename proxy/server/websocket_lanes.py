"""The lanes of one WebSocket: what is asked in one lane is answered one after the other, lanes side by side."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from ..errors import RateLimited
from .websocket_messages import Create

_log = logging.getLogger("penstock")


class LaneBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How many lanes may be busy at a time, and how many requests, and bytes of them, may wait in all lanes."""

    lanes: int = 32
    waiting: int = 64
    waiting_bytes: int = 64 * 1024 * 1024


class Lanes:
    """Serves requests lane by lane. A lane exists while it has something to do; `on_idle` is called when none has."""

    def __init__(
        self, serve: Callable[[Create], Awaitable[None]], bounds: LaneBounds, on_idle: Callable[[], None]
    ) -> None:
        self._serve = serve
        self._bounds = bounds
        self._on_idle = on_idle
        self._waiting: dict[str | None, deque[Create]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._bytes = 0

    @property
    def busy(self) -> bool:
        """Whether any lane has something to do."""
        return bool(self._waiting)

    def add(self, create: Create) -> None:
        """Puts a request at the end of its lane; raises RateLimited when too much waits already."""
        waiting = self._waiting.get(create.lane)
        if waiting is None:
            if len(self._waiting) >= self._bounds.lanes:
                raise _full(f"{self._bounds.lanes} lanes of this connection are busy")
            self._waiting[create.lane] = waiting = deque()
            task = asyncio.get_running_loop().create_task(self._work(create.lane, waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif self._count >= self._bounds.waiting or (
            self._bytes and self._bytes + create.size > self._bounds.waiting_bytes
        ):
            raise _full(f"{self._count} requests of this connection wait for their turn")
        waiting.append(create)
        self._count += 1
        self._bytes += create.size

    def take_waiting(self) -> list[Create]:
        """Returns the requests whose turn has not come, and forgets them."""
        taken = [create for waiting in self._waiting.values() for create in waiting]
        for waiting in self._waiting.values():
            waiting.clear()
        self._count = self._bytes = 0
        return taken

    async def close(self) -> None:
        """Ends what runs, and forgets what waits; returns when all of it was settled."""
        self.take_waiting()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:  # a client that closes is gone a moment later, which cancels the one who waits
            await asyncio.wait(tasks)
            raise

    async def _work(self, lane: str | None, waiting: deque[Create]) -> None:
        try:
            while waiting:
                create = waiting.popleft()
                self._count -= 1
                self._bytes -= create.size
                try:
                    await self._serve(create)
                except Exception as error:  # the top of a task: a bug with one request must not stop its lane
                    _log.error("a request over a WebSocket failed", exc_info=error)
        finally:
            del self._waiting[lane]
            if not self._waiting:
                self._on_idle()


def _full(why: str) -> RateLimited:
    return RateLimited(f"{why}: wait for one of their answers.", retry_after_s=1)
