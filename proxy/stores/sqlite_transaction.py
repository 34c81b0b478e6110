"""One change of the database, all of it or nothing."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Self

import msgspec

from .bounds import Bounds
from .sqlite_rows import COLUMNS, Row, ids_of

_INSERT = (
    f"INSERT INTO entries (all_entries, all_bytes, {COLUMNS}) VALUES (?,?{',?' * len(COLUMNS.split())}) "
    "ON CONFLICT (id) DO NOTHING"
)
_STATE = """
SELECT last, entries, bytes, gone_entries, gone_bytes, seq, all_entries, all_bytes
FROM totals LEFT JOIN (SELECT seq, all_entries, all_bytes FROM entries ORDER BY seq DESC LIMIT 1)
"""
_REMOVED = "UPDATE totals SET last = ?, entries = ?, bytes = ?, gone_entries = ?, gone_bytes = ?"
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


class State(msgspec.Struct):
    """The number of the last put, what was ever put, and what was ever removed; see sqlite_schema."""

    last: int
    all_entries: int
    all_bytes: int
    gone_entries: int
    gone_bytes: int

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return self.all_entries - self.gone_entries

    @property
    def bytes(self) -> int:
        """How many bytes they have, with their logs."""
        return self.all_bytes - self.gone_bytes

    def within(self, bounds: Bounds) -> bool:
        """Tells whether nothing is too much."""
        return self.entries <= bounds.max_responses and self.bytes <= bounds.max_bytes


def state_of(db: sqlite3.Connection | sqlite3.Cursor) -> State:
    """Returns the state of a database."""
    last, entries, size, gone_entries, gone_bytes, seq, all_entries, all_bytes = db.execute(_STATE).fetchone()
    if seq is not None and seq > last:
        last, entries, size = seq, all_entries, all_bytes
    return State(last, entries, size, gone_entries, gone_bytes)


class Transaction:
    """Begins with `with`, is committed at its end, and undone when anything is raised. Raises sqlite3.Error.

    Rows are numbered by their put and no number is given twice.
    """

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self._db = connection.cursor()
        self._now = now
        self._removed = False

    def __enter__(self) -> Self:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._state = state_of(self._db)
        except BaseException:
            self._undo()
            raise
        self._last_before = self._state.last
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._removed:
                self._db.execute(_REMOVED, msgspec.structs.astuple(self._state))
            if error is None:
                self._db.execute("COMMIT")
        finally:
            self._undo()

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._db.execute("ROLLBACK")

    def put(self, row: Row) -> int:
        """Writes a row in the place of one with the same id; returns its number."""
        state = self._state
        state.last += 1
        state.all_entries += 1
        state.all_bytes += row.size + len(row.log)
        values = (state.all_entries, state.all_bytes, state.last, *row.values)
        if not self._db.execute(_INSERT, values).rowcount:
            self._remove(self._db.execute(_ANY, (row.entry.id,)).fetchall())
            self._db.execute(_INSERT, values)
        if row.ids:
            self._db.executemany("INSERT INTO items (id, entry) VALUES (?, ?)", [(id, state.last) for id in row.ids])
        if row.log:
            self._db.execute(_INSERT_LOG, (state.last, row.log_until, row.log))
        return state.last

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
        state = self._state
        if state.within(bounds):
            return 0
        removed = self.sweep(most)
        over = state.entries - bounds.max_responses
        if over > 0:
            removed += self._evict(min(over + min(state.entries // _FEW, _FEW), max(most - removed, 0)))
        while removed < most and state.bytes > bounds.max_bytes:
            gone = self._evict_logs(state.bytes - bounds.max_bytes) or self._evict(1)
            if not gone:
                break
            removed += gone
        return removed

    @property
    def _before(self) -> int:
        """The last number that may be evicted."""
        return min(self._last_before, self._state.last - 1)

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
        self._removed = True
        pairs = [(id, seq) for seq, _, ids, _ in found if ids for id in ids_of(ids)]
        if pairs:
            self._db.executemany("DELETE FROM items WHERE id = ? AND entry = ?", pairs)
        self._db.executemany("DELETE FROM entries WHERE seq = ?", [(seq,) for seq, _, _, _ in found])
        self._state.gone_entries += len(found)
        self._state.gone_bytes += sum(size for _, size, _, _ in found)
        self._remove_logs([(seq, length) for seq, _, _, length in found if length is not None])

    def _remove_logs(self, found: list[tuple[int, int]]) -> None:
        if not found:
            return
        self._removed = True
        self._db.executemany("DELETE FROM logs WHERE entry = ?", [(entry,) for entry, _ in found])
        self._state.gone_bytes += sum(length for _, length in found)
