"""Entries that were put or read lately, so that they need not be decoded again."""

from __future__ import annotations

import threading
from collections import OrderedDict

from .store import Entry

_OVERHEAD = 1000
"""Bytes that an entry takes beside its items: the struct, its texts, its place here."""


class Recent:
    """Entries by the number of their row, up to so many bytes; those not asked for longest go first.

    A row is never changed and its number never given again, so that nothing here can be out of date: whoever asks has
    found the number in the database just now. May be used from several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[int, int], tuple[Entry, int]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, file: int, row: int, entry: Entry, size: int) -> None:
        """Takes the entry of a row of a file, which has so many bytes; it must not be changed afterwards."""
        if size > self._max_bytes // 4:
            return
        size += _OVERHEAD
        with self._lock:
            if (file, row) not in self._entries:
                self._bytes += size
            self._entries[file, row] = entry, size
            while self._bytes > self._max_bytes:
                _, (_, gone) = self._entries.popitem(last=False)
                self._bytes -= gone

    def get(self, file: int, row: int) -> Entry | None:
        """Returns the entry of a row, if it is here."""
        with self._lock:
            found = self._entries.get((file, row))
            if found is None:
                return None
            self._entries.move_to_end((file, row))
            return found[0]
