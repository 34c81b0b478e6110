"""A bucket of the cold store in memory, and a store that has nothing else at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from proxy.stores.sqlite import SqliteStore
from proxy.stores.store import StoreUnavailable

PATIENCE_S = 30.0


def remember_nothing(store: SqliteStore) -> None:
    """Has a store read everything anew."""
    store.recent._max_bytes = 0


class MemoryBucket:
    """A bucket in memory, shared by whoever has it; `away` makes it fail."""

    where = "memory"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.puts = 0
        self.away = False

    def start(self) -> None: ...

    async def close(self) -> None: ...

    async def put(self, owner: str, id: str, body: bytes) -> None:
        await self._answer()
        self.puts += 1
        self.objects[owner, id] = body

    async def get(self, owner: str, id: str) -> bytes | None:
        await self._answer()
        return self.objects.get((owner, id))

    async def remove(self, owner: str, id: str) -> None:
        await self._answer()
        self.objects.pop((owner, id), None)

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("the bucket is away")


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Waits until something holds, which shows on disk or in the bucket only."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)
