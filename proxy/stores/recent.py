"""Entries that were put or read lately, so that they need not be decoded again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

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
        self.add_all(file, [(row, entry, size)])

    def add_all(self, file: int, rows: Iterable[tuple[int, Entry, int]]) -> None:
        """Takes entries of rows, each with its bytes, at once: the lock takes longer than what is done under it."""
        most, entries = self._max_bytes // 4, self._entries
        with self._lock:
            for row, entry, size in rows:
                if size > most:
                    continue
                size += _OVERHEAD
                key = file, row
                if key not in entries:
                    self._bytes += size
                entries[key] = entry, size
            while self._bytes > self._max_bytes:
                _, (_, gone) = entries.popitem(last=False)
                self._bytes -= gone

    def get(self, file: int, row: int) -> Entry | None:
        """Returns the entry of a row, if it is here."""
        key, entries = (file, row), self._entries
        with self._lock:
            found = entries.get(key)
            if found is None:
                return None
            entries.move_to_end(key)
        return found[0]
