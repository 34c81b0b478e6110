"""Responses in the memory of one process: gone when it ends, unknown to the others."""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from .bounds import Bounds
from .item_ids import by_response, listed_ids, named_items
from .store import Entry


class MemoryStore:
    """Keeps responses in a dict. What has expired is let go of whenever the store is asked something."""

    def __init__(self, bounds: Bounds | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.bounds = bounds or Bounds()
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()  # in the order of their last put
        self._logs: OrderedDict[str, tuple[bytes, float]] = OrderedDict()  # and until when; in the same order
        self._holders: dict[tuple[str, str], list[Entry]] = {}  # by owner and item, the last put last
        self._expiries: list[tuple[float, str]] = []  # a heap; those of entries that were replaced are left in it
        self._bytes = 0

    async def start(self) -> None:
        """Does nothing: nothing is to be opened."""

    async def close(self) -> None:
        """Forgets everything."""
        self._entries.clear()
        self._logs.clear()
        self._holders.clear()
        self._expiries.clear()
        self._bytes = 0

    async def put(self, entry: Entry) -> None:
        """Keeps an entry, in the place of one with the same id; raises StoreFailed when it is too large."""
        size = entry.size
        self.bounds.check(entry, size)
        self._forget(entry.id)
        log = self.bounds.log_of(entry, size, self._clock())
        if log:
            self._logs[entry.id] = log, entry.log_until
            self._await_expiry(entry.log_until, entry.id)
        entry = entry.copy()
        entry.log, entry.log_until = b"", 0.0
        self._entries[entry.id] = entry
        self._bytes += size + len(log)
        for id in listed_ids(entry.id, [*map(bytes, entry.input), *map(bytes, entry.output)]):
            self._holders.setdefault((entry.owner, id), []).append(entry)
        self._await_expiry(entry.expires_at, entry.id)
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
        made, others = by_response(list(ids))
        for id in others:
            holders = self._holders.get((owner, id))
            if holders:
                found[id] = named_items(holders[-1])[id]
        for response, wanted in made.items():
            entry = self._find(response, owner)
            items = {} if entry is None else named_items(entry)
            found.update((id, items[id]) for id in wanted if id in items)
        return found

    async def log(self, id: str, owner: str) -> bytes:
        """Returns the event log of an entry; b"" when there is none, or its time is over."""
        return self._logs.get(id, (b"", 0.0))[0] if self._find(id, owner) is not None else b""

    async def abandoned(self) -> list[Entry]:
        """Returns nothing: what this process does not finish is gone with it."""
        return []

    def _find(self, id: str, owner: str) -> Entry | None:
        self._sweep()
        entry = self._entries.get(id)
        return entry if entry is not None and entry.owner == owner else None

    def _forget(self, id: str) -> None:
        entry = self._entries.pop(id, None)
        if entry is None:
            return
        self._forget_log(id)
        self._bytes -= entry.size
        for item in listed_ids(entry.id, [*map(bytes, entry.input), *map(bytes, entry.output)]):
            holders = self._holders[entry.owner, item]
            holders.remove(entry)
            if not holders:
                del self._holders[entry.owner, item]

    def _forget_log(self, id: str) -> None:
        log, _ = self._logs.pop(id, (b"", 0.0))
        self._bytes -= len(log)

    def _await_expiry(self, moment: float, id: str) -> None:
        heapq.heappush(self._expiries, (moment, id))
        if len(self._expiries) > 2 * (len(self._entries) + len(self._logs)) + 64:
            self._expiries = [(entry.expires_at, entry.id) for entry in self._entries.values()]
            self._expiries += [(until, id) for id, (_, until) in self._logs.items()]
            heapq.heapify(self._expiries)

    def _sweep(self) -> None:
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            _, id = heapq.heappop(self._expiries)
            entry = self._entries.get(id)
            if entry is not None and entry.expires_at <= now:
                self._forget(id)
            elif self._logs.get(id, (b"", now + 1))[1] <= now:
                self._forget_log(id)

    def _trim(self, newest: Entry) -> None:
        """Forgets the oldest finished entries, or before them the oldest logs, until the rest is within bounds."""
        while len(self._entries) > self.bounds.max_responses and self._forget_oldest(newest):
            pass
        while self._bytes > self.bounds.max_bytes:
            oldest = next(iter(self._logs), newest.id)
            if oldest != newest.id:
                self._forget_log(oldest)
            elif not self._forget_oldest(newest):
                return

    def _forget_oldest(self, newest: Entry) -> bool:
        others = (entry for entry in self._entries.values() if entry.finished and entry is not newest)
        oldest = next(others, None)
        if oldest is not None:
            self._forget(oldest.id)
        return oldest is not None
