"""Every implementation of the two stores, on a clock of its own, as one worker or two see it."""

from __future__ import annotations

import asyncio
import atexit
import functools
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pytest

from proxy.stores.bounds import Bounds
from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.conversation_sqlite import SqliteConversations
from proxy.stores.conversations import ConversationBounds, ConversationStore
from proxy.stores.memory import MemoryStore
from proxy.stores.redis_store import RedisStore
from proxy.stores.sqlite import SqliteStore
from proxy.stores.sqlite_cold import ColdRule
from proxy.stores.store import Entry, ResponseStore
from proxy.stores.tiered import TieredStore
from tests.support.cold_bucket import MemoryBucket, remember_nothing
from tests.support.redis_server import redis_server
from tests.support.stored import Clock

KINDS = ["memory", "sqlite", "two workers"]
RESPONSE_KINDS = [*KINDS, "two tiers", "redis"]


class Store(Protocol):
    """What starts and ends."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


Kept = TypeVar("Kept", bound=Store)


@functools.cache
def _redis_url() -> str:
    """Returns where the one Redis of this process is, which ends with it."""
    running = redis_server()
    server = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return server.url


class _Pairs(ABC, Generic[Kept]):
    """Makes stores of one kind; a pair is the same data as two workers see it (one and the same where it is one's)."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.clock = Clock()
        self.path = directory / "kept.db"
        self.bucket = MemoryBucket()
        self._open: list[Kept] = []

    async def pair(self, **bounds: Any) -> tuple[Kept, Kept]:
        """Returns two stores that have the same data."""
        one = await self.one(**bounds)
        return one, (await self.one(**bounds) if self.kind in ("two workers", "two tiers", "redis") else one)

    async def one(self, **bounds: Any) -> Kept:
        """Returns a store."""
        store = self.made(bounds)
        await store.start()
        self._open.append(store)
        return store

    @abstractmethod
    def made(self, bounds: dict[str, Any]) -> Kept:
        """Returns a store that has not been started."""

    async def close(self) -> None:
        """Closes all."""
        for store in self._open:
            await store.close()


class Stores(_Pairs[ResponseStore]):
    """Stores of responses."""

    def made(self, bounds: dict[str, Any]) -> ResponseStore:
        if self.kind == "memory":
            return MemoryStore(Bounds(**bounds), clock=self.clock)
        if self.kind == "redis":
            prefix = f"test-{id(self)}"
            return RedisStore(_redis_url(), Bounds(**bounds), prefix=prefix, timeout_s=20.0, clock=self.clock)
        if self.kind == "two tiers":
            if bounds:
                pytest.skip("what is too much on disk is found in the bucket")
            return self._tiered()
        return SqliteStore(self.path, Bounds(**bounds), clock=self.clock)

    def _tiered(self) -> TieredStore:
        """Returns a store whose entries leave the disk as soon as they are in the bucket, and are read from there."""
        local = SqliteStore(self.path, clock=self.clock, sweep_every_s=0.01, cold=ColdRule(after_s=0.0))
        remember_nothing(local)
        return TieredStore(local, self.bucket, poll_s=0.01, clock=self.clock)


class ConversationStores(_Pairs[ConversationStore]):
    """Stores of conversations."""

    def made(self, bounds: dict[str, Any]) -> ConversationStore:
        if self.kind == "memory":
            return MemoryConversations(ConversationBounds(**bounds), clock=self.clock)
        return SqliteConversations(self.path, ConversationBounds(**bounds), clock=self.clock)


class GatedStore(MemoryStore):
    """A store that takes what is put when it is let: `asked` is set when something waits, `go` lets it in."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def put(self, entry: Entry) -> None:
        self.asked.set()
        await self.go.wait()
        await super().put(entry)


async def there(store: ResponseStore, *ids: str) -> list[str]:
    """Returns which of these "me" can get."""
    return [id for id in ids if await store.get(id, "me") is not None]
