"""Every implementation of the response store, on a clock of its own, as one worker or two see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proxy.stores.bounds import Bounds
from proxy.stores.memory import MemoryStore
from proxy.stores.sqlite import SqliteStore
from proxy.stores.store import ResponseStore
from tests.support.stored import Clock

KINDS = ["memory", "sqlite", "two workers"]


class Stores:
    """Makes stores of one kind; a pair is the same data as two workers see it (one and the same where it is one's)."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.clock = Clock()
        self._path = directory / "kept.db"
        self._open: list[ResponseStore] = []

    async def pair(self, **bounds: Any) -> tuple[ResponseStore, ResponseStore]:
        """Returns two stores that have the same data."""
        one = await self._started(Bounds(**bounds))
        return one, (await self._started(Bounds(**bounds)) if self.kind == "two workers" else one)

    async def one(self, **bounds: Any) -> ResponseStore:
        """Returns a store."""
        return (await self.pair(**bounds))[0]

    async def _started(self, bounds: Bounds) -> ResponseStore:
        store: ResponseStore
        if self.kind == "memory":
            store = MemoryStore(bounds, clock=self.clock)
        else:
            store = SqliteStore(self._path, bounds, clock=self.clock)
        await store.start()
        self._open.append(store)
        return store

    async def close(self) -> None:
        """Closes all."""
        for store in self._open:
            await store.close()


async def there(store: ResponseStore, *ids: str) -> list[str]:
    """Returns which of these "me" can get."""
    return [id for id in ids if await store.get(id, "me") is not None]
