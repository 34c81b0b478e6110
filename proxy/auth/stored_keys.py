"""The keys of the key store in the memory of a worker, kept up to date with what other processes do to them.

Twice a second at most, and only when a request comes, SQLite is asked for a number that changes when anybody else has
written (`PRAGMA data_version`, some microseconds); only then are rows read, those with a newer number of change.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..exchange import Key
from ..file_identity import file_identity
from ..keyring import Keyring
from .attributes import from_json
from .key_store import KeyStoreFailed, connect

_log = logging.getLogger("penstock")
_LOOK_EVERY_S = 0.5
_PATIENCE_MS = 50
"""How long the event loop may stand still for a writer, who keeps no reader waiting where the file system has WAL."""


class StoredKeys:
    """Finds the keys of a store.

    A file that cannot be read any more leaves the keys as they were, and is complained about once in the log.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._seen = -1
        self._change = 0
        self._next_look = 0.0
        self._failed = False
        self._ring = Keyring()
        self._digests: dict[str, tuple[bytes, ...]] = {}

    def open(self) -> None:
        """Reads all keys; makes the file if it is not there. Raises KeyStoreFailed, and then changes nothing."""
        connection, file = connect(self.path), file_identity(self.path)
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}").fetchone()
        before = self._ring, self._digests, self._change
        self._ring, self._digests, self._change = Keyring(), {}, 0
        try:
            self._read(connection)
        except BaseException:
            self._ring, self._digests, self._change = before
            connection.close()
            raise
        self.close()
        self._connection, self._file = connection, file
        self._next_look = self._clock() + _LOOK_EVERY_S

    def close(self) -> None:
        """Closes the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ids(self) -> set[str]:
        """Returns what the keys are called."""
        return self._ring.ids()

    def look_at_once(self) -> None:
        """Has the next request see what has been changed."""
        self._next_look = 0.0

    def find(self, secret: str, now: float) -> Key | None:
        """Returns whose key this is, or None; raises Unauthorized when it has ended (`now` is Unix time)."""
        if self._clock() >= self._next_look:
            self._look()
        return self._ring.find(secret, now)

    def _look(self) -> None:
        self._next_look = self._clock() + _LOOK_EVERY_S
        try:
            if self._connection is None or file_identity(self.path) != self._file:
                if not self.path.exists():
                    raise KeyStoreFailed(f"{self.path}: there is no such file")
                self.open()
            elif self._version(self._connection) != self._seen:
                self._read(self._connection)
        except (sqlite3.Error, msgspec.ValidationError, KeyStoreFailed) as error:
            if not self._failed:
                _log.error("the keys stay as they were: %s", error)
            self._failed = True
        else:
            self._failed = False

    def _read(self, connection: sqlite3.Connection) -> None:
        """Reads the rows that are new to this worker. Raises KeyStoreFailed."""
        try:
            seen = self._version(connection)  # before the rows: what is written in between is read again
            rows = connection.execute(
                "SELECT id, change, attributes, digest, old_digest, old_until, revoked FROM keys WHERE change > ? "
                "ORDER BY change",
                (self._change,),
            ).fetchall()
            for row in rows:
                self._take(*row)
        except (sqlite3.Error, msgspec.ValidationError) as error:
            raise KeyStoreFailed(f"{self.path}: {error}") from error
        self._seen = seen

    def _take(self, id: str, change: int, attributes: str, *state: Any) -> None:
        digest, old_digest, old_until, revoked = state
        said = from_json(attributes)
        key, expires = said.as_key(id), said.expires_at()
        for gone in self._digests.get(id, ()):
            self._ring.drop(gone)
        self._digests[id] = (digest,) if old_digest is None else (digest, old_digest)
        if revoked is not None:
            for ended in self._digests[id]:
                self._ring.put(ended, key, 0.0, "has been revoked")
        else:
            self._ring.put(digest, key, expires)
            if old_digest is not None:
                until = old_until if expires is None else min(old_until, expires)
                self._ring.put(old_digest, key, until, "has been replaced by a new one")
        self._change = change

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
