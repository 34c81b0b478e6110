"""The client for token streams: HTTP/1.1 over pooled connections of its own."""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from math import inf

import msgspec

from ..errors import UpstreamCut, UpstreamTimeout
from .address import Origin
from .client import Timeouts, UpstreamRequest
from .connect import connect
from .deadlines import GRAIN
from .http1 import Http1Connection
from .origin_pool import OriginPool, PoolLimits
from .request_head import Heads
from .response import Response
from .tls import TlsSettings, make_context

_MANY_ORIGINS = 64


class PoolCounts(msgspec.Struct, frozen=True):
    """Connections `open` (idle ones and those being opened included) and `idle`, requests `waiting` for one."""

    open: int
    idle: int
    waiting: int


class _Order(msgspec.Struct, frozen=True):
    """What one call of `send` wants a connection for. `total_at` is a moment of the loop's clock."""

    origin: Origin
    timeouts: Timeouts
    total_at: float


class Http1Client:
    """An UpstreamClient. `limits` hold for each origin by itself. To be used in one event loop only.

    Its errors name the upstream: by `name`, where it has one, else by host and port, which clients need not know.
    Raises ValueError, naming setting and file, when the TLS settings cannot be used.
    """

    def __init__(
        self, *, tls: TlsSettings | None = None, limits: PoolLimits | None = None, name: str | None = None
    ) -> None:
        self._name = name
        self._tls = None if tls is None else make_context(tls)
        self._limits = limits or PoolLimits()
        self._heads = Heads()
        self._pools: dict[Origin, OriginPool[Http1Connection]] = {}
        self._closed = False

    @property
    def counts(self) -> PoolCounts:
        """What the pool holds at this moment."""
        pools = self._pools.values()
        return PoolCounts(sum(p.open for p in pools), sum(p.idle for p in pools), sum(p.waiting for p in pools))

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> Response:
        """Sends a request and returns the head of the answer; see `UpstreamClient.send`.

        A connection kept from an earlier request may have been closed by the upstream meanwhile. When such a one ends
        before any byte of the answer, the request is sent once more, on a new connection. An upload, which can be sent
        but once, gets a new connection at once.
        Raises InternalError for a request that cannot be put into HTTP (a line break in a header).
        """
        loop = asyncio.get_running_loop()
        target, head = self._heads.write(request)
        upload = request.upload
        total_at = inf if timeouts.total is None else loop.time() + timeouts.total
        pool = self._pools.get(target.origin) or self._open_pool(target.origin, loop)
        try:
            connection = pool.take_idle() if upload is None else None
            if connection is None:
                order = _Order(target.origin, timeouts, total_at)
                connection = await self._checkout(pool, order, fresh=upload is not None)
            was_fresh = connection.fresh
            try:
                waiter = connection.begin(head, request.body, timeouts, total_at, upload)
                try:
                    return await waiter
                except BaseException:
                    connection.leave(waiter)
                    raise
            except UpstreamCut as cut:
                if was_fresh or not cut.before_bytes or self._closed:
                    raise
            connection = await self._checkout(pool, _Order(target.origin, timeouts, total_at), fresh=True)
            return await connection.send(head, request.body, timeouts, total_at)
        except UpstreamTimeout as late:
            if late.phase in ("connect", "pool") and loop.time() + GRAIN >= total_at:
                message = f"upstream {pool.peer} did not answer within {timeouts.total:g} s"
                raise UpstreamTimeout(message, phase="total") from None
            raise

    async def close(self) -> None:
        """Closes all connections, also those in use."""
        self._closed = True
        for pool in self._pools.values():
            pool.close()
        # A closed socket is only let go in the loop's next turn.
        await asyncio.sleep(0)

    def _open_pool(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> OriginPool[Http1Connection]:
        if len(self._pools) >= _MANY_ORIGINS:
            self._pools = {o: p for o, p in self._pools.items() if p.open or p.waiting}
        pool = self._pools[origin] = OriginPool(loop, self._limits, origin.called(self._name))
        if self._closed:
            pool.close()
        return pool

    async def _checkout(self, pool: OriginPool[Http1Connection], order: _Order, *, fresh: bool) -> Http1Connection:
        """Returns an idle connection of the pool, or a new one."""
        loop = asyncio.get_running_loop()
        peer = pool.peer
        try:
            connection = await pool.acquire(_within(order.timeouts.pool, order.total_at, loop), fresh=fresh)
        except TimeoutError:
            message = f"no connection to upstream {peer} became free within {order.timeouts.pool or 0:g} s"
            raise UpstreamTimeout(message, phase="pool") from None
        if connection is not None:
            return connection
        context = self._context() if order.origin.scheme == "https" else None
        limit = _within(order.timeouts.connect, order.total_at, loop)
        try:
            connection = await connect(order.origin, lambda: Http1Connection(loop, pool, peer), context, limit, peer)
        except BaseException:
            pool.free()
            raise
        pool.adopt(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = _default_context()
        return self._tls


def _within(limit: float | None, total_at: float, loop: asyncio.AbstractEventLoop) -> float | None:
    """Returns the seconds that a phase may take: its own limit, or what is left of the total."""
    if total_at == inf:
        return limit
    left = max(total_at - loop.time(), 0.0)
    return left if limit is None else min(limit, left)


@lru_cache(maxsize=1)
def _default_context() -> ssl.SSLContext:
    # Loading the system's authorities takes milliseconds: once for all upstreams that set nothing of their own.
    return make_context()
