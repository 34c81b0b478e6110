"""Everything that changes the database: puts and deletes in batches, and what has expired or is too much."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from .bounds import Bounds
from .recent import Recent
from .sqlite_cold import THERE, UNFIT, ColdRule, Note, is_due, is_known
from .sqlite_file import Database, code, explained
from .sqlite_holder import Holder, is_gone
from .sqlite_rows import Row, RowMaker
from .sqlite_transaction import LastState, Transaction, state_of
from .store import UNFINISHED, Entry, StoreFailed

_log = logging.getLogger("penstock")

_SWEEP_AT_ONCE = 64
_PAGE = 4096
_PAGES_OF_A_BATCH = 3
"""How many pages a batch changes besides one for each of its jobs, and those that its bodies fill: of each index one,
for rows that are put at one time stand side by side, and now and then another."""
_CHECKPOINT_PAGES = 1000
_EXPIRED = """
SELECT 1 WHERE EXISTS (SELECT 1 FROM entries WHERE expires_at <= :now)
OR EXISTS (SELECT 1 FROM logs WHERE expires_at <= :now)
"""
_MOVER = "SELECT holder FROM cold_mover"
_SAY_EVERY_S = 60.0
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Put(msgspec.Struct):
    """Keeps an entry of so many bytes; the result is None."""

    entry: Entry
    size: int


class Delete(msgspec.Struct):
    """Forgets an entry; the result is whether there was one."""

    id: str
    owner: str


class Bury(msgspec.Struct):
    """Has something removed from the cold store that is not known here; the result is None."""

    note: Note


class Arrived(msgspec.Struct):
    """Says which entries are in the cold store now, which it never takes, what is gone there; the result is None."""

    seqs: list[int]
    unfit: list[int]
    notes: list[Note]


class Lead(msgspec.Struct):
    """Makes this process the one that moves entries to the cold store; the result is whether it is."""


Change = Put | Delete | Bury | Arrived | Lead


class _Work(msgspec.Struct):
    """A job that is ready to be written, and which of its batch it is."""

    place: int
    what: Row | Delete | Bury | Arrived | Lead


class Writer:
    """Handles puts and deletes: all that wait in one transaction. When that fails, each gets one of its own."""

    def __init__(
        self,
        database: Database,
        recent: Recent,
        bounds: Bounds,
        *,
        clock: Callable[[], float],
        sweep_every_s: float,
        cold: ColdRule | None = None,
    ) -> None:
        self._cold = cold
        self._cold_known = cold is not None
        self.lost = 0
        """How many entries had to go before the cold store had them."""
        self._lost_said = (0, 0.0)
        self._database = database
        self._recent = recent
        self._bounds = bounds
        self._clock = clock
        self._sweep_every_s = sweep_every_s
        self._next_sweep = 0.0
        self._pages = 0
        self._last = LastState()
        self._rows = RowMaker()
        self._holder = Holder(database.path)
        self._resting_failed = False

    def open(self) -> None:
        """Opens the database; raises StoreFailed."""
        connection = self._database.connection()
        try:
            self._cold_known = self._cold is not None or is_known(connection)
            if self._cold is not None:
                with self._database.alone(), self._transaction(connection) as transaction:
                    assert transaction.cold is not None
                    transaction.cold.begin()
        except (sqlite3.Error, OSError) as error:
            raise self._database.failed(error) from error

    def _transaction(self, connection: sqlite3.Connection) -> Transaction:
        return Transaction(connection, self._clock(), self._cold, known=self._cold_known, last=self._last)

    def close(self) -> None:
        """Closes it; the last one of all workers to do so leaves a single file."""
        self._database.close()
        self._holder.close()

    def run(self, jobs: Sequence[Change]) -> list[Any]:
        """Does the jobs in their order; returns results, or what to raise."""
        results: list[Any] = [None] * len(jobs)
        ready: list[_Work] = []
        for place, job in enumerate(jobs):
            try:
                ready.append(_Work(place, self._prepared(job)))
            except StoreFailed as error:
                results[place] = error
            except OSError as error:
                results[place] = explained(self._database.path, error)
        failed = self._attempt(ready, results) if ready else None
        if failed is not None:
            self._one_by_one(ready, results, failed)
        return results

    def _prepared(self, job: Change) -> Row | Delete | Bury | Arrived | Lead:
        if not isinstance(job, Put):
            return job
        entry = job.entry
        self._bounds.check(entry, job.size)
        if entry.log:
            entry.log = self._bounds.log_of(entry, job.size, self._clock())
        return self._rows.row(entry, job.size, self._holder.token() if entry.status in UNFINISHED else None)

    def _one_by_one(self, ready: list[_Work], results: list[Any], error: StoreFailed) -> None:
        """Does each job alone, unless there is but one, or waiting for the lock would be in vain for each again."""
        for work in ready:
            failed = error if len(ready) == 1 or _locked(error) else self._attempt([work], results)
            if failed is not None:
                results[work.place] = error = failed

    def _attempt(self, ready: list[_Work], results: list[Any]) -> StoreFailed | None:
        """Writes it all or nothing; returns what went wrong."""
        try:
            connection = self._database.connection()
            with self._database.alone(), self._transaction(connection) as transaction:
                for rows, work in _parted(ready):
                    transaction.put(rows)
                    if work is not None:
                        results[work.place] = self._change(connection, transaction, work.what)
                transaction.trim(self._bounds, _SWEEP_AT_ONCE + len(ready))
        except StoreFailed as error:
            return error
        except (sqlite3.Error, OSError, UnicodeError, OverflowError) as error:
            return self._database.failed(error)
        self._note_lost(transaction.lost)
        put = [work.what for work in ready if isinstance(work.what, Row)]
        written = sum([len(row.values[-1]) + len(row.log) for row in put])
        self._pages += _PAGES_OF_A_BATCH + len(ready) + written // _PAGE
        self._recent.add_all(self._database.file, [(row.seq, row.entry, row.size) for row in put])
        return None

    def _change(
        self, connection: sqlite3.Connection, transaction: Transaction, what: Row | Delete | Bury | Arrived | Lead
    ) -> bool | None:
        if isinstance(what, Delete):
            return transaction.delete(what.id, what.owner)
        assert transaction.cold is not None
        if isinstance(what, Bury):
            transaction.cold.bury(what.note)
        elif isinstance(what, Arrived):
            transaction.cold.moved(what.seqs, THERE)
            transaction.cold.moved(what.unfit, UNFIT)
            transaction.cold.followed(what.notes)
        else:
            found = connection.execute(_MOVER).fetchone()
            mover, own = found[0] if found else None, self._holder.token()
            if mover not in (None, own) and not is_gone(self._database.path, mover):
                return False
            return mover == own or transaction.cold.take_over(own, mover)
        return None

    def _note_lost(self, count: int) -> None:
        """Counts what was lost, and says it: at once, then once a minute."""
        self.lost += count
        said, next_s = self._lost_said
        now = time.monotonic()
        if self.lost > said and now >= next_s:
            self._lost_said = self.lost, now + _SAY_EVERY_S
            _log.error("the cold store took nothing for too long: %d more responses are lost", self.lost - said)

    def rest(self) -> float:
        """Moves the log into the file when there is much of it, and removes some of what has expired."""
        wait_s = self._next_sweep - time.monotonic()
        if wait_s > 0 and self._pages < _CHECKPOINT_PAGES:
            return wait_s
        try:
            more_in_s = self._tidy()
        except (sqlite3.Error, OSError, StoreFailed) as error:
            failed = error if isinstance(error, StoreFailed) else self._database.failed(error)
            if not self._resting_failed:
                _log.error("%s; what has expired is not removed until it works again", failed)
            self._resting_failed = True
            self._next_sweep = time.monotonic() + self._sweep_every_s
            return self._sweep_every_s
        if more_in_s is not None and self._resting_failed:
            self._resting_failed = False
            _log.warning("%s: works again", self._database.path)
        return more_in_s if more_in_s is not None else max(0.0, self._next_sweep - time.monotonic())

    def _tidy(self) -> float | None:
        """Returns the seconds until there is more to remove; None when it was not yet time to look."""
        if self._pages >= _CHECKPOINT_PAGES:
            self._checkpoint(self._database.connection())
        if time.monotonic() < self._next_sweep:
            return None
        connection = self._database.connection()
        removed = self._sweep(connection)
        self._pages += removed
        wait_s = 0.0 if removed >= _SWEEP_AT_ONCE else self._sweep_every_s
        self._next_sweep = time.monotonic() + wait_s
        return wait_s

    def _sweep(self, connection: sqlite3.Connection) -> int:
        now = self._clock()
        expired = connection.execute(_EXPIRED, {"now": now}).fetchone() is not None
        expired = expired or (self._cold is not None and is_due(connection, now, self._cold))
        if not expired and state_of(connection).within(self._bounds):
            return 0  # so that the lock for writing is not taken in vain
        with self._database.alone(), self._transaction(connection) as transaction:
            removed = transaction.sweep(_SWEEP_AT_ONCE)
            return removed or transaction.trim(self._bounds, _SWEEP_AT_ONCE)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Done here after answering, not by SQLite inside a commit: nobody waits for the disk.

        The log begins anew only when all of it is in the file: so nobody may write meanwhile. When somebody who reads
        has kept it from being moved as a whole, it is tried again soon.
        """
        with self._database.alone():
            busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._pages = 0 if not busy and moved == pages else _CHECKPOINT_PAGES // 2


def _parted(ready: Sequence[_Work]) -> Iterator[tuple[list[Row], _Work | None]]:
    """Yields rows that can be put together, no two of one id, each time with what is to be done behind them, if any."""
    rows: dict[str, Row] = {}
    for work in ready:
        row = work.what
        if not isinstance(row, Row):
            yield list(rows.values()), work
            rows = {}
        elif row.entry.id in rows:
            yield list(rows.values()), None
            rows = {row.entry.id: row}
        else:
            rows[row.entry.id] = row
    yield list(rows.values()), None


def _locked(error: StoreFailed) -> bool:
    return error.__cause__ is not None and code(error.__cause__) in _LOCKED
