"""Ends of background responses that could not be kept when they came.

The store has such a response as one that still waits. Until it takes the end, that is told from here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from .store import Entry, ResponseStore, StoreFailed

_log = logging.getLogger("penstock")
_MOST = 256


class LateEnds:
    """Holds entries until the store takes them, their time is over, or there are more than `most` of them."""

    def __init__(self, store: ResponseStore, *, most: int = _MOST, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._most = most
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._trying = False

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Takes an entry that the store has not taken."""
        self._entries.pop(entry.id, None)
        self._entries[entry.id] = entry
        if len(self._entries) > self._most:
            oldest = next(iter(self._entries))
            del self._entries[oldest]
            _log.error("the end of response %s is lost: too many could not be kept", oldest)

    def get(self, id: str, owner: str) -> Entry | None:
        """Returns an entry, or None when the owner has none of that id here."""
        entry = self._entries.get(id)
        return entry if entry is not None and entry.owner == owner else None

    def forget(self, id: str, owner: str) -> None:
        """Gives an entry up: it was deleted."""
        if self.get(id, owner) is not None:
            del self._entries[id]

    async def keep(self) -> None:
        """Has the store take them; those that it still does not take stay, and hold up none of the others."""
        if self._trying:
            return
        now = self._clock()
        for id in [id for id, entry in self._entries.items() if entry.expires_at <= now]:
            del self._entries[id]
        self._trying = True
        try:
            await asyncio.gather(*map(self._keep, tuple(self._entries.values())))
        finally:
            self._trying = False

    async def _keep(self, entry: Entry) -> None:
        try:
            await self._store.put(entry)
            if self._entries.pop(entry.id, None) is None:  # it was deleted meanwhile
                await self._store.delete(entry.id, entry.owner)
        except StoreFailed:
            pass  # that has been logged when it came
