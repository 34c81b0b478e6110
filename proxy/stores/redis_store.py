"""Responses in Redis, shared by all hosts that use it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .bounds import Bounds
from .item_ids import by_response, named_items
from .outage import Outage
from .redis_store_scripts import ABANDONED, CHAIN, DELETE, GET, HOLDERS, LOG, PUT, SWEEP
from .sqlite_rows import RowMaker, entry_of
from .store import Entry, StoreFailed, StoreUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

_log = logging.getLogger("penstock")
_HOLDER_S, _RENEW_S = 60, 10.0
_SWEEP_AT_ONCE = 64
_WHAT = "the response store in Redis"

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[Any, ...]).decode


class RedisStore:
    """Keeps responses in Redis. Each call is one script, or one for what is found by another.

    A process that works on entries that are not finished says every few seconds that it lives; what it has not finished
    is abandoned a minute after its last word. `timeout_s` is how long a call waits.
    """

    def __init__(
        self,
        url: str,
        bounds: Bounds | None = None,
        *,
        prefix: str = "penstock",
        timeout_s: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.bounds = bounds or Bounds()
        self._url = url
        self._base = f"{{{prefix}}}:responses:"
        self._timeout_s = timeout_s
        self._clock = clock
        self._rows = RowMaker()
        self._token = secrets.token_hex(8)
        self._redis: Redis | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._going: set[asyncio.Task[Any]] = set()
        self._outage = Outage(_WHAT)

    async def start(self) -> None:
        """Connects; raises StoreFailed."""
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError

        options = {"timeout": self._timeout_s, "socket_timeout": self._timeout_s, "protocol": 2}
        # a connection may be closed at the moment of its use, above all when the server is started again; all scripts
        # may run twice. With protocol 3, redis 8 does not look before it uses one.
        again = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
        try:
            pool = BlockingConnectionPool.from_url(
                self._url, max_connections=64, socket_connect_timeout=self._timeout_s, retry=again, **options
            )
        except ValueError as error:
            raise StoreFailed(f"stores.responses.url: {error}") from None
        self._redis = redis = Redis(connection_pool=pool)
        scripts = (PUT, GET, DELETE, CHAIN, HOLDERS, LOG, SWEEP, ABANDONED)
        self._scripts = {text: redis.register_script(text) for text in scripts}
        try:
            await self._live()
        except StoreFailed:
            await redis.aclose()
            raise
        self._tasks = [asyncio.create_task(self._again(self._live, _RENEW_S))]
        self._tasks.append(asyncio.create_task(self._again(self._sweep, _RENEW_S)))

    async def close(self) -> None:
        """Waits for what is still being written, and closes the connections; what is not finished is abandoned."""
        for task in self._tasks:
            task.cancel()
        if self._going or self._tasks:
            await asyncio.wait((*self._tasks, *self._going), timeout=self._timeout_s)
        if self._redis is not None:
            with suppress(StoreFailed):
                await self._answer(self._redis.delete(self._holder_key))
            await self._redis.aclose()
            self._redis = None

    async def put(self, entry: Entry) -> None:
        """Keeps an entry, in the place of one with the same id."""
        size = entry.size
        self.bounds.check(entry, size)
        if not _writable(entry.id, entry.owner + (entry.parent or "")):
            raise StoreFailed(f"response {entry.id!a} cannot be kept: its texts are no UTF-8")
        now = self._clock()
        row = self._rows.row(msgspec.structs.replace(entry, log=b""), size, None if entry.finished else self._token)
        log = self.bounds.log_of(entry, size, now)
        holder = "" if entry.finished else self._token
        values = (
            *(entry.id, entry.owner, repr(entry.expires_at), size, entry.parent or "", _pack(row.ids)),
            *(_pack(row.values), holder, log, repr(entry.log_until)),
            *(self.bounds.max_responses, self.bounds.max_bytes),
        )
        await self._whole(self._run(PUT, *values))

    async def get(self, id: str, owner: str) -> Entry | None:
        """Returns an entry, or None."""
        data = await self._run(GET, id, owner) if _writable(id, owner) else None
        return None if data is None else _entry(data)

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets an entry; tells whether there was one. Raises StoreUnavailable while another process makes it."""
        found = await self._whole(self._run(DELETE, id, owner, self._token)) if _writable(id, owner) else 0
        if found == 2:
            raise StoreUnavailable(f"response {id} is being made on another host, and can be deleted there only")
        return bool(found)

    async def chain(self, id: str, owner: str) -> list[Entry] | None:
        """Returns an entry and all before it, the oldest first; None when one of them is not there."""
        line = await self._run(CHAIN, id, owner) if id and _writable(id, owner) else None
        return [_entry(data) for data in reversed(line)] if line else None

    async def items(self, ids: Sequence[str], owner: str) -> dict[str, msgspec.Raw]:
        """Returns those items that the owner has; of several with one id, that of the entry put last."""
        made, others = by_response(list(dict.fromkeys(id for id in ids if _writable(id, owner))))
        wanted: dict[str, list[str]] = dict(made)
        if others:
            holders = await self._run(HOLDERS, owner, *others)
            for item, holder in zip(others, holders, strict=True):
                if holder:
                    wanted.setdefault(holder.decode(), []).append(item)
        found: dict[str, msgspec.Raw] = {}
        for entry in await asyncio.gather(*(self.get(id, owner) for id in wanted)):
            if entry is not None:
                items = named_items(entry)
                found.update((id, items[id]) for id in wanted[entry.id] if id in items)
        return found

    async def log(self, id: str, owner: str) -> bytes:
        """Returns the event log of an entry; b"" when there is none, or its time is over."""
        log: bytes = await self._run(LOG, id, owner) if _writable(id, owner) else b""
        return log

    async def abandoned(self) -> list[Entry]:
        """Returns entries that are not finished, and whose process has said nothing for a minute or has ended."""
        return [_entry(data) for data in await self._run(ABANDONED)]

    @property
    def _holder_key(self) -> str:
        return f"{self._base}h:{self._token}"

    async def _live(self) -> None:
        """Says that this process lives. A server that has no more memory takes this too, once it knows the process."""
        redis = self._redis
        if redis is not None and not await self._answer(redis.expire(self._holder_key, _HOLDER_S)):
            await self._answer(redis.set(self._holder_key, b"", ex=_HOLDER_S))

    async def _sweep(self) -> None:
        """Forgets what has ended."""
        while await self._run(SWEEP, _SWEEP_AT_ONCE) >= _SWEEP_AT_ONCE:
            pass

    async def _again(self, what: Callable[[], Awaitable[None]], every_s: float) -> None:
        failed = False
        while True:
            await asyncio.sleep(every_s)
            try:
                await what()
                failed = False
            except StoreFailed as error:
                if not failed and not error.told:
                    _log.error("%s", error)
                failed = True

    async def _run(self, script: str, *values: Any) -> Any:
        """Runs a script at this moment."""
        if self._redis is None:
            raise StoreFailed("the store is closed")
        return await self._answer(self._scripts[script](keys=[self._base], args=[repr(self._clock()), *values]))

    async def _whole(self, work: Awaitable[T]) -> T:
        """Does something to its end, even if its caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return await asyncio.shield(task)

    async def _answer(self, asked: Awaitable[Any]) -> Any:
        from redis.exceptions import ConnectionError, RedisError, TimeoutError

        try:
            async with asyncio.timeout(2 * self._timeout_s):
                answer = await asked
        except (ConnectionError, TimeoutError, OSError) as error:
            why = f"{error}" or "no answer"
            unavailable = StoreUnavailable(f"{_WHAT}: {why}")
            self._outage.failed(unavailable)
            raise unavailable from error
        except RedisError as error:
            raise StoreFailed(f"{_WHAT}: {error}") from error
        self._outage.answered()
        return answer


def _entry(data: bytes) -> Entry:
    try:
        values = _unpack(data)
    except msgspec.MsgspecError as error:
        raise StoreFailed(f"a response in Redis is damaged: {error}") from None
    return entry_of((0, *values))


def _writable(id: str, owner: str) -> bool:
    """Tells whether texts can be in Redis at all: a path may hold bytes that are no UTF-8."""
    try:
        (id + owner).encode()
    except UnicodeEncodeError:
        return False
    return True
