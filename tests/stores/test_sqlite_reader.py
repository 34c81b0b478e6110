"""Reads, each by one query, and what they need not read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.stores import sqlite_reader
from proxy.stores.bounds import Bounds
from proxy.stores.recent import Recent
from proxy.stores.sqlite_file import Database
from proxy.stores.sqlite_reader import Chain, Elsewhere, Get, Items, Reader
from proxy.stores.sqlite_writer import Put, Writer
from proxy.stores.store import Entry, StoreFailed
from tests.support.stored import Clock, entry


class Fixture:
    """A writer, and a reader that shares nothing with it but the file."""

    def __init__(self, directory: Path) -> None:
        clock = Clock()
        self.writing, self.reading = Database(directory / "kept.db"), Database(directory / "kept.db")
        self.writer = Writer(self.writing, Recent(0), Bounds(), clock=clock, sweep_every_s=60.0)
        self.recent = Recent(1_000_000)
        self.reader = Reader(self.reading, self.recent, clock)
        self.reading.prepare = self.reader.prepare
        self.reader.open()
        self.statements: list[str] = []
        self.reading.connection().set_trace_callback(self.statements.append)

    def put(self, *entries: Entry) -> None:
        assert self.writer.run([Put(kept, kept.size) for kept in entries]) == [None] * len(entries)

    def ask(self, job: Get | Chain | Items) -> Any:
        """Returns the answer, which must have taken one query, after the one for what is at hand."""
        self.statements.clear()
        (result,) = self.reader.run([job])
        assert len(self.statements) <= (1 if isinstance(job, Items) else 2)
        return result

    def spoil(self) -> None:
        """Makes all bodies unreadable: what is found nevertheless was not read."""
        self.writing.connection().execute("UPDATE entries SET body = 'spoilt'")


@pytest.fixture
def fixture(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    made.reader.close()
    made.writer.close()


def test_what_was_read_once_is_not_read_again(fixture: Fixture) -> None:
    turns = [entry("a", output=["msg_a"]), entry("b", parent="a", output=["msg_b"]), entry("c", parent="b")]
    fixture.put(*turns)
    assert fixture.ask(Get("b", "me")) == turns[1]
    fixture.spoil()
    assert fixture.ask(Get("b", "me")) == turns[1]
    assert len(fixture.statements) == 1
    assert fixture.ask(Items(["msg_b"], "me")) == [(["msg_b"], {"msg_b": turns[1].output[0]})]
    assert isinstance(fixture.ask(Get("a", "me")), StoreFailed)
    assert isinstance(fixture.ask(Chain("c", "me")), StoreFailed)
    assert isinstance(fixture.ask(Items(["msg_a", "msg_b"], "me")), StoreFailed)
    assert fixture.ask(Get("b", "me")) == turns[1]


def test_what_was_read_of_another_time_is_not_taken_for_it(fixture: Fixture) -> None:
    fixture.put(entry("a", text="first"))
    assert fixture.ask(Get("a", "me")) == entry("a", text="first")
    fixture.put(entry("a", text="second"))
    assert fixture.ask(Get("a", "me")) == entry("a", text="second")


def test_what_is_at_hand_is_still_its_owners(fixture: Fixture) -> None:
    fixture.put(entry("a", output=["msg_a"]))
    assert fixture.ask(Get("a", "me")) is not None
    assert fixture.ask(Get("a", "you")) is None
    assert fixture.ask(Chain("a", "you")) == []
    assert fixture.ask(Items(["msg_a"], "you")) == []


def test_what_is_in_the_cold_store_alone_is_said_to_be_there(fixture: Fixture) -> None:
    fixture.put(entry("a", output=["msg_a"]), entry("b", parent="a"))
    fixture.writing.connection().execute("UPDATE entries SET body = x'', size = 0 WHERE id = 'a'")
    there = fixture.ask(Get("a", "me"))
    assert isinstance(there, Elsewhere)
    assert (there.id, there.owner, there.parent, there.seq) == ("a", "me", None, 1)
    assert fixture.ask(Chain("b", "me")) == [there, entry("b", parent="a")]
    assert fixture.ask(Items(["msg_a"], "me")) == [(["msg_a"], there)]
    assert fixture.ask(Get("a", "you")) is None
    fixture.recent.add(there.file, there.seq, entry("a", output=["msg_a"]), 100)
    assert fixture.ask(Get("a", "me")) == entry("a", output=["msg_a"])


def test_a_chain_is_one_query_however_long(fixture: Fixture) -> None:
    turns = [entry(str(n), parent=str(n - 1) if n else None) for n in range(300)]
    fixture.put(*reversed(turns))
    fixture.ask(Get("150", "me"))
    assert fixture.ask(Chain("299", "me")) == turns
    fixture.spoil()
    assert fixture.ask(Chain("299", "me")) == turns
    assert len(fixture.statements) == 1


def test_who_is_given_a_chain_cannot_change_what_is_at_hand(fixture: Fixture) -> None:
    fixture.put(entry("a", output=["msg_a"]), entry("b", parent="a"))
    for _ in range(3):
        found = fixture.ask(Chain("b", "me"))
        assert found == [entry("a", output=["msg_a"]), entry("b", parent="a")]
        found[0].output.clear()


def test_a_circle_is_one_at_hand_too(fixture: Fixture) -> None:
    fixture.put(entry("a", parent="b"), entry("b", parent="a"))
    for id in "ab":
        assert fixture.ask(Get(id, "me")) is not None
    assert fixture.ask(Chain("a", "me")) is None


def test_any_number_of_items_can_be_asked_for(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    fixture.put(*(entry(str(n), output=[f"msg_{n}"]) for n in range(20)))
    monkeypatch.setattr(sqlite_reader, "_IDS_AT_ONCE", 3)
    (found,) = fixture.reader.run([Items([f"msg_{n}" for n in range(15, 30)] * 2, "me")])
    assert [id for _, items in found for id in items] == [f"msg_{n}" for n in range(15, 20)]


def test_one_read_that_fails_is_alone(fixture: Fixture) -> None:
    fixture.put(entry("a"), entry("b"))
    fixture.writing.connection().execute("UPDATE entries SET body = 'spoilt' WHERE id = 'a'")
    first, second = fixture.reader.run([Get("a", "me"), Get("b", "me")])
    assert isinstance(first, StoreFailed)
    assert second == entry("b")


def test_an_error_of_the_database_is_told(fixture: Fixture) -> None:
    fixture.writing.connection().execute("DROP TABLE items")
    (failed,) = fixture.reader.run([Items(["msg_1"], "me")])
    assert "kept.db: no such table: items" in str(failed)


def test_the_reader_cannot_write(fixture: Fixture) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        fixture.reading.connection().execute("DELETE FROM entries")
