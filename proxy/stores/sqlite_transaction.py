"""One change of the database, all of it or nothing."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Self

from .bounds import Bounds
from .sqlite_rows import COLUMNS, Row, ids_of

_INSERT = f"INSERT INTO entries ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"
_OWN = "SELECT seq, size, item_ids FROM entries WHERE id = ? AND owner = ? AND expires_at > ?"
_ANY = "SELECT seq, size, item_ids FROM entries WHERE id = ?"
_EXPIRED = "SELECT seq, size, item_ids FROM entries WHERE expires_at <= ? LIMIT ?"
_OLDEST = "SELECT seq, size, item_ids FROM entries WHERE finished AND seq <= ? ORDER BY seq LIMIT ?"

_Found = tuple[int, int, bytes]


class Transaction:
    """Begins with `with`, is committed at its end, and undone when anything is raised. Raises sqlite3.Error.

    How many entries there are, of how many bytes, is kept in the table `totals`: counting them would take reading them.
    Rows are numbered by their put and no number is given twice.
    """

    def __init__(self, db: sqlite3.Connection, now: float) -> None:
        self._db = db
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
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def put(self, row: Row) -> int:
        """Writes a row in the place of one with the same id; returns its number."""
        self._changed = True
        self._last += 1
        values = (self._last, *row.values)
        if not self._db.execute(_INSERT, values).rowcount:
            self._remove(self._db.execute(_ANY, (row.entry.id,)).fetchall())
            self._db.execute(_INSERT, values)
        self._db.executemany("INSERT INTO items (id, entry) VALUES (?, ?)", [(id, self._last) for id in row.ids])
        self._entries += 1
        self._bytes += row.size
        return self._last

    def delete(self, id: str, owner: str) -> bool:
        """Removes an entry of an owner; tells whether there was one that had not expired."""
        found = self._db.execute(_OWN, (id, owner, self._now)).fetchall()
        self._remove(found)
        return bool(found)

    def sweep(self, most: int) -> int:
        """Removes up to so many entries that have expired; returns how many."""
        found = self._db.execute(_EXPIRED, (self._now, most)).fetchall()
        self._remove(found)
        return len(found)

    def trim(self, bounds: Bounds, most: int) -> int:
        """Removes up to so many entries that are too many: what has expired, then what is finished, the oldest first.

        Entries of this transaction stay, and so does the one put last of all. Returns how many were removed.
        """
        if self._within(bounds):
            return 0
        removed = self.sweep(most)
        while not self._within(bounds) and removed < most:
            over = max(1, self._entries - bounds.max_responses)
            oldest = (min(self._last_before, self._last - 1), min(over, most - removed))
            found = self._db.execute(_OLDEST, oldest).fetchall()
            if not found:
                break
            self._remove(found)
            removed += len(found)
        return removed

    def _within(self, bounds: Bounds) -> bool:
        return self._entries <= bounds.max_responses and self._bytes <= bounds.max_bytes

    def _remove(self, found: list[_Found]) -> None:
        if not found:
            return
        self._changed = True
        pairs = [(id, seq) for seq, _, ids in found for id in ids_of(ids)]
        self._db.executemany("DELETE FROM items WHERE id = ? AND entry = ?", pairs)
        self._db.executemany("DELETE FROM entries WHERE seq = ?", [(seq,) for seq, _, _ in found])
        self._entries -= len(found)
        self._bytes -= sum(size for _, size, _ in found)
