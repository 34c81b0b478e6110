"""Changes of the database, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path

import pytest

from proxy.stores.bounds import Bounds
from proxy.stores.sqlite_file import Database
from proxy.stores.sqlite_rows import Row, RowMaker
from proxy.stores.sqlite_transaction import LastState, State, Transaction, state_of
from tests.support.stored import START, entry


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(Database(tmp_path / "kept.db")) as database:
        yield database.connection()


def row(id: str, **fields: object) -> Row:
    kept = entry(id, output=[f"msg_{id}"], **fields)
    return RowMaker().row(kept, kept.size)


def put(transaction: Transaction, *rows: Row) -> list[int]:
    """Puts rows; returns their numbers."""
    transaction.put(rows)
    return [row.seq for row in rows]


def kept(db: sqlite3.Connection) -> list[str]:
    """Returns what there is, after checking that the totals say the same."""
    state = state_of(db)
    assert (state.entries, state.bytes) == db.execute("SELECT count(*), coalesce(sum(size), 0) FROM entries").fetchone()
    ids = [id for (id,) in db.execute("SELECT id FROM entries ORDER BY seq")]
    assert sorted(f"msg_{id}" for id in ids) == [id for (id,) in db.execute("SELECT id FROM items ORDER BY id")]
    return ids


def test_all_is_written_at_the_end(db: sqlite3.Connection) -> None:
    with Transaction(db, START) as transaction:
        assert put(transaction, *(row(id) for id in "abc")) == [1, 2, 3]
        assert put(transaction, row("a")) == [4]
        assert transaction.delete("b", "me")
        assert not transaction.delete("b", "me")
        assert not transaction.delete("c", "you")
    assert kept(db) == ["c", "a"]


def test_nothing_is_written_when_something_is_raised(db: sqlite3.Connection) -> None:
    with Transaction(db, START) as transaction:
        put(transaction, row("a"))
    with suppress(ZeroDivisionError), Transaction(db, START) as transaction:
        put(transaction, row("b"))
        transaction.delete("a", "me")
        assert not 1 / 0
    assert not db.in_transaction
    assert kept(db) == ["a"]


def test_a_number_is_never_given_twice(db: sqlite3.Connection) -> None:
    for expected in (1, 2, 3):
        with Transaction(db, START) as transaction:
            assert put(transaction, row("a")) == [expected]
        with Transaction(db, START) as transaction:
            assert transaction.delete("a", "me")


def test_a_transaction_without_changes_writes_nothing(db: sqlite3.Connection) -> None:
    before = db.total_changes
    with Transaction(db, START) as transaction:
        assert not transaction.delete("a", "me")
        assert transaction.sweep(10) == 0
        assert transaction.trim(Bounds(), 10) == 0
    assert db.total_changes == before


def test_sweeping_removes_so_many(db: sqlite3.Connection) -> None:
    with Transaction(db, START) as transaction:
        for n in range(10):
            put(transaction, row(str(n), expires_at=START + n))
    with Transaction(db, START + 7) as transaction:
        assert [transaction.sweep(5), transaction.sweep(5)] == [5, 3]
    assert kept(db) == ["8", "9"]


def test_trimming_removes_so_many_and_never_what_was_put_last(db: sqlite3.Connection) -> None:
    with Transaction(db, START) as transaction:
        for id in "abcdef":
            put(transaction, row(id, status="queued" if id == "b" else "completed"))
        assert transaction.trim(Bounds(max_responses=1), 10) == 0
    with Transaction(db, START) as transaction:
        assert transaction.trim(Bounds(max_responses=1), 2) == 2
    assert kept(db) == ["b", "d", "e", "f"]
    with Transaction(db, START) as transaction:
        put(transaction, row("g"))
        assert transaction.trim(Bounds(max_bytes=1), 10) == 3
    assert kept(db) == ["b", "g"]
    with Transaction(db, START) as transaction:
        assert transaction.trim(Bounds(max_responses=1), 10) == 0
    assert kept(db) == ["b", "g"]


def test_the_state_is_known_whatever_was_removed(db: sqlite3.Connection) -> None:
    size = row("a").size
    with Transaction(db, START) as transaction:
        for id in "abc":
            put(transaction, row(id, log=b"12345", log_until=START + 9))
    assert state_of(db) == State(3, 3, 3 * (size + 5), 0, 0)
    with Transaction(db, START) as transaction:
        transaction.delete("c", "me")  # the newest, whose numbers are needed
    assert state_of(db) == State(3, 3, 3 * (size + 5), 1, size + 5)
    with Transaction(db, START + 9) as transaction:
        assert transaction.sweep(10) == 2
    assert state_of(db) == State(3, 3, 3 * (size + 5), 1, size + 15)
    with Transaction(db, START) as transaction:
        assert put(transaction, row("d")) == [4]
    assert state_of(db) == State(4, 4, 4 * size + 15, 1, size + 15)
    for id in "dba":
        with Transaction(db, START) as transaction:
            assert transaction.delete(id, "me")
    state = state_of(db)
    assert (state.last, state.entries, state.bytes) == (4, 0, 0)
    assert kept(db) == []


def test_a_put_alone_leaves_the_totals_as_they_are(db: sqlite3.Connection) -> None:
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    with Transaction(db, START) as transaction:
        put(transaction, row("a"))
    assert not any("UPDATE" in statement for statement in statements)


def test_rows_of_all_kinds_are_put_together(db: sqlite3.Connection) -> None:
    fields = [{}, {"parent": "z"}, {"deployment": "x/y", "cost": Decimal("0.5")}, {"status": "queued"}]
    rows = [row(f"{n}", log=b"log" * (n % 2), log_until=START + 9, **fields[n // 10 % 4]) for n in range(45)]
    with Transaction(db, START) as transaction:
        put(transaction, row("7"), row("30"))
        assert put(transaction, *rows) == list(range(3, 48))
    found = db.execute("SELECT id, parent, deployment, cost, length(body), all_entries FROM entries ORDER BY seq")
    for n, (id, *maybe, length, number) in enumerate(found):
        values = rows[n].values
        assert (id, maybe, length, number) == (f"{n}", list(values[9:12]), len(values[-1]), n + 3)
    with Transaction(db, START + 9) as transaction:
        assert transaction.sweep(45) == 22  # logs
    assert kept(db) == [f"{n}" for n in range(45)]


def test_what_was_known_of_the_state_holds_until_somebody_else_writes(tmp_path: Path) -> None:
    last, statements = LastState(), list[str]()
    with closing(Database(tmp_path / "kept.db")) as one, closing(Database(tmp_path / "kept.db")) as other:
        db = one.connection()
        db.set_trace_callback(statements.append)
        for expected, ours in enumerate([True, True, False, True, True], 1):
            with Transaction(db if ours else other.connection(), START, last=last if ours else None) as transaction:
                assert put(transaction, row(str(expected))) == [expected]
        with suppress(ZeroDivisionError), Transaction(db, START, last=last) as transaction:
            put(transaction, row("none"))
            assert not 1 / 0
        with Transaction(db, START, last=last) as transaction:
            assert transaction.delete("5", "me")
            assert put(transaction, row("6")) == [6]
        asked = sum("FROM totals" in statement for statement in statements)
        assert asked == 3  # at first, after the other has written, and after what was undone
        assert kept(db) == ["1", "2", "3", "4", "6"]
        with Transaction(db, START, last=last) as transaction:
            assert transaction.sweep(10) == 0
            assert last.take(other.connection(), other.connection().cursor()) == state_of(db)
