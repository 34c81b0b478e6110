"""Everything that is read from the database, each by one query.

What was put or read lately is mostly at hand. So one that asks for a response, or a chain, first asks for the numbers
of its rows alone, which takes a third of the time; the query for the rows themselves finds out anew which they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from .cold_object import Content
from .item_ids import by_response, named_items
from .recent import Recent
from .sqlite_cold import Work, is_gone_there, work_of
from .sqlite_file import Database
from .sqlite_holder import is_gone, remove_left
from .sqlite_rows import COLUMNS, entry_of
from .store import Entry, StoreFailed

_WHOLE = ", ".join(
    "CASE WHEN is_recent(entries.seq) THEN NULL ELSE body END" if column == "body" else f"entries.{column}"
    for column in COLUMNS.split(", ")
)
_SEEN = "entries.owner = :owner AND entries.expires_at > :now"

_GET = f"SELECT {_WHOLE} FROM entries WHERE entries.id = :id AND {_SEEN}"
_GET_NUMBER = f"SELECT seq FROM entries WHERE entries.id = :id AND {_SEEN}"

# The recursion gives its rows in the order in which it finds them, so the newest comes first.
_LINE = f"""
WITH RECURSIVE line (seq, parent) AS (
  SELECT seq, parent FROM entries WHERE id = :id AND {_SEEN}
  UNION ALL
  SELECT entries.seq, entries.parent FROM line CROSS JOIN entries ON entries.id = line.parent WHERE {_SEEN}
)
"""
_CHAIN = f"{_LINE} SELECT {_WHOLE} FROM line CROSS JOIN entries ON entries.seq = line.seq"
_CHAIN_NUMBERS = f"{_LINE} SELECT seq FROM line"

# One id may stand in many entries: clients send the same items again. The entry put last has the word.
_ITEMS = f"""
SELECT {_WHOLE} FROM entries WHERE seq IN (
  SELECT max(entries.seq)
  FROM items CROSS JOIN entries ON entries.seq = items.entry
  WHERE items.id IN (%s) AND entries.owner = ? AND entries.expires_at > ?
  GROUP BY items.id
)
ORDER BY seq
"""
_SEVERAL = f"SELECT {_WHOLE} FROM entries WHERE id IN (%s) AND owner = ? AND expires_at > ?"
_LOG = f"""
SELECT logs.body FROM entries JOIN logs ON logs.entry = seq WHERE id = :id AND {_SEEN} AND logs.expires_at > :now
"""
_HOLDERS = "SELECT DISTINCT holder FROM entries WHERE holder IS NOT NULL"
_HELD = f"SELECT {_WHOLE} FROM entries WHERE holder = ? AND expires_at > ?"
_IDS_AT_ONCE = 500


class Elsewhere(msgspec.Struct, frozen=True):
    """An entry that is in the cold store alone. `file` and `seq` say which row it is."""

    id: str
    owner: str
    parent: str | None
    expires_at: float
    file: int
    seq: int


Found = Entry | Elsewhere
FoundItems = list[tuple[list[str], dict[str, msgspec.Raw] | Elsewhere]]
"""Items by their ids, or the entry that may have them; what comes later has the word."""


class Get(msgspec.Struct):
    """An entry; the result is what was found or None."""

    id: str
    owner: str


class Chain(msgspec.Struct):
    """An entry and all before it, as far as they are known; the result is a list of what was found, the oldest first.

    It is None when they go round in a circle.
    """

    id: str
    owner: str


class Items(msgspec.Struct):
    """Items by their ids; the result is FoundItems."""

    ids: list[str]
    owner: str


class Log(msgspec.Struct):
    """The event log of an entry; the result is b"" when there is none."""

    id: str
    owner: str


class Abandoned(msgspec.Struct):
    """The entries that are not finished, and whose process is gone; the result is a list."""


class GoneThere(msgspec.Struct):
    """Whether an id was removed and may still be in the cold store; the result is a bool."""

    id: str
    owner: str


class Waiting(msgspec.Struct):
    """What is to be done in the cold store now; the result is Work."""

    most: int
    most_bytes: int
    content: Content


Read = Get | Chain | Items | Log | Abandoned | GoneThere | Waiting


class Reader:
    """Handles reads. The body of an entry that is in `recent` is neither read nor decoded."""

    def __init__(self, database: Database, recent: Recent, clock: Callable[[], float]) -> None:
        self._database = database
        self._recent = recent
        self._clock = clock
        self._at_hand: dict[int, Entry] = {}

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Gives a new connection the function that the queries ask for what need not be read."""
        connection.execute("PRAGMA query_only = ON")
        connection.create_function("is_recent", 1, self._is_recent)

    def open(self) -> None:
        """Opens the database; raises StoreFailed."""
        self._database.connection()

    def close(self) -> None:
        """Closes it."""
        self._database.close()

    def rest(self) -> float:
        """Does nothing."""
        return 3600.0

    def run(self, jobs: Sequence[Read]) -> list[Any]:
        """Reads one after the other; returns results, or what to raise."""
        return [self._result(job) for job in jobs]

    def _result(self, job: Read) -> Any:
        try:
            connection = self._database.connection()
            return self._answer(connection, job)
        except StoreFailed as error:
            return error
        except (sqlite3.Error, OSError) as error:
            return self._database.failed(error)
        finally:
            self._at_hand.clear()

    def _answer(self, connection: sqlite3.Connection, job: Read) -> Any:
        match job:
            case Get():
                return self._get(connection, job)
            case Chain():
                return self._chain(connection, job)
            case Items():
                return self._items(connection, job)
            case Log():
                return self._log(connection, job)
            case Abandoned():
                return self._abandoned(connection)
            case GoneThere():
                return is_gone_there(connection, job.id, job.owner)
            case Waiting():
                return self._waiting(connection, job)

    def _get(self, connection: sqlite3.Connection, job: Get) -> Found | None:
        named = {"id": job.id, "owner": job.owner, "now": self._clock()}
        line = self._line_at_hand(connection, _GET_NUMBER, named)
        if line is not None:
            return line[0] if line else None
        row = connection.execute(_GET, named).fetchone()
        return None if row is None else _own(self._found(row))

    def _chain(self, connection: sqlite3.Connection, job: Chain) -> list[Found] | None:
        named = {"id": job.id, "owner": job.owner, "now": self._clock()}
        at_hand = self._line_at_hand(connection, _CHAIN_NUMBERS, named)
        if at_hand is not None:
            return [*at_hand]
        line: dict[str, Found] = {}
        cursor = connection.execute(_CHAIN, named)
        try:
            for row in cursor:
                found = self._found(row)
                if found.id in line:
                    return None  # they go round in a circle
                line[found.id] = _own(found)
        finally:
            cursor.close()
        return list(reversed(line.values()))

    def _line_at_hand(
        self, connection: sqlite3.Connection, numbers: str, named: dict[str, object]
    ) -> list[Entry] | None:
        """Returns the entries of the rows whose numbers a query gives, in reverse; None when not all are at hand.

        The newest is asked for first: whoever has put it here has read those before it.
        """
        line: dict[int, Entry] = {}
        cursor = connection.execute(numbers, named)
        try:
            for (seq,) in cursor:
                entry = self._recent.get(self._database.file, seq)
                if entry is None or seq in line:
                    return None
                line[seq] = entry
        finally:
            cursor.close()
        return [entry.copy() for entry in reversed(line.values())]

    def _items(self, connection: sqlite3.Connection, job: Items) -> FoundItems:
        found: FoundItems = []
        made, others = by_response(list(dict.fromkeys(job.ids)))
        for wanted, one in self._several(connection, _ITEMS, others, job.owner):
            found.append((wanted, one if isinstance(one, Elsewhere) else picked(one, wanted)))
        for _, one in self._several(connection, _SEVERAL, list(made), job.owner):
            wanted = made[one.id]
            found.append((wanted, one if isinstance(one, Elsewhere) else picked(one, wanted)))
        return found

    def _several(
        self, connection: sqlite3.Connection, sql: str, ids: list[str], owner: str
    ) -> Iterator[tuple[list[str], Found]]:
        """Gives the entries that a query finds by any number of ids, each with those that were asked for with it."""
        for start in range(0, len(ids), _IDS_AT_ONCE):
            wanted = ids[start : start + _IDS_AT_ONCE]
            rows = connection.execute(sql % ",".join("?" * len(wanted)), (*wanted, owner, self._clock())).fetchall()
            for row in rows:
                yield wanted, self._found(row)

    def _waiting(self, connection: sqlite3.Connection, job: Waiting) -> Work:
        return work_of(connection, self._clock(), job.most, job.most_bytes, job.content)

    def _log(self, connection: sqlite3.Connection, job: Log) -> bytes:
        row = connection.execute(_LOG, {"id": job.id, "owner": job.owner, "now": self._clock()}).fetchone()
        return b"" if row is None else bytes(row[0])

    def _abandoned(self, connection: sqlite3.Connection) -> list[Entry]:
        path = self._database.path
        holders = [token for (token,) in connection.execute(_HOLDERS).fetchall()]
        entries: list[Entry] = []
        for token in holders:
            if is_gone(path, token):
                rows = connection.execute(_HELD, (token, self._clock())).fetchall()
                entries += [self._entry(row).copy() for row in rows]
        remove_left(path)
        return entries

    def _is_recent(self, seq: int) -> bool:
        """Tells whether a row's entry need not be read, and keeps it at hand until its row has been fetched."""
        entry = self._recent.get(self._database.file, seq)
        if entry is not None:
            self._at_hand[seq] = entry
        return entry is not None

    def _found(self, row: tuple[Any, ...]) -> Found:
        if row[4] or row[-1] is None:
            return self._entry(row)
        return Elsewhere(row[1], row[2], row[10], row[7], self._database.file, row[0])

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        if row[-1] is None:
            return self._at_hand.pop(row[0])
        entry = entry_of(row)
        self._recent.add(self._database.file, row[0], entry, row[4])
        return entry


def picked(entry: Entry, wanted: Sequence[str]) -> dict[str, msgspec.Raw]:
    """Returns those items of an entry that are wanted."""
    items = named_items(entry)
    return {id: items[id] for id in wanted if id in items}


def _own(found: Found) -> Found:
    return found.copy() if isinstance(found, Entry) else found
