"""What the database says of the cold store, change by change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.stores.bounds import Bounds
from proxy.stores.cold_object import unpacked
from proxy.stores.sqlite_cold import (
    ALONE,
    THERE,
    UNFIT,
    WAITS,
    ColdRule,
    Note,
    is_due,
    is_gone_there,
    is_known,
    work_of,
)
from proxy.stores.sqlite_file import Database
from proxy.stores.sqlite_rows import RowMaker
from proxy.stores.sqlite_transaction import Transaction, state_of
from tests.support.stored import START, entry

RULE = ColdRule(after_s=100.0, backlog=10_000)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(Database(tmp_path / "kept.db")) as database:
        yield database.connection()


def put(db: sqlite3.Connection, *ids: str, rule: ColdRule | None = RULE, **fields: object) -> None:
    with Transaction(db, START, rule, known=True) as transaction:
        for id in ids:
            kept = entry(id, **fields)
            transaction.put([RowMaker().row(kept, kept.size, None if kept.finished else "somebody")])


def states(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT id, state FROM cold JOIN entries ON seq = entry"))


def notes(db: sqlite3.Connection, now: float = START) -> list[Note]:
    return work_of(db, now, 100, 1_000_000, "full").notes


def arrive(db: sqlite3.Connection, *seqs: int, state: int = THERE) -> None:
    with Transaction(db, START, RULE) as transaction:
        assert transaction.cold is not None
        transaction.cold.moved(seqs, state)


def test_what_is_finished_and_lasts_waits_from_its_put_on(db: sqlite3.Connection) -> None:
    assert not is_known(db)
    put(db, "a", "b")
    put(db, "short", expires_at=START + 600)
    put(db, "running", status="in_progress")
    put(db, "none of it", rule=None)
    assert states(db) == {"a": WAITS, "b": WAITS}
    assert is_known(db)
    work = work_of(db, START, 100, 1_000_000, "full")
    assert [(load.seq, load.owner, load.id) for load in work.loads] == [(1, "me", "a"), (2, "me", "b")]
    assert work.loads[0].body is not None
    assert unpacked(work.loads[0].body, "a", "me") == entry("a")
    assert len(work_of(db, START, 1, 1_000_000, "full").loads) == 1
    assert len(work_of(db, START, 100, 1, "full").loads) == 1


def test_a_body_leaves_when_it_has_arrived_and_is_old(db: sqlite3.Connection) -> None:
    put(db, "a", "b")
    arrive(db, 1)
    for now, left in ((START + 99, {"a": THERE, "b": WAITS}), (START + 100, {"a": ALONE, "b": WAITS})):
        assert is_due(db, now, RULE) is (now == START + 100)
        with Transaction(db, now, RULE) as transaction:
            transaction.sweep(64)
        assert states(db) == left
    assert db.execute("SELECT size, length(body) FROM entries WHERE id = 'a'").fetchone() == (0, 0)
    state = state_of(db)
    assert (state.entries, state.bytes) == (1, entry("b").size)


def test_without_content_nothing_leaves_for_its_age(db: sqlite3.Connection) -> None:
    rule = ColdRule(after_s=0.0, content="none")
    put(db, "a", rule=rule)
    arrive(db, 1)
    assert not is_due(db, START + 1000, rule)
    with Transaction(db, START + 1000, rule) as transaction:
        transaction.sweep(64)
    assert states(db) == {"a": THERE}


def test_what_was_deleted_or_replaced_while_on_its_way_has_not_arrived(db: sqlite3.Connection) -> None:
    put(db, "a", "b")
    put(db, "b", text="newer")
    with Transaction(db, START, RULE) as transaction:
        assert transaction.delete("a", "me")
    arrive(db, 1, 2)
    assert states(db) == {"b": WAITS}
    assert notes(db) == [Note("a", "me", True)]
    assert is_gone_there(db, "a", "me")
    assert not is_gone_there(db, "a", "you")


def test_a_deletion_is_followed_twice_and_an_end_once(db: sqlite3.Connection) -> None:
    put(db, "deleted")
    put(db, "expired", expires_at=START + 700)
    with Transaction(db, START + 700, RULE) as transaction:
        transaction.delete("deleted", "me")
        transaction.sweep(64)
    both = notes(db, START + 700)
    assert set(both) == {Note("deleted", "me", True), Note("expired", "me", False)}
    with Transaction(db, START + 700, RULE) as transaction:
        assert transaction.cold is not None
        transaction.cold.followed(both)
    assert notes(db, START + 900) == []
    assert is_gone_there(db, "deleted", "me")
    last = notes(db, START + 1000)
    assert last == [Note("deleted", "me", False)]
    with Transaction(db, START + 1000, RULE) as transaction:
        assert transaction.cold is not None
        transaction.cold.followed(last)
    assert db.execute("SELECT count(*) FROM cold_gone").fetchone() == (0,)


def test_a_put_takes_the_note_of_its_removal_away(db: sqlite3.Connection) -> None:
    put(db, "a", "b")
    with Transaction(db, START, RULE) as transaction:
        transaction.delete("a", "me")
    put(db, "b", status="in_progress")
    assert set(notes(db)) == {Note("a", "me", True), Note("b", "me", True)}
    put(db, "a", "b")
    assert notes(db) == []
    assert states(db) == {"a": WAITS, "b": WAITS}
    put(db, "a", owner="you")
    assert notes(db) == [Note("a", "me", True)]  # whose object has another key


def test_for_space_those_go_that_are_there_then_the_unfit_and_the_waiting_last(db: sqlite3.Connection) -> None:
    size = entry("a", text="x" * 1000).size
    put(db, "a", "b", "c", "d", text="x" * 1000)
    arrive(db, 3)
    arrive(db, 2, state=UNFIT)

    def trim(room: int, backlog: int) -> int:
        rule = ColdRule(after_s=100.0, backlog=backlog)
        with Transaction(db, START, rule) as transaction:
            transaction.trim(Bounds(max_bytes=room * size), 64)
        return transaction.lost

    assert trim(3, 10 * size) == 0
    assert states(db) == {"a": WAITS, "b": UNFIT, "c": ALONE, "d": WAITS}
    assert trim(2, 10 * size) == 0
    assert states(db) == {"a": WAITS, "c": ALONE, "d": WAITS}
    assert trim(1, size) == 0
    assert states(db) == {"a": WAITS, "c": ALONE, "d": WAITS}
    put(db, "e", text="x" * 1000)
    assert trim(1, size) == 1
    assert states(db) == {"c": ALONE, "d": WAITS, "e": WAITS}
    assert set(notes(db)) == {Note("b", "me", True), Note("a", "me", True)}


def test_one_moves_at_a_time_and_another_only_in_its_place(db: sqlite3.Connection) -> None:
    with Transaction(db, START, RULE) as transaction:
        assert transaction.cold is not None
        assert transaction.cold.take_over("one", None)
        assert not transaction.cold.take_over("two", None)
        assert transaction.cold.take_over("two", "one")
    assert db.execute("SELECT holder FROM cold_mover").fetchall() == [("two",)]


def test_what_was_there_before_begins_to_wait_once(db: sqlite3.Connection) -> None:
    put(db, "a", "b", rule=None)
    put(db, "running", rule=None, status="in_progress")
    put(db, "short", rule=None, expires_at=START + 10)
    for _ in range(2):
        with Transaction(db, START, RULE) as transaction:
            assert transaction.cold is not None
            transaction.cold.begin()
        assert states(db) == {"a": WAITS, "b": WAITS}


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (f"SELECT entry FROM cold WHERE state = {WAITS} ORDER BY since LIMIT 9", "cold_by_state"),
        (f"SELECT entry FROM cold WHERE state = {THERE} AND since <= 1 ORDER BY since LIMIT 9", "cold_by_state"),
        ("SELECT id FROM cold_gone WHERE due <= 1 ORDER BY due LIMIT 9", "cold_gone_by_due"),
    ],
)
def test_what_is_looked_for_is_found_by_an_index(db: sqlite3.Connection, sql: str, index: str) -> None:
    plan = str(db.execute("EXPLAIN QUERY PLAN " + sql).fetchall())
    assert index in plan
    assert "TEMP B-TREE" not in plan
