"""The database file: opened, made, checked, put aside when it is broken, opened again when it is another.

Every connection belongs to one thread. All opening happens under a lock of the directory, so that of several workers
that find the file missing or broken one acts and the others see the result.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ..file_identity import file_identity
from .sqlite_schema import APPLICATION, MIGRATIONS, SCHEMA, VERSION
from .store import StoreFailed

OnCorrupt = Literal["refuse", "move-aside"]

_CHECK_UP_TO = 64 * 1024 * 1024
"""Files up to this size are checked whole when they are opened; that takes some 0.1 s."""
_LOOK_EVERY_S = 1.0
_LOG_BYTES = 16 * 1024 * 1024
"""What a log that had to grow larger is cut down to."""

_REASONS = {
    sqlite3.SQLITE_BUSY: "another process keeps it locked",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_FULL: "there is no space left on its disk",
    sqlite3.SQLITE_IOERR: "its disk failed",
    sqlite3.SQLITE_NOTADB: "it is no database",
    sqlite3.SQLITE_READONLY: "it may only be read",
}
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_KEPT = (None, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)
"""Errors after which a connection is as good as before."""

_log = logging.getLogger("penstock")


class Damaged(StoreFailed):
    """The file is no database, or its contents contradict each other."""


def code(error: BaseException) -> int | None:
    """Returns SQLite's primary result code for an error, if it is one of its."""
    extended: int | None = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF


def explained(path: Path, error: BaseException) -> StoreFailed:
    """Returns what to tell of an error that SQLite or the system raised."""
    kind = Damaged if code(error) in _BROKEN else StoreFailed
    reason = _REASONS.get(code(error) or 0)
    failed = kind(f"{path}: {reason} ({error})" if reason else f"{path}: {error}")
    failed.__cause__ = error
    return failed


class Alone:
    """Holds the lock of a directory within `with`.

    SQLite's own lock keeps others from writing too, but who finds it taken sleeps for longer and longer, and may be the
    last to get it each time: with several busy workers some writes took 100 ms. Here the kernel wakes who waits.
    """

    __slots__ = ("_directory",)

    def __init__(self, directory: int) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        fcntl.flock(self._directory, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._directory, fcntl.LOCK_UN)


class Database:
    """One thread's connection to the file. After some errors, and when the file was moved or removed, it is renewed."""

    def __init__(
        self,
        path: Path,
        *,
        on_corrupt: OnCorrupt = "refuse",
        busy_s: float = 5.0,
        prepare: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self.path = path
        self.file = 0
        """A number that this file alone has."""
        self._on_corrupt = on_corrupt
        self._busy_s = busy_s
        self.prepare = prepare
        self._connection: sqlite3.Connection | None = None
        self._directory = -1
        self._identity = (0, 0)
        self._next_look = 0.0

    def connection(self) -> sqlite3.Connection:
        """Returns the connection, opened if need be; raises StoreFailed."""
        now = time.monotonic()
        if self._connection is not None and now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            if self._identity != file_identity(self.path):
                _log.warning("%s was moved, removed or replaced: going on with what is there now", self.path)
                self.close()
        if self._connection is None:
            self._open()
            self._next_look = now + _LOOK_EVERY_S
        assert self._connection is not None
        return self._connection

    def alone(self) -> Alone:
        """Keeps other processes from writing meanwhile. The connection must be open already."""
        return Alone(self._directory)

    def failed(self, error: BaseException) -> StoreFailed:
        """Returns what to tell of an error, after which the connection is opened anew unless it is known to be good."""
        if code(error) not in _KEPT:
            self.close()
        return explained(self.path, error)

    def close(self) -> None:
        """Closes the connection. The last one of all takes the log away, and of two at once none was the last."""
        if self._connection is not None:
            with suppress(OSError), _directory_locked(self.path.parent, self._busy_s):
                self._disconnect()
            self._disconnect()  # although somebody holds the lock for long, or the directory has gone
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                _log.error("%s", explained(self.path, error))

    def _open(self) -> None:
        try:
            with _directory_locked(self.path.parent, self._busy_s):
                self._connection = self._checked()
                self._identity = file_identity(self.path)
            self._directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreFailed(f"{self.path}: {error.strerror or error}") from error

    def _checked(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except Damaged as error:
            if self._on_corrupt == "refuse":
                raise
            _log.error("%s; it is now %s, and a new one was begun", error, _move_aside(self.path))
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():
            # What is in it is private. An existing file is not opened here: closing it would drop SQLite's locks.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None)
            self._set_up(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise explained(self.path, error) from error
            raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        known = _number(connection, "PRAGMA application_id")
        version = _number(connection, "PRAGMA user_version")
        if known != APPLICATION:
            if _number(connection, "SELECT count(*) FROM sqlite_master") or version:
                raise StoreFailed(f"{self.path}: it is the database of another program: name another file")
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.executescript(SCHEMA % secrets.randbits(62))
        elif version > VERSION:
            raise StoreFailed(
                f"{self.path}: a newer Penstock wrote it (schema {version}, this one knows {VERSION}): "
                "use that one, or name another file"
            )
        else:
            if self.path.stat().st_size <= _CHECK_UP_TO:
                _check(self.path, connection)
            for before in range(version, VERSION):
                connection.executescript(MIGRATIONS[before])
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise StoreFailed(f"{self.path}: its file system cannot share it between processes: use a local disk")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = FAST").fetchone()  # some builds write zeros over all they free
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}").fetchone()
        self.file = _number(connection, "SELECT file FROM totals")
        if self.prepare is not None:
            self.prepare(connection)


def _number(connection: sqlite3.Connection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    if row is None:
        raise sqlite3.DatabaseError(f"{sql} gives nothing")
    return int(row[0])


def _check(path: Path, connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise Damaged(f"{path}: it is damaged ({' '.join(str(found[0]).split()) if found else 'no answer'})")


def _move_aside(path: Path) -> Path:
    """Renames the file, and what SQLite keeps beside it; returns the new name."""
    suffix = f".broken-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    for beside in ("-wal", "-shm", ""):
        file = path.with_name(path.name + beside)
        if file.exists():
            file.rename(path.with_name(path.name + suffix + beside))
    return path.with_name(path.name + suffix)


@contextmanager
def _directory_locked(directory: Path, patience_s: float) -> Iterator[None]:
    """Holds a lock of the directory, for which it waits so long; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)  # flock knows no time limit; this is a thread of the store's, never the event loop
        yield
    finally:
        os.close(descriptor)
