"""Batches of changes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.stores.bounds import Bounds
from proxy.stores.recent import Recent
from proxy.stores.sqlite_file import Database
from proxy.stores.sqlite_writer import Delete, Put, Writer
from proxy.stores.store import Entry, StoreFailed
from tests.support.stored import Clock, entry, raw


def put(kept: Entry) -> Put:
    return Put(kept, kept.size)


class Fixture:
    def __init__(self, directory: Path) -> None:
        self.database = Database(directory / "kept.db", busy_s=0.01)
        self.recent = Recent(1_000_000)
        self.clock = Clock()
        self.writer = Writer(self.database, self.recent, Bounds(max_bytes=10_000), clock=self.clock, sweep_every_s=60.0)
        self.writer.open()
        self.statements: list[str] = []
        self.database.connection().set_trace_callback(self.statements.append)

    def count(self, beginning: str) -> int:
        """Returns how many statements began so."""
        return sum(statement.startswith(beginning) for statement in self.statements)

    def ids(self) -> list[str]:
        return [id for (id,) in self.database.connection().execute("SELECT id FROM entries ORDER BY seq")]


@pytest.fixture
def fixture(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    made.writer.close()


def test_a_batch_is_one_transaction_in_its_order(fixture: Fixture) -> None:
    jobs = [put(entry("a")), Delete("a", "me"), Delete("a", "me"), put(entry("a")), put(entry("b"))]
    assert fixture.writer.run(jobs) == [None, True, False, None, None]
    assert fixture.count("BEGIN") == fixture.count("COMMIT") == 1
    assert fixture.ids() == ["a", "b"]


def test_one_that_fails_leaves_the_others_their_own(fixture: Fixture) -> None:
    bad = entry("bad", owner="\udc00")
    large = entry("large", text="x" * 20_000)
    results = fixture.writer.run([put(entry("a")), put(bad), Delete("a", "me"), put(large), put(entry("b"))])
    assert [type(result) for result in results] == [type(None), StoreFailed, bool, StoreFailed, type(None)]
    assert results[2] is True
    assert fixture.ids() == ["b"]
    fixture.statements.clear()
    assert fixture.writer.run([put(large)])[0].args == results[3].args
    assert fixture.count("BEGIN") == 0


def test_a_lock_is_waited_for_once(fixture: Fixture) -> None:
    with closing(sqlite3.connect(fixture.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = fixture.writer.run([put(entry(id)) for id in "abc"])
        assert all(isinstance(result, StoreFailed) for result in results)
        assert fixture.count("BEGIN") == 1
        other.execute("ROLLBACK")
    assert fixture.writer.run([put(entry("a"))]) == [None]


def test_a_write_waits_for_the_one_of_another_worker(fixture: Fixture) -> None:
    held: list[bool] = []

    def note(statement: str) -> None:
        directory = os.open(fixture.database.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append(False)
        except BlockingIOError:
            held.append(True)
        finally:
            os.close(directory)

    fixture.database.connection().set_trace_callback(note)
    fixture.writer.run([put(entry("a")), Delete("a", "me")])
    assert len(held) > 5
    assert all(held)


def test_what_was_written_is_at_hand_and_what_was_not_is_not(fixture: Fixture) -> None:
    kept = entry("a")
    fixture.writer.run([put(kept)])
    assert fixture.recent.get(fixture.database.file, 1) is kept
    fixture.writer.run([put(entry("b", owner="\udc00"))])
    assert fixture.recent.get(fixture.database.file, 2) is None


def test_resting_sweeps_at_times_and_without_a_lock_when_there_is_nothing(fixture: Fixture) -> None:
    assert fixture.writer.rest() == 60.0
    assert 0 < fixture.writer.rest() <= 60.0
    assert fixture.count("BEGIN") == 0


def test_resting_goes_on_at_once_while_there_is_more(tmp_path: Path, fixture: Fixture) -> None:
    fixture.writer.run([put(entry(str(n), response=raw(n))) for n in range(100)])
    fixture.clock.now += 10_000
    assert fixture.writer.rest() == 0.0
    assert len(fixture.ids()) == 36
    assert fixture.writer.rest() == 60.0
    assert fixture.ids() == []


def test_the_log_is_moved_into_the_file_after_answering(fixture: Fixture) -> None:
    for _ in range(150):
        fixture.writer.run([put(entry(str(n))) for n in range(20)])
        assert not fixture.statements[-1].startswith("PRAGMA")
        fixture.writer.rest()
    assert 2 < fixture.count("PRAGMA wal_checkpoint") < 15
    assert fixture.database.path.with_name("kept.db-wal").stat().st_size < 2000 * 4096


def test_a_log_that_a_reader_holds_is_moved_later(fixture: Fixture) -> None:
    log = fixture.database.path.with_name("kept.db-wal")

    def write() -> None:
        for n in range(300):
            assert fixture.writer.run([put(entry(str(n % 3), text="x" * 500))]) == [None]
            fixture.writer.rest()

    with closing(sqlite3.connect(fixture.database.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchall()
        write()
        held = log.stat().st_size
        reader.execute("COMMIT")
    assert held > 1200 * 4096
    write()
    assert log.stat().st_size < 1.5 * held
