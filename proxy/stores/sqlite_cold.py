"""Which entries of the database are to be in the cold store, are there too, or are there alone.

The database says it all, so that nothing is lost or moved twice whenever a process ends: an entry waits from the commit
that keeps it; that it has arrived is written down before its body may go; and what is removed here leaves a note that
it is to be removed there, which stays until it is. Notes of what its owner has deleted are followed twice, the second
time some minutes later: an upload that was cut off may have arrived after the first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from .cold_object import Content, packed
from .sqlite_rows import COLUMNS, entry_of
from .store import Entry, StoreFailed

WAITS, THERE, ALONE, UNFIT = 0, 1, 2, 3
"""States: to be written there; there and here; there, and here without its body; never taken there."""

_LEAST_S = 600.0
"""What is kept for no longer is not moved: responses with `store: false`, above all."""
_AGAIN_S = 300.0

_WAITING = f"SELECT {COLUMNS} FROM cold CROSS JOIN entries ON seq = entry WHERE state = {WAITS} AND expires_at > ?"
_COUNT = f"SELECT count(*) FROM cold WHERE state = {WAITS}"
_GONE = "SELECT id, owner, again FROM cold_gone WHERE due <= ? ORDER BY due LIMIT ?"
_HERE = f"""
SELECT entry, size FROM cold CROSS JOIN entries ON seq = entry
WHERE state = {THERE} AND entry <= ? AND since <= ? ORDER BY since LIMIT ?
"""
_EVER = 1e18
_BURY = "INSERT OR REPLACE INTO cold_gone (id, owner, due, again) VALUES (?, ?, ?, ?)"
_BURY_ENTRY = """
INSERT OR REPLACE INTO cold_gone (id, owner, due, again)
SELECT id, owner, ?, ? FROM entries WHERE seq = ? AND EXISTS (SELECT 1 FROM cold WHERE entry = seq)
"""
# Both lists come from indexes alone: no entry is read for it.
_BEFORE = f"""
INSERT INTO cold (entry, state, since)
SELECT seq, {WAITS}, :now FROM entries INDEXED BY entries_by_expiry
WHERE expires_at > :now + :least AND seq NOT IN (SELECT entry FROM cold)
AND seq NOT IN (SELECT seq FROM entries WHERE holder IS NOT NULL)
"""


class ColdRule(msgspec.Struct, frozen=True, kw_only=True):
    """What is moved, and when it may leave this host.

    Bodies leave `after_s` after their put, or before when space is needed. While they cannot be moved the file may take
    `backlog` bytes more than its bounds, and twice the entries. Without content nothing leaves for its age.
    """

    after_s: float = 86400.0
    backlog: int = 1024**3
    content: Content = "full"

    @property
    def least_s(self) -> float:
        """How long what is moved must be kept, at least."""
        return max(self.after_s, _LEAST_S)

    def takes(self, entry: Entry, now: float) -> bool:
        """Tells whether an entry is moved."""
        return entry.finished and entry.expires_at - now > self.least_s


class Load(msgspec.Struct):
    """One object to write: the number of its entry, whose it is, and its bytes; None when it cannot be read."""

    seq: int
    owner: str
    id: str
    body: bytes | None


class Note(msgspec.Struct, frozen=True):
    """One object to remove, and whether it is to be removed again later."""

    id: str
    owner: str
    again: bool


class Work(msgspec.Struct):
    """What is to be done in the cold store now; `waiting` is how many entries are to be written there in all."""

    loads: list[Load]
    notes: list[Note]
    waiting: int = 0

    def __bool__(self) -> bool:
        return bool(self.loads or self.notes)


def work_of(db: sqlite3.Connection, now: float, most: int, most_bytes: int, content: Content) -> Work:
    """Returns some of what is to be done, the oldest first."""
    notes = [Note(id, owner, bool(again)) for id, owner, again in db.execute(_GONE, (now, most)).fetchall()]
    loads: list[Load] = []  # after the notes: who is removed in between is removed in the next round, after its load
    size = 0
    cursor = db.execute(f"{_WAITING} ORDER BY since LIMIT ?", (now, most))
    try:
        for row in cursor:
            try:
                body = packed(entry_of(row), content)
            except StoreFailed:
                body = None
            loads.append(Load(row[0], row[2], row[1], body))
            size += row[4]
            if size >= most_bytes:
                break
    finally:
        cursor.close()
    waiting = db.execute(_COUNT).fetchone()[0] if loads else 0
    return Work(loads, notes, waiting)


def is_gone_there(db: sqlite3.Connection, id: str, owner: str) -> bool:
    """Tells whether an id was removed here and may still be in the cold store."""
    return db.execute("SELECT 1 FROM cold_gone WHERE id = ? AND owner = ?", (id, owner)).fetchone() is not None


def is_known(db: sqlite3.Connection) -> bool:
    """Tells whether this file has ever had entries in a cold store that it still knows of."""
    sql = "SELECT EXISTS (SELECT 1 FROM cold) OR EXISTS (SELECT 1 FROM cold_gone)"
    return bool(db.execute(sql).fetchone()[0])


class ColdRows:
    """The part of a transaction that concerns the cold store. Without a rule nothing new is moved."""

    def __init__(self, db: sqlite3.Cursor, now: float, rule: ColdRule | None) -> None:
        self._db = db
        self._now = now
        self.rule = rule

    def put(self, seq: int, entry: Entry) -> None:
        """Takes note that an entry was put."""
        if self.rule is not None and self.rule.takes(entry, self._now):
            self._db.execute("INSERT INTO cold (entry, state, since) VALUES (?, ?, ?)", (seq, WAITS, self._now))
            self._db.execute("DELETE FROM cold_gone WHERE id = ? AND owner = ?", (entry.id, entry.owner))

    def removing(self, seqs: list[int], *, again: bool) -> None:
        """Takes note that entries are about to be removed: what is there of them is to go, too."""
        self._db.executemany(_BURY_ENTRY, [(self._now, int(again), seq) for seq in seqs])
        self._db.executemany("DELETE FROM cold WHERE entry = ?", [(seq,) for seq in seqs])

    def bury(self, note: Note) -> None:
        """Takes note of something to remove that is not known here."""
        self._db.execute(_BURY, (note.id, note.owner, self._now, int(note.again)))

    def moved(self, seqs: Sequence[int], state: int) -> None:
        """Takes note that entries have arrived there, or never will. Those that are gone or replaced are left alone."""
        self._db.executemany(
            f"UPDATE cold SET state = ? WHERE entry = ? AND state = {WAITS}", [(state, seq) for seq in seqs]
        )

    def followed(self, notes: Sequence[Note]) -> None:
        """Takes note that objects were removed, unless they were put again meanwhile."""
        later = [(self._now + _AGAIN_S, note.id, note.owner) for note in notes if note.again]
        self._db.executemany("UPDATE cold_gone SET due = ?, again = 0 WHERE id = ? AND owner = ?", later)
        done = [(note.id, note.owner) for note in notes if not note.again]
        self._db.executemany("DELETE FROM cold_gone WHERE id = ? AND owner = ? AND again = 0", done)

    def take_over(self, token: str, others: str | None) -> bool:
        """Makes a holder the mover when there is none, or the one there was (`others`) is gone."""
        found = self._db.execute("SELECT holder FROM cold_mover").fetchone()
        if (found[0] if found else None) != others:
            return False
        self._db.execute("DELETE FROM cold_mover")
        self._db.execute("INSERT INTO cold_mover (holder) VALUES (?)", (token,))
        return True

    def leave(self, last: int, most: int, *, old: bool) -> list[int]:
        """Lets the bodies of some entries go that are there; returns their sizes. `old` ones, or any up to `last`."""
        put_by = _EVER
        if old:
            if self.rule is None or self.rule.content == "none":
                return []
            put_by = self._now - self.rule.after_s
        found = self._db.execute(_HERE, (last, put_by, most)).fetchall()
        seqs = [(seq,) for seq, _ in found]
        self._db.executemany("UPDATE entries SET body = x'', size = 0 WHERE seq = ?", seqs)
        self._db.executemany(f"UPDATE cold SET state = {ALONE} WHERE entry = ?", seqs)
        return [size for _, size in found]

    def begin(self) -> None:
        """Takes note of all that was put before there was a cold store."""
        if self.rule is not None:
            self._db.execute(_BEFORE, {"now": self._now, "least": self.rule.least_s})


def is_due(db: sqlite3.Connection, now: float, rule: ColdRule) -> bool:
    """Tells whether bodies are old enough to go."""
    if rule.content == "none":
        return False
    sql = f"SELECT 1 FROM cold WHERE state = {THERE} AND since <= ? LIMIT 1"
    return db.execute(sql, (now - rule.after_s,)).fetchone() is not None
