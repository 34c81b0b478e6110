"""Conversations as tables of the database: what each change and each question means in SQL. For one thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from .conversation_items import named, packed, unpacked
from .conversations import (
    Conversation,
    ConversationBounds,
    ConversationLocked,
    ItemPage,
    NoSuchItem,
)

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS conversations (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  owner TEXT NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  metadata BLOB NOT NULL,
  items INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  next INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS conversations_by_id ON conversations (id);
CREATE INDEX IF NOT EXISTS conversations_by_expiry ON conversations (expires_at);
CREATE TABLE IF NOT EXISTS conversation_items (
  conversation INTEGER NOT NULL,
  position INTEGER NOT NULL,
  id TEXT NOT NULL,
  size INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS conversation_items_in_order ON conversation_items (conversation, position);
CREATE UNIQUE INDEX IF NOT EXISTS conversation_items_by_id ON conversation_items (conversation, id);
CREATE TABLE IF NOT EXISTS conversation_writers (
  conversation INTEGER PRIMARY KEY,
  token TEXT NOT NULL,
  holder TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS conversation_totals (conversations INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO conversation_totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM conversation_totals);
COMMIT;
"""
_CHECKPOINT_PAGES = 1000

_FIND = """
SELECT seq, id, owner, created_at, metadata, items, bytes, next FROM conversations
WHERE id = ? AND owner = ? AND expires_at > ?
"""
_NOT_CLAIMED = "seq NOT IN (SELECT conversation FROM conversation_writers)"
_EXPIRED = f"SELECT seq, bytes FROM conversations WHERE expires_at <= ? AND {_NOT_CLAIMED} LIMIT ?"
_LONGEST_UNCHANGED = f"""
SELECT seq, bytes FROM conversations WHERE seq <> ? AND {_NOT_CLAIMED} ORDER BY expires_at LIMIT ?
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Makes the tables where they are not there yet, and has SQLite itself move its log into the file.

    Whoever writes responses moves the log after having answered; here the few that wait for a conversation may wait.
    """
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}").fetchone()
    there = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'conversation_writers'").fetchone()
    if not there[0]:
        connection.executescript(_SCHEMA)


class _Row(msgspec.Struct):
    """A conversation as it is written."""

    seq: int
    id: str
    owner: str
    created_at: float
    metadata: bytes
    items: int
    bytes: int
    next: int

    def conversation(self) -> Conversation:
        return Conversation(
            id=self.id, owner=self.owner, created_at=self.created_at, metadata=msgspec.Raw(self.metadata)
        )


class Tables:
    """The tables within one transaction, at one moment. Methods are those of ConversationStore; see there.

    A method that raises ConversationLocked, ConversationFull or NoSuchItem has changed nothing. `is_gone` tells whether
    the process that a claim was made by is gone, whose name it is given.
    """

    def __init__(
        self, db: sqlite3.Connection, bounds: ConversationBounds, *, now: float, is_gone: Callable[[str], bool]
    ) -> None:
        self._db = db
        self._bounds = bounds
        self._now = now
        self._is_gone = is_gone

    def create(self, conversation: Conversation, items: Sequence[msgspec.Raw]) -> None:
        """Begins a conversation."""
        size = len(conversation.metadata)
        values = (
            conversation.id,
            conversation.owner,
            conversation.created_at,
            self._expiry,
            bytes(conversation.metadata),
            size,
        )
        sql = (
            "INSERT INTO conversations (id, owner, created_at, expires_at, metadata, items, bytes, next) "
            "VALUES (?, ?, ?, ?, ?, 0, ?, 0)"
        )
        self._db.execute(sql, values)
        self._count(conversations=1, size=size)
        row = self._find(conversation.id, conversation.owner)
        if row is not None and items:
            self._add(row, items)

    def get(self, id: str, owner: str) -> Conversation | None:
        """Returns a conversation, or None."""
        row = self._find(id, owner)
        return None if row is None else row.conversation()

    def set_metadata(self, id: str, owner: str, metadata: msgspec.Raw) -> Conversation | None:
        """Puts other metadata in the place of what was there."""
        row = self._find(id, owner)
        if row is None:
            return None
        row.bytes += len(metadata) - len(row.metadata)
        self._count(size=len(metadata) - len(row.metadata))
        row.metadata = bytes(metadata)
        self._write(row)
        return row.conversation()

    def delete(self, id: str, owner: str) -> bool:
        """Forgets a conversation and its items."""
        row = self._find(id, owner)
        if row is not None:
            self._remove([(row.seq, row.bytes)])
        return row is not None

    def append(self, id: str, owner: str, items: Sequence[msgspec.Raw]) -> list[msgspec.Raw] | None:
        """Adds items at the end."""
        row = self._find(id, owner)
        if row is None:
            return None
        self._check_writer(row)
        if items:
            self._bounds.check(row.items + len(items), row.bytes + sum(map(len, items)))
        return self._add(row, items)

    def page(self, id: str, owner: str, *, limit: int, newest_first: bool, after: str | None) -> ItemPage | None:
        """Returns some items, from behind the item `after` on."""
        row = self._find(id, owner)
        if row is None:
            return None
        start = row.next if newest_first else -1
        if after is not None:
            found = self._position(row, after)
            if found is None:
                raise NoSuchItem(after)
            start = found
        beyond, order = ("<", "DESC") if newest_first else (">", "ASC")
        sql = (
            f"SELECT id, body FROM conversation_items WHERE conversation = ? AND position {beyond} ? "
            f"ORDER BY position {order} LIMIT ?"
        )
        found_rows = self._db.execute(sql, (row.seq, start, limit + 1)).fetchall()
        shown = found_rows[:limit]
        return ItemPage([unpacked(*one) for one in shown], [id for id, _ in shown], more=len(found_rows) > limit)

    def item(self, id: str, owner: str, item_id: str) -> msgspec.Raw | None:
        """Returns an item."""
        row = self._find(id, owner)
        if row is None:
            return None
        sql = "SELECT body FROM conversation_items WHERE conversation = ? AND id = ?"
        found = self._db.execute(sql, (row.seq, item_id)).fetchone()
        return None if found is None else unpacked(item_id, found[0])

    def delete_item(self, id: str, owner: str, item_id: str) -> Conversation | None:
        """Removes an item."""
        row = self._find(id, owner)
        if row is None:
            return None
        self._check_writer(row)
        where = "WHERE conversation = ? AND id = ?"
        found = self._db.execute(f"SELECT size FROM conversation_items {where}", (row.seq, item_id)).fetchone()
        if found is None:
            return None
        self._db.execute(f"DELETE FROM conversation_items {where}", (row.seq, item_id))
        row.items -= 1
        row.bytes -= found[0]
        self._count(size=-found[0])
        self._write(row)
        return row.conversation()

    def items(self, id: str, owner: str, before: Sequence[str] = ()) -> list[msgspec.Raw] | None:
        """Returns all items, or those in front of the first one that has an id of `before`."""
        row = self._find(id, owner)
        if row is None:
            return None
        positions = [at for one in before if (at := self._position(row, one)) is not None]
        end = min(positions, default=row.next)
        sql = "SELECT id, body FROM conversation_items WHERE conversation = ? AND position < ? ORDER BY position"
        return [unpacked(*one) for one in self._db.execute(sql, (row.seq, end)).fetchall()]

    def claim(self, id: str, owner: str, token: str, holder: str) -> list[msgspec.Raw] | None:
        """Becomes its only writer, as part of the process `holder`; returns all items."""
        row = self._find(id, owner)
        if row is None:
            return None
        self._check_writer(row, token)
        self._bounds.check(row.items + 1, row.bytes + 1)
        sql = "INSERT OR REPLACE INTO conversation_writers (conversation, token, holder) VALUES (?, ?, ?)"
        self._db.execute(sql, (row.seq, token, holder))
        self._write(row)
        return self.items(id, owner)

    def release(self, id: str, owner: str, token: str, items: Sequence[msgspec.Raw]) -> bool:
        """Adds items and lets go of it."""
        self.let_go([token])
        found = self._db.execute(_FIND, (id, owner, -1.0)).fetchone()  # even one whose time was over meanwhile
        if found is not None and items:
            self._add(_Row(*found), items)
        return found is not None

    def let_go(self, tokens: Sequence[str]) -> None:
        """Ends the claims with these tokens, whatever they are on."""
        self._db.executemany("DELETE FROM conversation_writers WHERE token = ?", [(token,) for token in tokens])

    def untidy(self) -> bool:
        """Tells whether something has expired, is too much, or was left by a process that is gone."""
        expired = self._db.execute("SELECT 1 FROM conversations WHERE expires_at <= ? LIMIT 1", (self._now,))
        return expired.fetchone() is not None or self._over() is not None or bool(self._gone())

    def sweep(self, most: int) -> int:
        """Removes up to so many conversations that have expired; returns how many."""
        self._db.executemany("DELETE FROM conversation_writers WHERE holder = ?", self._gone())
        return self._remove(self._db.execute(_EXPIRED, (self._now, most)).fetchall())

    def trim(self, most: int) -> int:
        """Removes up to so many conversations that are too many, longest unchanged first; returns how many."""
        removed = 0
        while removed < most and (over := self._over()) is not None:
            newest = self._db.execute("SELECT seq FROM conversations ORDER BY expires_at DESC LIMIT 1").fetchone()
            limit = min(over, most - removed)
            found = self._db.execute(_LONGEST_UNCHANGED, (*(newest or (-1,)), limit)).fetchall()
            if not found:
                break
            removed += self._remove(found)
        return removed

    @property
    def _expiry(self) -> float:
        return self._now + self._bounds.keep_s

    def _over(self) -> int | None:
        """Returns how many are certainly too many, at least one; None when all is within bounds."""
        conversations, size = self._db.execute("SELECT conversations, bytes FROM conversation_totals").fetchone()
        over: int = conversations - self._bounds.max_conversations
        return max(1, over) if over > 0 or size > self._bounds.max_bytes else None

    def _find(self, id: str, owner: str) -> _Row | None:
        found = self._db.execute(_FIND, (id, owner, self._now)).fetchone()
        return None if found is None else _Row(*found)

    def _position(self, row: _Row, item_id: str) -> int | None:
        sql = "SELECT position FROM conversation_items WHERE conversation = ? AND id = ?"
        found = self._db.execute(sql, (row.seq, item_id)).fetchone()
        return None if found is None else int(found[0])

    def _check_writer(self, row: _Row, token: str = "") -> None:
        sql = "SELECT holder FROM conversation_writers WHERE conversation = ? AND token <> ?"
        found = self._db.execute(sql, (row.seq, token)).fetchone()
        if found is not None and not self._is_gone(found[0]):
            raise ConversationLocked(row.id)

    def _gone(self) -> list[tuple[str]]:
        """Returns the processes that have claimed something and are gone."""
        found = self._db.execute("SELECT DISTINCT holder FROM conversation_writers").fetchall()
        return [(holder,) for (holder,) in found if self._is_gone(holder)]

    def _add(self, row: _Row, items: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
        pairs = named(items, lambda id: self._position(row, id) is not None)
        values: list[tuple[Any, ...]] = []
        size = 0
        for at, (id, item) in enumerate(pairs):
            values.append((row.seq, row.next + at, id, len(item), packed(item)))
            size += len(item)
        sql = "INSERT INTO conversation_items (conversation, position, id, size, body) VALUES (?, ?, ?, ?, ?)"
        self._db.executemany(sql, values)
        row.items += len(values)
        row.next += len(values)
        row.bytes += size
        self._count(size=size)
        self._write(row)
        return [item for _, item in pairs]

    def _write(self, row: _Row) -> None:
        """Writes what has changed of a row; its time begins anew."""
        sql = "UPDATE conversations SET expires_at = ?, metadata = ?, items = ?, bytes = ?, next = ? WHERE seq = ?"
        self._db.execute(sql, (self._expiry, row.metadata, row.items, row.bytes, row.next, row.seq))

    def _count(self, *, conversations: int = 0, size: int = 0) -> None:
        sql = "UPDATE conversation_totals SET conversations = conversations + ?, bytes = bytes + ?"
        self._db.execute(sql, (conversations, size))

    def _remove(self, found: list[tuple[int, int]]) -> int:
        for seq, size in found:
            self._db.execute("DELETE FROM conversation_items WHERE conversation = ?", (seq,))
            self._db.execute("DELETE FROM conversation_writers WHERE conversation = ?", (seq,))
            self._db.execute("DELETE FROM conversations WHERE seq = ?", (seq,))
            self._count(conversations=-1, size=-size)
        return len(found)
