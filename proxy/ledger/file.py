"""The ledger's file: a SQLite database with one row an exchange, and sums by day that are all that is ever asked.

Rows and their sums are written in one transaction: whatever happens, either both are there or neither. Several workers
may write to one file, and whoever only reads never waits for them (WAL).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..stores.store import StoreFailed
from .row import Row

_APPLICATION = 0x50535450  # "PSTP"
_VERSION = 1
_AT_ONCE = 2000  # rows deleted in one transaction

_NAMES = ("day", "key", "team", "user", "model", "upstream")
_END_USER_NAMES = ("day", "end_user", "key", "team", "user", "model")
_SUMS = ("requests", "input", "cached", "output", "reasoning", "cost", "estimated", "unpriced", "partial")

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE exchanges (
  ended REAL NOT NULL, day TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL, user TEXT NOT NULL,
  end_user TEXT NOT NULL, model TEXT NOT NULL, upstream TEXT NOT NULL, upstream_model TEXT NOT NULL,
  outcome TEXT NOT NULL, attempts INTEGER NOT NULL, input INTEGER NOT NULL, cached INTEGER, output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, cost INTEGER, estimated INTEGER NOT NULL, partial INTEGER NOT NULL
);
CREATE INDEX exchanges_by_day ON exchanges (day);
CREATE TABLE days (
  {", ".join(f"{name} TEXT NOT NULL" for name in _NAMES)},
  {", ".join(f"{name} INTEGER NOT NULL" for name in _SUMS)},
  PRIMARY KEY ({", ".join(_NAMES)})
) WITHOUT ROWID;
CREATE TABLE end_user_days (
  {", ".join(f"{name} TEXT NOT NULL" for name in _END_USER_NAMES)},
  {", ".join(f"{name} INTEGER NOT NULL" for name in _SUMS)},
  PRIMARY KEY ({", ".join(_END_USER_NAMES)})
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""


def _adding(table: str, names: Sequence[str]) -> str:
    columns = (*names, *_SUMS)
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT DO UPDATE SET {added}"
    )


_MAYBE = ("cached", "cost")
_VALUES = ", ".join("nullif(?, '')" if name in _MAYBE else "?" for name in Row._fields)
_ADD_ROW = f"INSERT INTO exchanges ({', '.join(Row._fields)}) VALUES ({_VALUES})"
"""Unknown numbers are given as a text: sqlite3 asks a None how it wants to be written, which takes 0.4 us."""
_ADD_DAY = _adding("days", _NAMES)
_ADD_END_USER = _adding("end_user_days", _END_USER_NAMES)


def open_ledger(path: Path, *, durable: bool = False, busy_s: float = 5.0) -> sqlite3.Connection:
    """Returns a connection that may write; the file is made where there is none. Raises StoreFailed."""
    try:
        if not path.exists():  # what is in it is private
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreFailed(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    with _closed_if_unusable(path, connection):
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise StoreFailed(f"{path}: its file system cannot share it between processes: use a local disk")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        _check(path, connection, make=True)
    return connection


def read_ledger(path: Path, busy_s: float = 5.0) -> sqlite3.Connection:
    """Returns a connection that only reads; raises StoreFailed, also where there is no file or nothing in it yet."""
    if not path.exists():
        raise StoreFailed(f"{path}: there is no ledger")
    try:
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreFailed(f"{path}: {error}") from error
    with _closed_if_unusable(path, connection):
        connection.execute("PRAGMA query_only = ON")
        _check(path, connection, make=False)
    return connection


@contextmanager
def _closed_if_unusable(path: Path, connection: sqlite3.Connection) -> Iterator[None]:
    """Closes a connection when what is done with it fails, and says so as StoreFailed."""
    try:
        yield
    except sqlite3.Error as error:
        connection.close()
        raise StoreFailed(f"{path}: {error}") from error
    except StoreFailed:
        connection.close()
        raise


def _check(path: Path, connection: sqlite3.Connection, *, make: bool) -> None:
    """Makes the tables in an empty file, or raises StoreFailed for it; always for one that is something else."""
    if _made(path, connection):
        return
    if not make:
        raise StoreFailed(f"{path}: there is no ledger")
    try:
        connection.executescript(_SCHEMA)
    except sqlite3.OperationalError:  # another worker may have been the first
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if not _made(path, connection):
            raise


def _made(path: Path, connection: sqlite3.Connection) -> bool:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == _APPLICATION and version > _VERSION:
        raise StoreFailed(f"{path}: a newer Penstock wrote it: use that one, or name another file")
    if application == _APPLICATION:
        return True
    if application or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreFailed(f"{path}: it is the database of another program: name another file")
    return False


def add_rows(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Writes rows and adds them to the sums, all or nothing; raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_ADD_ROW, map(_values, rows))
        days, end_users = _summed(rows)
        connection.executemany(_ADD_DAY, days)
        connection.executemany(_ADD_END_USER, end_users)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _values(row: Row) -> tuple[object, ...]:
    """Returns a row as exact numbers and texts. Hot: once an exchange."""
    *known, cached, output, reasoning, cost, estimated, partial = row
    known_cached, known_cost = "" if cached is None else cached, "" if cost is None else cost
    return (*known, known_cached, output, reasoning, known_cost, 1 if estimated else 0, 1 if partial else 0)


def _summed(rows: Sequence[Row]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Returns what rows add to the sums of days, and to those of end users. Hot: once an exchange."""
    all_names: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        _, day, _, key, team, user, end_user, model, upstream, *_, estimated, partial = row
        entry, cached, output, reasoning, cost = row[12:17]
        names = (day, key, team, user, end_user, model, upstream)
        known = all_names.get(names)
        if known is None:
            known = all_names[names] = [0] * len(_SUMS)
        known[0] += 1
        known[1] += entry
        if cached:
            known[2] += cached
        known[3] += output
        known[4] += reasoning
        if cost:
            known[5] += cost
        elif cost is None and entry + output > 0:
            known[7] += 1
        if estimated:
            known[6] += 1
        if partial:
            known[8] += 1
    days: dict[tuple[str, ...], list[int]] = {}
    end_users: dict[tuple[str, ...], list[int]] = {}
    for (day, key, team, user, end_user, model, upstream), sums in all_names.items():
        _add(days, (day, key, team, user, model, upstream), sums)
        _add(end_users, (day, end_user, key, team, user, model), sums)
    return [(*names, *sums) for names, sums in days.items()], [(*names, *sums) for names, sums in end_users.items()]


def _add(table: dict[tuple[str, ...], list[int]], names: tuple[str, ...], sums: list[int]) -> None:
    known = table.get(names)
    table[names] = sums if known is None else [one + more for one, more in zip(known, sums, strict=True)]


def forget(connection: sqlite3.Connection, before: str) -> bool:
    """Deletes some of what is of days before this one, but for the sums of days; returns whether there may be more.

    Those name nobody but keys, teams and users, and stay.
    """
    gone = connection.execute(
        "DELETE FROM exchanges WHERE rowid IN (SELECT rowid FROM exchanges WHERE day < ? LIMIT ?)", (before, _AT_ONCE)
    ).rowcount
    if gone < _AT_ONCE:
        connection.execute("DELETE FROM end_user_days WHERE day < ?", (before,))
    return gone == _AT_ONCE
