"""One change of the database, all of it or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

import msgspec

from .bounds import Bounds
from .sqlite_cold import UNFIT, WAITS, ColdRows, ColdRule
from .sqlite_rows import COLUMNS, Row, ids_of

_COLUMNS = COLUMNS.split(", ")[1:]  # as Row has their values
_MAYBE = tuple(_COLUMNS.index(name) for name in ("parent", "deployment", "cost", "holder"))
_maybe_of = itemgetter(*_MAYBE)
_ROWS_AT_ONCE = 8
"""How many rows one statement writes at most: each further one takes but half as long as one by itself."""
_STATE = """
SELECT CASE WHEN seq > last THEN seq ELSE last END, CASE WHEN seq > last THEN all_entries ELSE entries END,
CASE WHEN seq > last THEN all_bytes ELSE bytes END, gone_entries, gone_bytes
FROM totals LEFT JOIN entries ON seq = (SELECT max(seq) FROM entries)
"""
_VERSION = "PRAGMA data_version"
"""A number that changes when another connection has written."""
_REMOVED = "UPDATE totals SET last = ?, entries = ?, bytes = ?, gone_entries = ?, gone_bytes = ?"
_INSERT_LOG = "INSERT INTO logs (entry, expires_at, body) VALUES (?, ?, ?)"
_FOUND = "SELECT seq, size, item_ids, (SELECT length(body) FROM logs WHERE entry = seq) FROM entries"
_OWN = f"{_FOUND} WHERE id = ? AND owner = ? AND expires_at > ?"
_ANY = f"{_FOUND} WHERE id = ?"
_EXPIRED = f"{_FOUND} WHERE expires_at <= ? LIMIT ?"
_OLDEST = f"{_FOUND} WHERE finished AND seq <= ? ORDER BY seq LIMIT ?"
_OLDEST_COLD = """
SELECT seq, size, item_ids, (SELECT length(body) FROM logs WHERE entry = seq)
FROM cold CROSS JOIN entries ON seq = entry
WHERE state = ? AND seq <= ? ORDER BY since LIMIT ?
"""
_EXPIRED_LOGS = "SELECT entry, length(body) FROM logs WHERE expires_at <= ? LIMIT ?"
_OLDEST_LOGS = "SELECT entry, length(body) FROM logs WHERE entry <= ? ORDER BY entry LIMIT ?"


def _with(columns: int) -> tuple[Callable[[tuple[Any, ...]], tuple[Any, ...]], str]:
    """Returns what picks the values that are there, and the names of their columns; those of _MAYBE are bits."""
    left_out = {place for bit, place in enumerate(_MAYBE) if not columns >> bit & 1}
    places = [place for place in range(len(_COLUMNS)) if place not in left_out]
    return itemgetter(*places), ", ".join(_COLUMNS[place] for place in places)


_WITH = tuple(_with(columns) for columns in range(1 << len(_MAYBE)))


@cache
def _insert_sql(columns: int, rows: int) -> str:
    """Returns what writes so many rows. What is not there is left out: sqlite3 takes 0.4 us for a None."""
    names = _WITH[columns][1]
    row = f"({', '.join('?' * (names.count(',') + 4))})"
    return (
        f"INSERT INTO entries (seq, all_entries, all_bytes, {names}) VALUES {', '.join([row] * rows)} "
        "ON CONFLICT (id) DO NOTHING"
    )


def _columns_of(row: Row) -> int:
    """Returns which columns of _MAYBE a row has a value for, each as a bit."""
    parent, deployment, cost, holder = _maybe_of(row.values)
    columns = 0 if parent is None else 1
    if deployment is not None:
        columns |= 2
    if cost is not None:
        columns |= 4
    return columns if holder is None else columns | 8


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

    def over(self, bounds: Bounds, backlog: int) -> bool:
        """Tells whether it is too much even while the cold store takes nothing."""
        return self.entries > 2 * bounds.max_responses or self.bytes > bounds.max_bytes + backlog


def state_of(db: sqlite3.Connection | sqlite3.Cursor) -> State:
    """Returns the state of a database."""
    return State(*db.execute(_STATE).fetchone())


class LastState:
    """The state as the last transaction over a connection left it: true for as long as no other one has written."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._version = -1
        self._state: State | None = None

    def take(self, connection: sqlite3.Connection, db: sqlite3.Cursor) -> State:
        """Returns the state, for a transaction that has begun, and forgets it until that has ended."""
        version = db.execute(_VERSION).fetchone()[0]
        known, self._state = self._state, None
        if known is not None and self._connection is connection and self._version == version:
            return known
        self._connection, self._version = connection, version
        return state_of(db)

    def put(self, state: State) -> None:
        """Takes the state that a transaction has left."""
        self._state = state


class Transaction:
    """Begins with `with`, is committed at its end, and undone when anything is raised. Raises sqlite3.Error.

    Rows are numbered by their put and no number is given twice. With a rule entries are to be moved to the cold store;
    `cold` is None where there never was one. `lost` is how many entries had to go before they could be moved.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        now: float,
        rule: ColdRule | None = None,
        *,
        known: bool = False,
        last: LastState | None = None,
    ) -> None:
        self._connection = connection
        self._known_state = last or LastState()
        self._db = connection.cursor()
        self._now = now
        self._removed = False
        self.cold = ColdRows(self._db, now, rule) if known or rule is not None else None
        self.lost = 0

    def __enter__(self) -> Self:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._state = self._known_state.take(self._connection, self._db)
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
                self._known_state.put(self._state)
        finally:
            self._undo()

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._db.execute("ROLLBACK")

    def put(self, rows: Sequence[Row]) -> None:
        """Writes rows, each in the place of one with the same id, and gives them their numbers.

        No two of them have the same id.
        """
        start = 0
        while start < len(rows):
            columns, stop = _columns_of(rows[start]), start + 1
            while stop < len(rows) and stop - start < _ROWS_AT_ONCE and _columns_of(rows[stop]) == columns:
                stop += 1
            self._insert(columns, rows[start:stop])
            start = stop
        pairs = [(id, row.seq) for row in rows if row.ids for id in row.ids]
        if pairs:
            self._db.executemany("INSERT INTO items (id, entry) VALUES (?, ?)", pairs)
        logs = [(row.seq, row.log_until, row.log) for row in rows if row.log]
        if logs:
            self._db.executemany(_INSERT_LOG, logs)
        if self.cold is not None:
            for row in rows:
                self.cold.put(row.seq, row.entry)

    def _insert(self, columns: int, rows: Sequence[Row]) -> None:
        """Writes rows that have values in the same columns."""
        state, (pick, _) = self._state, _WITH[columns]
        values: list[Any] = []
        for row in rows:
            state.last += 1
            state.all_entries += 1
            state.all_bytes += row.size + len(row.log)
            row.seq = state.last
            values += (state.last, state.all_entries, state.all_bytes)
            values += pick(row.values)
        if self._db.execute(_insert_sql(columns, len(rows)), values).rowcount == len(rows):
            return
        each = len(values) // len(rows)
        for place, row in enumerate(rows):
            found = self._db.execute(_ANY, (row.entry.id,)).fetchall()
            if found[0][0] != row.seq:
                self._remove(found, deleted=True)
                self._db.execute(_insert_sql(columns, 1), values[place * each : (place + 1) * each])

    def delete(self, id: str, owner: str) -> bool:
        """Removes an entry of an owner; tells whether there was one that had not expired."""
        found = self._db.execute(_OWN, (id, owner, self._now)).fetchall()
        self._remove(found, deleted=True)
        return bool(found)

    def sweep(self, most: int) -> int:
        """Removes up to so many entries, and as many logs, that have expired; returns of what there were more."""
        found = self._db.execute(_EXPIRED, (self._now, most)).fetchall()
        self._remove(found)
        logs = self._db.execute(_EXPIRED_LOGS, (self._now, most)).fetchall()
        self._remove_logs(logs)
        return max(len(found), len(logs), self._leave(self._state.last, most, old=True))

    def trim(self, bounds: Bounds, most: int) -> int:
        """Removes up to so many entries and logs that are too many: what has expired, then what is finished.

        The oldest go first; for bytes, logs go before entries. Those of this transaction stay, and so does what was
        put last of all. With a cold store those go first whose bodies are there; what still waits for it goes only when
        there is no more room for that. Returns how many were removed.
        """
        state = self._state
        if state.within(bounds):
            return 0
        removed = self.sweep(most)
        over = state.entries - bounds.max_responses
        if over > 0:
            removed += self._evict(min(over + min(state.entries // _FEW, _FEW), max(most - removed, 0)), bounds)
        while removed < most and state.bytes > bounds.max_bytes:
            gone = self._evict_logs(state.bytes - bounds.max_bytes) or self._evict(1, bounds)
            if not gone:
                break
            removed += gone
        return removed

    @property
    def _before(self) -> int:
        """The last number that may be evicted."""
        return min(self._last_before, self._state.last - 1)

    def _evict(self, most: int, bounds: Bounds) -> int:
        if self.cold is None or self.cold.rule is None:
            found = self._db.execute(_OLDEST, (self._before, most)).fetchall()
            self._remove(found)
            return len(found)
        if left := self._leave(self._before, most, old=False):
            return left
        found = self._db.execute(_OLDEST_COLD, (UNFIT, self._before, most)).fetchall()
        if not found and self._state.over(bounds, self.cold.rule.backlog):
            found = self._db.execute(_OLDEST_COLD, (WAITS, self._before, most)).fetchall()
            self.lost += len(found)
        self._remove(found, deleted=True)
        return len(found)

    def _leave(self, last: int, most: int, *, old: bool) -> int:
        """Lets bodies go that are in the cold store; returns how many."""
        sizes = self.cold.leave(last, most, old=old) if self.cold is not None else []
        if sizes:
            self._removed = True
            self._state.gone_entries += len(sizes)
            self._state.gone_bytes += sum(sizes)
        return len(sizes)

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

    def _remove(self, found: list[_Found], *, deleted: bool = False) -> None:
        """Removes entries; `deleted` ones must not come back from the cold store, even if they are on their way."""
        if not found:
            return
        self._removed = True
        if self.cold is not None:
            self.cold.removing([seq for seq, _, _, _ in found], again=deleted)
        pairs = [(id, seq) for seq, _, ids, _ in found if ids for id in ids_of(ids)]
        if pairs:
            self._db.executemany("DELETE FROM items WHERE id = ? AND entry = ?", pairs)
        self._db.executemany("DELETE FROM entries WHERE seq = ?", [(seq,) for seq, _, _, _ in found])
        sizes = [size for _, size, _, _ in found if size]  # those without a body have been counted
        self._state.gone_entries += len(sizes)
        self._state.gone_bytes += sum(sizes)
        self._remove_logs([(seq, length) for seq, _, _, length in found if length is not None])

    def _remove_logs(self, found: list[tuple[int, int]]) -> None:
        if not found:
            return
        self._removed = True
        self._db.executemany("DELETE FROM logs WHERE entry = ?", [(entry,) for entry, _ in found])
        self._state.gone_bytes += sum(length for _, length in found)
