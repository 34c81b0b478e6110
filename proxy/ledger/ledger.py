"""Takes the rows of exchanges that have ended, and writes them in a thread of its own, some of them at a time.

Nobody waits for it: rows lie in memory for a moment, then in the thread until the file has taken them. A file that
cannot be written loses nothing as long as there is room for what waits; then the newest rows are dropped, counted, and
told of. A process that is killed loses what it has not written: the rows of the last `FLUSH_S` seconds, and the one
batch that was being written. Where that is too much, a `durable` ledger has each row on the disk before its exchange is
over.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from ..file_identity import file_identity
from ..stores.batch_thread import BatchThread
from ..stores.store import StoreFailed
from .file import add_rows, forget, open_ledger, read_ledger
from .row import Row
from .spend import Question, Spent, spend

_log = logging.getLogger("penstock")
FLUSH_S = 0.2
"""How long a row waits for others at most."""
_MOST_WAITING = 100_000
_RETRY_S = 0.5
_FORGET_EVERY_S = 600.0
_PATIENCE_S = 15.0
_ANSWER_S = 2.0
"""How long somebody who asks what was spent waits for those who write."""
_UNWRITABLE = (ValueError, OverflowError, sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError)
"""What is wrong with a row itself."""


class Ledger:
    """The ledger of one worker. Rows are kept for `keep_s` seconds; the sums of days, which name no end user, stay."""

    def __init__(self, path: Path, *, keep_s: float, durable: bool = False) -> None:
        self.path = path
        self.durable = durable
        self._writer = _Writer(path, keep_s, durable=durable)
        self._thread: BatchThread[Sequence[Row]] = BatchThread("penstock-ledger", self._writer, patience_s=_PATIENCE_S)
        self._rows: list[Row] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lost = 0

    @property
    def lost(self) -> int:
        """How many rows were dropped."""
        return self._lost + self._writer.lost

    @property
    def waiting(self) -> int:
        """How many rows are not in the file yet."""
        return len(self._rows) + self._writer.waiting

    async def start(self) -> None:
        """Opens the file; raises StoreFailed."""
        await self._thread.start()

    async def add(self, row: Row) -> None:
        """Takes a row. Returns at once, or when it is on the disk if that is wanted; raises StoreFailed only then."""
        if self.durable:
            await self._thread.ask((row,))
            return
        if len(self._rows) >= _MOST_WAITING:
            self._lost += 1
            return
        self._rows.append(row)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _flush(self) -> asyncio.Future[None] | None:
        """Hands over what lies here; keeps it when too much waits there already."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._rows:
            return None
        try:
            handed = self._thread.ask(self._rows)
        except StoreFailed:
            self._timer = asyncio.get_running_loop().call_later(_RETRY_S, self._flush)
            return None
        self._rows = []
        handed.add_done_callback(_seen)
        return handed

    async def flush(self) -> None:
        """Returns when everything that was added is in the file; raises StoreFailed when it cannot be written now."""
        handed = self._flush() or self._thread.ask(())
        await asyncio.shield(handed)

    async def spend(self, asked: Question) -> list[Spent]:
        """Returns sums, with all that this worker has added; raises StoreFailed, after some seconds at the latest."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self.flush()
                return await asyncio.to_thread(read_spend, self.path, asked, _ANSWER_S)
        except TimeoutError:
            what = f"another process has locked it, or it is too slow: no answer within {_ANSWER_S:g} s"
            raise StoreFailed(f"{self.path}: {what}") from None

    async def close(self) -> None:
        """Writes what is left, and closes the file."""
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        await self._thread.close()
        if self.waiting:
            _log.error("%s: %d rows of the ledger could not be written and are lost", self.path, self.waiting)


def read_spend(path: Path, asked: Question, busy_s: float = 5.0) -> list[Spent]:
    """Returns sums of a ledger's file, whoever writes it; raises StoreFailed, also where it is locked for so long."""
    connection = read_ledger(path, busy_s)
    try:
        return spend(connection, asked)
    except sqlite3.Error as error:
        raise StoreFailed(f"{path}: {error}") from error
    finally:
        connection.close()


def _seen(future: asyncio.Future[None]) -> None:
    """Takes note of a failure: the writer has told of it, and tries again."""
    if not future.cancelled():
        future.exception()


class _Writer:
    """What the thread does: all of it runs there. Rows that cannot be written wait for the next time."""

    def __init__(self, path: Path, keep_s: float, *, durable: bool) -> None:
        self._path = path
        self._keep_s = keep_s
        self._durable = durable
        self._connection: sqlite3.Connection | None = None
        self._rows: list[Row] = []
        self._failing = False
        self._forget_at = 0.0
        self._opened = (0, 0)
        self.lost = 0

    @property
    def waiting(self) -> int:
        return len(self._rows)

    def open(self) -> None:
        self._connection = open_ledger(self._path, durable=self._durable)
        self._opened = file_identity(self._path)

    def run(self, jobs: Sequence[Sequence[Row]]) -> list[StoreFailed | None]:
        for rows in jobs:
            room = _MOST_WAITING - len(self._rows)
            self.lost += max(0, len(rows) - room)
            self._rows.extend(rows[:room])
        error = self._write()
        return [error] * len(jobs)

    def rest(self) -> float:
        if self._rows:
            self._write()
            return _RETRY_S
        now = time.monotonic()
        if now < self._forget_at or self._connection is None:
            return _FORGET_EVERY_S
        day = time.strftime("%Y-%m-%d", time.gmtime(max(0.0, time.time() - self._keep_s)))
        try:
            more = forget(self._connection, day)
        except sqlite3.Error as error:
            _log.warning("%s: old rows are not forgotten now: %s", self._path, error)
            more = False
        self._forget_at = now if more else now + _FORGET_EVERY_S
        return 0.05 if more else _FORGET_EVERY_S

    def close(self) -> None:
        if self._rows:
            self._write()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write(self) -> StoreFailed | None:
        """Writes all that waits; says once that it cannot, and once that it can again."""
        if not self._rows:
            return None
        try:
            if self._connection is not None and file_identity(self._path) != self._opened:
                _log.warning("%s was moved, removed or replaced: going on with what is there now", self._path)
                self._disconnect()
            if self._connection is None:
                self.open()
            assert self._connection is not None
            try:
                add_rows(self._connection, self._rows)
            except _UNWRITABLE:
                self._write_each(self._connection)
        except (sqlite3.Error, StoreFailed) as error:
            self._failed(error)
            return StoreFailed(f"{self._path}: {error}")
        self._rows = []
        if self._failing:
            self._failing = False
            _log.warning("%s: the ledger is written again (%d rows were dropped)", self._path, self.lost)
        return None

    def _write_each(self, connection: sqlite3.Connection) -> None:
        """Writes row by row, so that one that cannot be written takes no other with it; raises sqlite3.Error."""
        while self._rows:
            try:
                add_rows(connection, self._rows[:1])
            except _UNWRITABLE as error:
                self.lost += 1
                _log.error("%s: a row cannot be written and is dropped: %s", self._path, error)
            del self._rows[0]

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            _log.error("%s: the ledger cannot be written: %s; its rows wait until it can", self._path, error)
        if not isinstance(error, sqlite3.OperationalError):  # what is broken is opened anew
            self._disconnect()
