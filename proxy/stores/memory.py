"""Responses in the memory of one process: gone when it ends, unknown to the others."""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from .bounds import Bounds
from .item_ids import named_items
from .store import Entry


class MemoryStore:
    """Keeps responses in a dict. What has expired is let go of whenever the store is asked something."""

    def __init__(self, bounds: Bounds | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.bounds = bounds or Bounds()
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()  # in the order of their last put
        self._holders: dict[tuple[str, str], list[Entry]] = {}  # by owner and item, the last put last
        self._expiries: list[tuple[float, str]] = []  # a heap; those of entries that were replaced are left in it
        self._bytes = 0

    async def start(self) -> None:
        """Does nothing: nothing is to be opened."""

    async def close(self) -> None:
        """Forgets everything."""
        self._entries.clear()
        self._holders.clear()
        self._expiries.clear()
        self._bytes = 0

    async def put(self, entry: Entry) -> None:
        """Keeps an entry, in the place of one with the same id; raises StoreFailed when it is too large."""
        self.bounds.check(entry)
        self._forget(entry.id)
        entry = entry.copy()
        self._entries[entry.id] = entry
        self._bytes += entry.size
        for id in named_items(entry):
            self._holders.setdefault((entry.owner, id), []).append(entry)
        self._await_expiry(entry)
        self._sweep()
        self._trim(entry)

    async def get(self, id: str, owner: str) -> Entry | None:
        """Returns an entry, or None."""
        entry = self._find(id, owner)
        return None if entry is None else entry.copy()

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets an entry; tells whether there was one."""
        found = self._find(id, owner) is not None
        if found:
            self._forget(id)
        return found

    async def chain(self, id: str, owner: str) -> list[Entry] | None:
        """Returns an entry and all before it, the oldest first; None when one of them is not there."""
        line: list[Entry] = []
        next_id: str | None = id
        while next_id is not None:
            entry = self._find(next_id, owner)
            if entry is None or len(line) == len(self._entries):  # more than there are: they go round in a circle
                return None
            line.append(entry)
            next_id = entry.parent
        return [entry.copy() for entry in reversed(line)]

    async def items(self, ids: Sequence[str], owner: str) -> dict[str, msgspec.Raw]:
        """Returns those items that the owner has; of several with one id, that of the entry put last."""
        self._sweep()
        found: dict[str, msgspec.Raw] = {}
        for id in ids:
            holders = self._holders.get((owner, id))
            if holders:
                found[id] = named_items(holders[-1])[id]
        return found

    def _find(self, id: str, owner: str) -> Entry | None:
        self._sweep()
        entry = self._entries.get(id)
        return entry if entry is not None and entry.owner == owner else None

    def _forget(self, id: str) -> None:
        entry = self._entries.pop(id, None)
        if entry is None:
            return
        self._bytes -= entry.size
        for item in named_items(entry):
            holders = self._holders[entry.owner, item]
            holders.remove(entry)
            if not holders:
                del self._holders[entry.owner, item]

    def _await_expiry(self, entry: Entry) -> None:
        heapq.heappush(self._expiries, (entry.expires_at, entry.id))
        if len(self._expiries) > 2 * len(self._entries) + 64:
            self._expiries = [(other.expires_at, other.id) for other in self._entries.values()]
            heapq.heapify(self._expiries)

    def _sweep(self) -> None:
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            _, id = heapq.heappop(self._expiries)
            entry = self._entries.get(id)
            if entry is not None and entry.expires_at <= now:
                self._forget(id)

    def _trim(self, newest: Entry) -> None:
        """Forgets the oldest finished entries until the rest is within bounds."""
        while not self._within_bounds:
            others = (entry for entry in self._entries.values() if entry.finished and entry is not newest)
            oldest = next(others, None)
            if oldest is None:
                return
            self._forget(oldest.id)

    @property
    def _within_bounds(self) -> bool:
        return len(self._entries) <= self.bounds.max_responses and self._bytes <= self.bounds.max_bytes
