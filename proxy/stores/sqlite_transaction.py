"""One change of the database, all of it or nothing."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Self

from .bounds import Bounds
from .sqlite_rows import COLUMNS, Row, ids_of

_INSERT = f"INSERT INTO entries ({COLUMNS}) VALUES ({','.join('?' * len(COLUMNS.split()))}) ON CONFLICT (id) DO NOTHING"
_INSERT_LOG = "INSERT INTO logs (entry, expires_at, body) VALUES (?, ?, ?)"
_FOUND = "SELECT seq, size, item_ids, (SELECT length(body) FROM logs WHERE entry = seq) FROM entries"
_OWN = f"{_FOUND} WHERE id = ? AND owner = ? AND expires_at > ?"
_ANY = f"{_FOUND} WHERE id = ?"
_EXPIRED = f"{_FOUND} WHERE expires_at <= ? LIMIT ?"
_OLDEST = f"{_FOUND} WHERE finished AND seq <= ? ORDER BY seq LIMIT ?"
_EXPIRED_LOGS = "SELECT entry, length(body) FROM logs WHERE expires_at <= ? LIMIT ?"
_OLDEST_LOGS = "SELECT entry, length(body) FROM logs WHERE entry <= ? ORDER BY entry LIMIT ?"

_Found = tuple[int, int, bytes, int | None]
"""Number, size, column of ids, and the length of the log of an entry that has one."""
_LOGS_AT_ONCE = 16
_FEW = 64


class Transaction:
    """Begins with `with`, is committed at its end, and undone when anything is raised. Raises sqlite3.Error.

    How many entries there are, of how many bytes, is kept in the table `totals`: counting them would take reading them.
    Rows are numbered by their put and no number is given twice.
    """

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self._db = connection.cursor()
        self._now = now
        self._entries = self._bytes = self._last = self._last_before = 0
        self._changed = False

    def __enter__(self) -> Self:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            totals = self._db.execute("SELECT last, entries, bytes FROM totals").fetchone()
            self._last, self._entries, self._bytes = totals
        except BaseException:
            self._undo()
            raise
        self._last_before = self._last
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._changed:
                totals = (self._last, self._entries, self._bytes)
                self._db.execute("UPDATE totals SET last = ?, entries = ?, bytes = ?", totals)
            if error is None:
                self._db.execute("COMMIT")
        finally:
            self._undo()

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._db.execute("ROLLBACK")

    def put(self, row: Row) -> int:
        """Writes a row in the place of one with the same id; returns its number."""
        self._changed = True
        self._last += 1
        values = (self._last, *row.values)
        if not self._db.execute(_INSERT, values).rowcount:
            self._remove(self._db.execute(_ANY, (row.entry.id,)).fetchall())
            self._db.execute(_INSERT, values)
        if row.ids:
            self._db.executemany("INSERT INTO items (id, entry) VALUES (?, ?)", [(id, self._last) for id in row.ids])
        if row.log:
            self._db.execute(_INSERT_LOG, (self._last, row.log_until, row.log))
        self._entries += 1
        self._bytes += row.size + len(row.log)
        return self._last

    def delete(self, id: str, owner: str) -> bool:
        """Removes an entry of an owner; tells whether there was one that had not expired."""
        found = self._db.execute(_OWN, (id, owner, self._now)).fetchall()
        self._remove(found)
        return bool(found)

    def sweep(self, most: int) -> int:
        """Removes up to so many entries, and as many logs, that have expired; returns of what there were more."""
        found = self._db.execute(_EXPIRED, (self._now, most)).fetchall()
        self._remove(found)
        logs = self._db.execute(_EXPIRED_LOGS, (self._now, most)).fetchall()
        self._remove_logs(logs)
        return max(len(found), len(logs))

    def trim(self, bounds: Bounds, most: int) -> int:
        """Removes up to so many entries and logs that are too many: what has expired, then what is finished.

        The oldest go first; for bytes, logs go before entries. Those of this transaction stay, and so does what was
        put last of all. Returns how many were removed.
        """
        if self._within(bounds):
            return 0
        removed = self.sweep(most)
        over = self._entries - bounds.max_responses
        if over > 0:
            removed += self._evict(min(over + min(self._entries // _FEW, _FEW), max(most - removed, 0)))
        while removed < most and self._bytes > bounds.max_bytes:
            gone = self._evict_logs(self._bytes - bounds.max_bytes) or self._evict(1)
            if not gone:
                break
            removed += gone
        return removed

    def _within(self, bounds: Bounds) -> bool:
        return self._entries <= bounds.max_responses and self._bytes <= bounds.max_bytes

    @property
    def _before(self) -> int:
        """The last number that may be evicted."""
        return min(self._last_before, self._last - 1)

    def _evict(self, most: int) -> int:
        found = self._db.execute(_OLDEST, (self._before, most)).fetchall()
        self._remove(found)
        return len(found)

    def _evict_logs(self, size: int) -> int:
        """Removes the oldest logs of so many bytes, or some of them; returns how many."""
        found: list[tuple[int, int]] = []
        for entry, length in self._db.execute(_OLDEST_LOGS, (self._before, _LOGS_AT_ONCE)).fetchall():
            if size <= 0:
                break
            size -= length
            found.append((entry, length))
        self._remove_logs(found)
        return len(found)

    def _remove(self, found: list[_Found]) -> None:
        if not found:
            return
        self._changed = True
        pairs = [(id, seq) for seq, _, ids, _ in found if ids for id in ids_of(ids)]
        if pairs:
            self._db.executemany("DELETE FROM items WHERE id = ? AND entry = ?", pairs)
        self._db.executemany("DELETE FROM entries WHERE seq = ?", [(seq,) for seq, _, _, _ in found])
        self._entries -= len(found)
        self._bytes -= sum(size for _, size, _, _ in found)
        self._remove_logs([(seq, length) for seq, _, _, length in found if length is not None])

    def _remove_logs(self, found: list[tuple[int, int]]) -> None:
        if not found:
            return
        self._changed = True
        self._db.executemany("DELETE FROM logs WHERE entry = ?", [(entry,) for entry, _ in found])
        self._bytes -= sum(length for _, length in found)
