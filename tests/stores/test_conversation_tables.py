"""Conversations in SQL: the tables are made once, the totals stay true, the dead hold nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from proxy.stores.conversation_tables import Tables, prepare
from proxy.stores.conversations import ConversationBounds, ConversationLocked
from tests.support.stored import START, raw
from tests.support.talks import conversation, said


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        prepare(connection)
        yield connection


def tables(db: sqlite3.Connection, now: float = START, **bounds: Any) -> Tables:
    return Tables(db, ConversationBounds(keep_s=1000.0, **bounds), now=now, is_gone=lambda holder: holder == "dead")


def totals(db: sqlite3.Connection) -> tuple[int, int]:
    found: tuple[int, int] = db.execute("SELECT conversations, bytes FROM conversation_totals").fetchone()
    return found


def rows(db: sqlite3.Connection) -> list[int]:
    names = ("conversations", "conversation_items", "conversation_writers")
    return [db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names]


def test_the_tables_are_made_once(db: sqlite3.Connection) -> None:
    tables(db).create(conversation(), said("msg_1"))
    prepare(db)
    assert rows(db) == [1, 1, 0]
    assert db.execute("SELECT count(*) FROM conversation_totals").fetchone() == (1,)


def test_the_totals_are_what_is_there(db: sqlite3.Connection) -> None:
    (item,) = said("msg_1")
    one = tables(db)
    one.create(conversation(a="b"), said("msg_1", "msg_2"))
    one.create(conversation("conv_2"), [])
    assert totals(db) == (2, 2 * len(item) + len(raw({"a": "b"})) + 2)
    one.set_metadata("conv_1", "me", raw({}))
    one.delete_item("conv_1", "me", "msg_2")
    one.append("conv_2", "me", said("msg_1"))
    one.claim("conv_2", "me", "t", "p")
    one.release("conv_2", "me", "t", said("msg_2"))
    assert totals(db) == (2, 3 * len(item) + 4)
    assert totals(db)[1] == db.execute("SELECT sum(bytes) FROM conversations").fetchone()[0]
    one.delete("conv_1", "me")
    one.claim("conv_2", "me", "t", "p")
    one.delete("conv_2", "me")
    assert totals(db) == (0, 0)
    assert rows(db) == [0, 0, 0]


def test_a_claim_ends_with_its_process(db: sqlite3.Connection) -> None:
    tables(db).create(conversation(), [])
    tables(db).claim("conv_1", "me", "t1", "alive")
    for late in (START + 1, START + 999):
        with pytest.raises(ConversationLocked):
            tables(db, late).claim("conv_1", "me", "t2", "other")
        with pytest.raises(ConversationLocked):
            tables(db, late).append("conv_1", "me", said("msg_1"))
    tables(db).release("conv_1", "me", "t1", [])
    tables(db).claim("conv_1", "me", "t1", "dead")
    assert tables(db).claim("conv_1", "me", "t2", "other") == []
    with pytest.raises(ConversationLocked):
        tables(db).claim("conv_1", "me", "t3", "other")
    tables(db).let_go(["t1", "t2", "t9"])
    assert rows(db) == [1, 0, 0]


def test_sweeping_takes_what_has_expired_and_claims_of_the_dead(db: sqlite3.Connection) -> None:
    one = tables(db)
    for n in range(5):
        one.create(conversation(f"conv_{n}"), said("msg_1"))
    one.claim("conv_1", "me", "t1", "alive")
    assert not one.untidy()
    one.claim("conv_0", "me", "t0", "dead")
    assert one.untidy()
    assert one.sweep(10) == 0
    assert rows(db) == [5, 5, 1]
    late = tables(db, START + 1000)
    assert late.untidy()
    assert late.sweep(2) == 2
    assert late.sweep(10) == 2
    assert late.sweep(10) == 0
    assert rows(db) == [1, 1, 1]
    assert totals(db)[0] == 1


def test_trimming_stops_where_it_is_told_to(db: sqlite3.Connection) -> None:
    for n in range(10):
        tables(db, START + n).create(conversation(f"conv_{n}"), [])
    tight = tables(db, START + 10, max_conversations=2)
    assert tight.untidy()
    assert tight.trim(5) == 5
    assert tight.trim(5) == 3
    assert tight.trim(5) == 0
    assert [id for (id,) in db.execute("SELECT id FROM conversations ORDER BY seq")] == ["conv_8", "conv_9"]
