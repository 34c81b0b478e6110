"""The connections to one origin: which are open, which are idle, and who waits in line for one."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import Generic, Protocol, TypeVar

import msgspec

from ..errors import UpstreamCut, UpstreamError, UpstreamUnreachable
from .deadlines import GRAIN


class PoolLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many connections an upstream may have."""

    max_connections: int | None = 1000
    """Connections open at a time to one host and port; further requests wait in line. None is no limit."""
    max_idle: int = 100
    """Connections that are kept open for the next request."""
    max_idle_s: float = 30.0
    """For how long. Load balancers drop idle connections after 60 s and more, some servers after 5 s."""


class Pooled(Protocol):
    """What the pool needs to know of a connection."""

    closed: bool
    idle_since: float
    idle_limit: float | None

    def abort(self) -> None:
        """Closes the connection, which leads to a call of `OriginPool.lost`."""

    def fail(self, error: UpstreamError) -> None:
        """Closes the connection and tells whoever uses it why; leads to a call of `OriginPool.lost`."""


C = TypeVar("C", bound=Pooled)


class OriginPool(Generic[C]):
    """Hands out idle connections, the latest used first, and slots for new ones; makes the others wait in line.

    A slot is held from the moment it is given until its connection is lost, or until `free` when none came of it. A
    slot or connection that becomes free goes straight to the first in line, so nobody overtakes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: PoolLimits, peer: str) -> None:
        self._loop = loop
        self._limits = limits
        self.peer = peer
        """What error messages call the other side."""
        self._slots = 0
        self._connections: set[C] = set()
        self._idle: list[C] = []
        self._line: deque[asyncio.Future[C | None]] = deque()
        self._reaper: asyncio.TimerHandle | None = None
        self._reaped_at = inf  # when that is to look at those that are idle
        self._closed = False

    @property
    def open(self) -> int:
        """Connections that are open or being opened."""
        return self._slots

    @property
    def idle(self) -> int:
        """Open connections that no request uses."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return sum(not waiter.done() for waiter in self._line)

    def take_idle(self) -> C | None:
        """Returns an idle connection; None where `acquire` has to find one. Nobody is overtaken.

        While somebody waits in line, none is idle.
        """
        return self._pop_idle() if self._idle and not self._closed else None

    async def acquire(self, timeout_s: float | None, *, fresh: bool = False) -> C | None:
        """Returns an idle connection, or None for a slot: the caller must then `adopt` a new connection or `free` it.

        With `fresh` it is always a slot; an idle connection makes room for it, and it goes to the head of the line.
        Raises TimeoutError when the wait takes longer than `timeout_s`, UpstreamUnreachable when the pool is closed.
        """
        first = fresh
        while True:
            if self._closed:
                raise self._closing()
            connection = None if fresh else self._pop_idle()
            if connection is not None:
                return connection
            if self._limits.max_connections is None or self._slots < self._limits.max_connections:
                self._slots += 1
                return None
            if fresh and self._idle:
                self._idle[0].abort()
                continue
            connection = await self._wait(timeout_s, first=first)
            if connection is None:
                return None
            if not connection.closed:
                if not fresh:
                    return connection
                connection.abort()
            first = True  # what it was given is of no use any more; its turn had come

    def adopt(self, connection: C) -> None:
        """Puts a new connection into the slot that `acquire` gave."""
        if connection.closed:
            self.free()
        else:
            self._connections.add(connection)
            if self._closed:
                connection.fail(self._closing())

    def free(self) -> None:
        """Gives a slot back, or straight to the first in line."""
        waiter = self._next_in_line()
        if waiter is None:
            self._slots -= 1
        else:
            waiter.set_result(None)

    def give_back(self, connection: C) -> None:
        """Takes back a connection that can be used again."""
        waiter = self._next_in_line() if self._line else None
        if waiter is not None:
            waiter.set_result(connection)
            return
        connection.idle_since = self._loop.time()
        expiry = self._expiry(connection)
        if self._closed or len(self._idle) >= self._limits.max_idle or expiry <= connection.idle_since:
            connection.abort()
            return
        self._idle.append(connection)
        if expiry < self._reaped_at:
            self._reap_at(expiry)

    def lost(self, connection: C) -> None:
        """Notes that a connection is closed; its slot becomes free."""
        if connection in self._connections:
            self._connections.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self.free()

    def close(self) -> None:
        """Closes all connections, used ones too, and sends away whoever waits."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper, self._reaped_at = None, inf
        while (waiter := self._next_in_line()) is not None:
            waiter.set_exception(self._closing())
        for connection in list(self._connections):
            connection.fail(UpstreamCut(f"the connection to upstream {self.peer} was closed by Penstock"))

    def _closing(self) -> UpstreamUnreachable:
        return UpstreamUnreachable(f"upstream {self.peer} is not in use any more")

    async def _wait(self, timeout_s: float | None, *, first: bool) -> C | None:
        waiter: asyncio.Future[C | None] = self._loop.create_future()
        if first:
            self._line.appendleft(waiter)
        else:
            self._line.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            elif waiter in self._line:
                self._line.remove(waiter)
            raise

    def _pass_on(self, granted: C | None) -> None:
        """Returns what was given to someone who left in the same turn."""
        if granted is None:
            self.free()
        elif not granted.closed:
            self.give_back(granted)

    def _next_in_line(self) -> asyncio.Future[C | None] | None:
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                return waiter
        return None

    def _pop_idle(self) -> C | None:
        now = self._loop.time()
        while self._idle:
            connection = self._idle.pop()
            if now < self._expiry(connection):
                return connection
            connection.abort()
        return None

    def _expiry(self, connection: C) -> float:
        limit, own = self._limits.max_idle_s, connection.idle_limit
        return connection.idle_since + (limit if own is None or own > limit else own)

    def _reap_at(self, when: float) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        self._reaper = self._loop.call_at(when, self._reap)
        self._reaped_at = when

    def _reap(self) -> None:
        self._reaper, self._reaped_at = None, inf
        now = self._loop.time() + GRAIN
        for connection in [each for each in self._idle if self._expiry(each) <= now]:
            connection.abort()
        if self._idle:
            self._reap_at(min(map(self._expiry, self._idle)))
