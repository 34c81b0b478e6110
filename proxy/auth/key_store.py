"""The keys that Penstock makes: one SQLite file with their hashes, what each may do, and every change ever made.

A key is shown once, when it is made or rotated; what is kept is its SHA-256, which is safe for a secret of 238 random
bits. Ids are never given twice: a new key must not come into what was kept for an old one. A number that grows with
every change tells readers which rows are new to them.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import sqlite3
import string
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import PenstockError
from ..keyring import digest_of
from .attributes import KeyAttributes, from_json, to_json

Status = Literal["active", "expired", "revoked"]

_APPLICATION = 0x504B6579
_VERSION = 1
_SCHEMA = f"""
CREATE TABLE keys (
  id TEXT PRIMARY KEY, change INTEGER NOT NULL, prefix TEXT NOT NULL, attributes TEXT NOT NULL,
  digest BLOB NOT NULL UNIQUE, created REAL NOT NULL, rotated REAL, old_digest BLOB, old_until REAL, revoked REAL
) WITHOUT ROWID;
CREATE INDEX keys_by_change ON keys (change);
CREATE INDEX keys_by_age ON keys (created, id);
CREATE TABLE changes (
  number INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, id TEXT NOT NULL
);
CREATE INDEX changes_by_id ON changes (id);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""
_FIELDS = "id, prefix, attributes, created, rotated, old_until, revoked"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 40
_SHOWN = 6
_LONGEST_GRACE_S = 3650 * 86400.0


class KeyStoreFailed(PenstockError):
    """The file of the keys cannot be used; says why."""


class UnknownKey(PenstockError):
    """There is no key of that id."""


class KeyRefused(PenstockError):
    """What was asked for cannot be done with this key, or its id cannot be used; says why."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of a key; times are Unix seconds. The secret that was replaced works until `old_until`."""

    id: str
    prefix: str
    attributes: KeyAttributes
    created: float
    rotated: float | None = None
    old_until: float | None = None
    revoked: float | None = None

    def status(self, now: float) -> Status:
        """Returns whether the key works."""
        if self.revoked is not None:
            return "revoked"
        expires = self.attributes.expires_at()
        return "expired" if expires is not None and expires <= now else "active"


class KeyChange(msgspec.Struct, frozen=True):
    """Who did what to a key, and when (Unix seconds)."""

    at: float
    who: str
    what: str


class KeyStore:
    """Makes and changes keys. Every method opens the file, may wait for other writers, and raises KeyStoreFailed."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._now = now

    def create(self, id: str | None, attributes: KeyAttributes, who: str) -> tuple[KeyRecord, str]:
        """Returns a new key and its secret, which nobody can be told again. Raises KeyRefused."""
        name = f"key_{secrets.token_hex(8)}" if id is None else id
        if not _ID.fullmatch(name):
            raise KeyRefused("An id is up to 64 letters, digits and ._@- and begins with a letter or digit.")
        secret = _new_secret()
        with self._changing(who, "create", name) as (connection, number):
            row = (name, number, prefix_of(secret), to_json(attributes), digest_of(secret), self._now())
            try:
                connection.execute(
                    "INSERT INTO keys (id, change, prefix, attributes, digest, created) VALUES (?, ?, ?, ?, ?, ?)", row
                )
            except sqlite3.IntegrityError:
                raise KeyRefused(f"There is, or was, a key with the id '{name}'.") from None
            return _one(connection, name), secret

    def change(self, id: str, changed: Callable[[KeyAttributes], KeyAttributes], who: str) -> KeyRecord:
        """Returns the key with other attributes, for which `changed` is given the present ones. Raises UnknownKey."""
        with self._changing(who, "change", id) as (connection, number):
            attributes = changed(_usable(connection, id).attributes)
            connection.execute(
                "UPDATE keys SET attributes = ?, change = ? WHERE id = ?", (to_json(attributes), number, id)
            )
            return _one(connection, id)

    def rotate(self, id: str, grace_s: float, who: str) -> tuple[KeyRecord, str]:
        """Returns the key with a new secret; the old one works for `grace_s` more seconds.

        A secret that was replaced before, and still worked, does not any more. Raises UnknownKey, and KeyRefused where
        that would be for more than ten years.
        """
        if grace_s > _LONGEST_GRACE_S:
            raise KeyRefused("A key that was replaced works for ten years at most.")
        secret, now = _new_secret(), self._now()
        with self._changing(who, "rotate", id) as (connection, number):
            _usable(connection, id)
            connection.execute(
                "UPDATE keys SET old_digest = digest, old_until = ?, digest = ?, prefix = ?, rotated = ?, change = ? "
                "WHERE id = ?",
                (now + grace_s, digest_of(secret), prefix_of(secret), now, number, id),
            )
            return _one(connection, id), secret

    def revoke(self, id: str, who: str) -> KeyRecord:
        """Returns the key, which does not work any more, for good. To do it again is no mistake. Raises UnknownKey."""
        with self._changing(who, "revoke", id) as (connection, number):
            connection.execute(
                "UPDATE keys SET revoked = coalesce(revoked, ?), change = ? WHERE id = ?", (self._now(), number, id)
            )
            return _one(connection, id)

    def get(self, id: str) -> KeyRecord:
        """Returns a key; raises UnknownKey."""
        with self._open() as connection:
            return _one(connection, id)

    def every(self, after: str | None = None, limit: int = -1) -> list[KeyRecord]:
        """Returns keys in the order in which they were made, those that do not work any more too.

        Those behind `after` and `limit` of them, where these are given. Raises UnknownKey.
        """
        with self._open() as connection:
            behind = (-1.0, "") if after is None else (_one(connection, after).created, after)
            rows = connection.execute(
                f"SELECT {_FIELDS} FROM keys WHERE (created, id) > (?, ?) ORDER BY created, id LIMIT ?",
                (*behind, limit),
            )
            return [_record(row) for row in rows]

    def changes(self, id: str) -> list[KeyChange]:
        """Returns all that was ever done to a key."""
        with self._open() as connection:
            rows = connection.execute("SELECT at, who, what FROM changes WHERE id = ? ORDER BY number", (id,))
            return [KeyChange(*row) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(connect(self.path)) as connection, _explained(self.path):
            yield connection

    @contextmanager
    def _changing(self, who: str, what: str, id: str) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Gives a connection that holds the write lock, and the number of the change; undoes all when it raises."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                number = connection.execute(
                    "INSERT INTO changes (at, who, what, id) VALUES (?, ?, ?, ?)", (self._now(), who, what, id)
                ).lastrowid
                assert number is not None
                yield connection, number
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def connect(path: Path) -> sqlite3.Connection:
    """Returns a connection to the file of the keys, which is made if it is not there; raises KeyStoreFailed."""
    with _explained(path):
        with suppress(FileExistsError):  # nobody else on this machine is to read it
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            _set_up(path, connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _set_up(path: Path, connection: sqlite3.Connection) -> None:
    if _number(connection, "PRAGMA application_id") != _APPLICATION:
        with _alone_in(path.parent):
            _make(path, connection)
    if (version := _number(connection, "PRAGMA user_version")) != _VERSION:
        raise KeyStoreFailed(f"{path}: another Penstock wrote it (schema {version}, this one knows {_VERSION})")


def _make(path: Path, connection: sqlite3.Connection) -> None:
    """Makes the tables, unless another process has done so meanwhile."""
    if _number(connection, "PRAGMA application_id") == _APPLICATION:
        return
    if _number(connection, "SELECT count(*) FROM sqlite_master"):
        raise KeyStoreFailed(f"{path}: it is the database of another program: name another file")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()  # readers and writers do not wait for one another
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Holds a lock of the directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns what SQLite and the system raise into KeyStoreFailed."""
    try:
        yield
    except sqlite3.Error as error:
        raise KeyStoreFailed(f"{path}: {error}") from error
    except OSError as error:
        raise KeyStoreFailed(f"{path}: {error.strerror or error}") from error


def prefix_of(secret: str) -> str:
    """Returns the part of a key by which people know it again."""
    return secret[: 3 + _SHOWN]


def _new_secret() -> str:
    return "pk-" + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def _usable(connection: sqlite3.Connection, id: str) -> KeyRecord:
    record = _one(connection, id)
    if record.revoked is not None:
        raise KeyRefused(f"The key '{id}' has been revoked.")
    return record


def _one(connection: sqlite3.Connection, id: str) -> KeyRecord:
    row = connection.execute(f"SELECT {_FIELDS} FROM keys WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise UnknownKey(f"There is no key with the id '{id}'.")
    return _record(row)


def _record(row: tuple[Any, ...]) -> KeyRecord:
    id, prefix, attributes, created, rotated, old_until, revoked = row
    return KeyRecord(
        id=id,
        prefix=prefix,
        attributes=from_json(attributes),
        created=created,
        rotated=rotated,
        old_until=old_until,
        revoked=revoked,
    )


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
