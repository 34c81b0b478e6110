"""Conversations in the SQLite file of the responses, shared by all workers of a host."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .batch_thread import BatchThread
from .conversation_tables import Tables, prepare
from .conversations import (
    Conversation,
    ConversationBounds,
    ConversationFull,
    ConversationLocked,
    Forgotten,
    ItemPage,
    NoSuchItem,
)
from .sqlite_file import Database, OnCorrupt, code
from .sqlite_holder import Holder, is_gone
from .store import StoreFailed

Result = TypeVar("Result")

_log = logging.getLogger("penstock")
_AT_ONCE = 64
_AGAIN_S = 1.0
"""How soon the background tries again when it has failed."""
_REFUSED = (ConversationLocked, ConversationFull, NoSuchItem)
_FAILED = (sqlite3.Error, OSError, UnicodeError, OverflowError)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class _Ask(msgspec.Struct):
    """Something to be done with the tables; the result is what `work` returns. It may end the claim of a `token`."""

    work: Callable[[Tables], Any]
    changes: bool
    token: str | None = None


class _Handler:
    """Does what comes together in one transaction, in its order. When that fails, each gets one of its own.

    `holder` shows others that this process lives. `owed` are tokens of claims that could not be let go of: they are
    tried again, so that no conversation stays locked once the file can be written again.
    """

    def __init__(
        self,
        database: Database,
        bounds: ConversationBounds,
        *,
        clock: Callable[[], float],
        sweep_every_s: float,
    ) -> None:
        self._database = database
        self._bounds = bounds
        self.holder = Holder(database.path)
        self.owed: deque[str] = deque()
        self._clock = clock
        self._sweep_every_s = sweep_every_s
        self._next_sweep = 0.0
        self._resting_failed = False
        self._forgotten = Forgotten()

    def open(self) -> None:
        self._database.connection()

    def close(self) -> None:
        self._database.close()
        self.holder.close()

    def run(self, jobs: Sequence[_Ask]) -> list[Any]:
        results = self._results(jobs)
        for job, result in zip(jobs, results, strict=True):
            if job.token is not None and isinstance(result, StoreFailed):
                self.owed.append(job.token)
        return results

    def _results(self, jobs: Sequence[_Ask]) -> list[Any]:
        done = self._attempt(jobs)
        if not isinstance(done, StoreFailed):
            return done
        if len(jobs) == 1 or _locked(done):
            return [done] * len(jobs)
        results = []
        for job in jobs:
            alone = self._attempt([job])
            results.append(alone if isinstance(alone, StoreFailed) else alone[0])
        return results

    def _attempt(self, jobs: Sequence[_Ask]) -> list[Any] | StoreFailed:
        """Does all or nothing; returns what came of each, or what went wrong."""
        changes = any(job.changes for job in jobs)
        try:
            with self._tables(changes=changes) as tables:
                results = [_result(job, tables) for job in jobs]
                removed = tables.trim(_AT_ONCE + len(jobs)) if changes else 0
        except StoreFailed as error:
            return error
        except _FAILED as error:
            return self._database.failed(error)
        self._forgotten.note(removed)
        return results

    @contextmanager
    def _tables(self, *, changes: bool) -> Iterator[Tables]:
        connection = self._database.connection()
        with self._database.alone() if changes else nullcontext():
            connection.execute("BEGIN IMMEDIATE" if changes else "BEGIN")
            try:
                yield Tables(connection, self._bounds, now=self._clock(), is_gone=self._is_gone)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _is_gone(self, holder: str) -> bool:
        return is_gone(self._database.path, holder)

    def rest(self) -> float:
        """Lets go of what could not be let go of, and removes some of what has expired."""
        try:
            wait_s = self._tidy()
        except (*_FAILED, StoreFailed) as error:
            failed = error if isinstance(error, StoreFailed) else self._database.failed(error)
            if not self._resting_failed:
                _log.error("%s; conversations are not tidied until it works again", failed)
            self._resting_failed = True
            return _AGAIN_S
        self._resting_failed = False
        return wait_s

    def _tidy(self) -> float:
        """Returns the seconds until there is more to do."""
        owed = tuple(self.owed)
        if owed:
            with self._tables(changes=True) as tables:
                tables.let_go(owed)
            for _ in owed:
                self.owed.popleft()
        now = time.monotonic()
        if now >= self._next_sweep:
            removed = self._sweep()
            self._next_sweep = now + (0.0 if removed == _AT_ONCE else self._sweep_every_s)
        return max(0.0, self._next_sweep - now)

    def _sweep(self) -> int:
        with self._tables(changes=False) as tables:
            if not tables.untidy():
                return 0  # so that the lock for writing is not taken in vain
        with self._tables(changes=True) as tables:
            removed = tables.sweep(_AT_ONCE)
            too_many = tables.trim(_AT_ONCE)
        self._forgotten.note(too_many)
        return max(removed, too_many)


class SqliteConversations:
    """Keeps conversations in a file. One thread reads and writes; the event loop touches no disk.

    Claims of a process end with it, however it ends: it keeps a file locked for as long as it lives. `clock` gives Unix
    seconds; `busy_s` is how long a write waits for that of another process.
    """

    def __init__(
        self,
        path: Path,
        bounds: ConversationBounds | None = None,
        *,
        on_corrupt: OnCorrupt = "refuse",
        clock: Callable[[], float] = time.time,
        sweep_every_s: float = 30.0,
        busy_s: float = 5.0,
    ) -> None:
        self.path = path
        self.bounds = bounds or ConversationBounds()
        database = Database(path, on_corrupt=on_corrupt, busy_s=busy_s, prepare=prepare)
        self._handler = _Handler(database, self.bounds, clock=clock, sweep_every_s=sweep_every_s)
        self._thread: BatchThread[_Ask] = BatchThread("penstock-conversations", self._handler, patience_s=2 * busy_s)

    async def start(self) -> None:
        """Opens the file, or makes it; raises StoreFailed."""
        await self._thread.start()

    async def close(self) -> None:
        """Writes what is still to be written, and closes the file; what this process has claimed is free then."""
        await self._thread.close()

    async def create(self, conversation: Conversation, items: Sequence[msgspec.Raw] = ()) -> None:
        """Begins a conversation."""
        kept = [item.copy() for item in items]
        await self._change(lambda tables: tables.create(conversation, kept), sum(map(len, kept)))

    async def get(self, id: str, owner: str) -> Conversation | None:
        """Returns a conversation, or None."""
        if not _writable(id, owner):
            return None
        return await self._read(lambda tables: tables.get(id, owner))

    async def set_metadata(self, id: str, owner: str, metadata: msgspec.Raw) -> Conversation | None:
        """Puts other metadata in the place of what was there; returns the conversation, or None."""
        if not _writable(id, owner):
            return None
        return await self._change(lambda tables: tables.set_metadata(id, owner, metadata), len(metadata))

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets a conversation and its items; tells whether there was one."""
        return _writable(id, owner) and await self._change(lambda tables: tables.delete(id, owner))

    async def append(self, id: str, owner: str, items: Sequence[msgspec.Raw]) -> list[msgspec.Raw] | None:
        """Adds items at the end; returns them as they are kept, or None."""
        if not _writable(id, owner):
            return None
        kept = [item.copy() for item in items]
        return await self._change(lambda tables: tables.append(id, owner, kept), sum(map(len, kept)))

    async def page(
        self, id: str, owner: str, *, limit: int, newest_first: bool, after: str | None = None
    ) -> ItemPage | None:
        """Returns some items, from behind the item `after` on, or None; raises NoSuchItem."""
        if not _writable(id, owner):
            return None
        if after is not None and not _writable(after):
            after = ""
        return await self._read(
            lambda tables: tables.page(id, owner, limit=limit, newest_first=newest_first, after=after)
        )

    async def item(self, id: str, owner: str, item_id: str) -> msgspec.Raw | None:
        """Returns an item, or None."""
        if not _writable(id, owner, item_id):
            return None
        return await self._read(lambda tables: tables.item(id, owner, item_id))

    async def delete_item(self, id: str, owner: str, item_id: str) -> Conversation | None:
        """Removes an item; returns the conversation, or None when there is none, or no such item."""
        if not _writable(id, owner, item_id):
            return None
        return await self._change(lambda tables: tables.delete_item(id, owner, item_id))

    async def items(self, id: str, owner: str, *, before: Sequence[str] = ()) -> list[msgspec.Raw] | None:
        """Returns all items, or those in front of the first one that has an id of `before`; or None."""
        if not _writable(id, owner):
            return None
        ids = [one for one in before if _writable(one)]
        return await self._read(lambda tables: tables.items(id, owner, ids))

    async def claim(self, id: str, owner: str, token: str) -> list[msgspec.Raw] | None:
        """Becomes its only writer; returns all items, the oldest first, or None."""
        if not _writable(id, owner):
            return None
        return await self._change(lambda tables: tables.claim(id, owner, token, self._handler.holder.token()))

    async def release(self, id: str, owner: str, token: str, items: Sequence[msgspec.Raw] = ()) -> bool:
        """Adds items and lets go of it, in one step; tells whether it is still there.

        When that fails, letting go, without the items, is tried again until it works.
        """
        kept = [item.copy() for item in items]
        job = _Ask(lambda tables: tables.release(id, owner, token, kept), changes=True, token=token)
        try:
            asked = self._thread.ask(job, sum(map(len, kept)))
        except StoreFailed:
            self._handler.owed.append(token)
            raise
        there: bool = await asked
        return there

    async def _read(self, work: Callable[[Tables], Result]) -> Result:
        result: Result = await self._thread.ask(_Ask(work, changes=False))
        return result

    async def _change(self, work: Callable[[Tables], Result], size: int = 0) -> Result:
        result: Result = await self._thread.ask(_Ask(work, changes=True), size)
        return result


def _result(job: _Ask, tables: Tables) -> Any:
    try:
        return job.work(tables)
    except _REFUSED as error:
        return error


def _writable(*texts: str) -> bool:
    """Tells whether texts can be in the database at all: a path may hold bytes that are no UTF-8."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _locked(error: StoreFailed) -> bool:
    return error.__cause__ is not None and code(error.__cause__) in _LOCKED
