"""The tables, as they are and as those of earlier versions become."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from proxy.stores.sqlite import SqliteStore
from proxy.stores.sqlite_file import Database
from proxy.stores.sqlite_schema import MIGRATIONS, SCHEMA, VERSION
from proxy.stores.sqlite_transaction import state_of
from proxy.stores.store import StoreFailed
from tests.support.stored import START, Clock, entry, raw

# What version 1 made and wrote, word for word.
VERSION_1 = """
BEGIN IMMEDIATE;
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  owner TEXT NOT NULL,
  finished INTEGER NOT NULL,
  size INTEGER NOT NULL,
  item_ids BLOB NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  status TEXT NOT NULL,
  model TEXT NOT NULL,
  parent TEXT,
  deployment TEXT,
  body BLOB NOT NULL
);
CREATE UNIQUE INDEX entries_by_id ON entries (id);
CREATE INDEX entries_by_expiry ON entries (expires_at);
CREATE TABLE items (id TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (id, entry)) WITHOUT ROWID;
CREATE TABLE totals (file INTEGER NOT NULL, last INTEGER NOT NULL, entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (4711, 0, 0, 0);
PRAGMA application_id = 1346719315;
PRAGMA user_version = 1;
COMMIT;
"""
INSERT_1 = (
    "INSERT INTO entries (seq, id, owner, finished, size, item_ids, created_at, expires_at, status, model, parent, "
    "deployment, body) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
)

KEPT = [
    entry("resp_1", given=["in_1", raw({"type": "message"})], output=["out_1"]),
    entry("resp_2", given=["in_2", "in_1"], output=["out_2"], parent="resp_1", text="again"),
    entry("resp_3", status="in_progress", parent="resp_2", deployment="local/small"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as version 1 left it."""
    path = tmp_path / "kept.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.executescript(VERSION_1)
        for seq, kept in enumerate(KEPT, 1):
            ids = [msgspec.json.decode(item).get("id") for item in (*kept.input, *kept.output)]
            body = msgspec.json.encode((kept.response, kept.input, kept.output))
            values = (
                *(seq, kept.id, kept.owner, kept.finished, kept.size, msgspec.json.encode(ids), kept.created_at),
                *(kept.expires_at, kept.status, kept.model, kept.parent, kept.deployment, body),
            )
            db.execute(INSERT_1, values)
            db.executemany("INSERT INTO items VALUES (?, ?)", [(id, seq) for id in ids if id is not None])
        db.execute("UPDATE totals SET last = 3, entries = 3, bytes = ?", (sum(kept.size for kept in KEPT),))
        db.commit()
    return path


def names(db: sqlite3.Connection) -> dict[str, set[str]]:
    """Returns the columns of every table and index."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
    return {
        name: {row[1] or row[2] for row in db.execute(f"SELECT * FROM pragma_table_info('{name}')")} for name in tables
    }


async def test_what_version_1_kept_is_there_and_can_be_changed(path: Path) -> None:
    store = SqliteStore(path, clock=Clock())
    await store.start()
    try:
        assert await store.chain("resp_3", "me") == KEPT
        assert await store.items(["in_1", "in_2", "out_1"], "me") == {
            "in_1": KEPT[1].input[1], "in_2": KEPT[1].input[0], "out_1": KEPT[0].output[0]
        }  # fmt: skip
        assert await store.log("resp_1", "me") == b""
        assert await store.abandoned() == KEPT[2:]
        assert await store.delete("resp_2", "me")
        assert await store.items(["in_1", "in_2"], "me") == {"in_1": KEPT[0].input[0]}
        await store.put(entry("resp_3", log=b"events", log_until=START + 10))
        assert await store.log("resp_3", "me") == b"events"
        assert await store.abandoned() == []
    finally:
        await store.close()
    with closing(sqlite3.connect(path)) as db:
        size = KEPT[0].size + entry("resp_3").size + len(b"events")
        state = state_of(db)
        assert (state.last, state.entries, state.bytes) == (4, 2, size)
        assert db.execute("SELECT file FROM totals").fetchall() == [(4711,)]
        assert db.execute("SELECT * FROM items").fetchall() == [("in_1", 1), ("out_1", 1)]


def test_what_it_becomes_is_what_is_made_now(path: Path, tmp_path: Path) -> None:
    with closing(Database(path)) as old, closing(Database(tmp_path / "new.db")) as new:
        assert names(old.connection()) == names(new.connection())
        assert old.connection().execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert old.connection().execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(Database(path)) as again:
        assert again.connection().execute("SELECT count(*) FROM entries").fetchone() == (3,)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE logs (mine)")  # in the way of ours
    with pytest.raises(StoreFailed, match="logs already exists"), closing(Database(path)) as database:
        database.connection()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "holder" not in names(db)["entries"]
        db.execute("DROP TABLE logs")
    with closing(Database(path)) as database:
        assert database.connection().execute("SELECT holder FROM entries").fetchall() == [(None,), (None,), ("",)]


async def test_what_version_2_kept_has_no_cost_and_is_given_one(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(MIGRATIONS[1])
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    for put in (True, False):
        store = SqliteStore(path, clock=Clock())
        await store.start()
        try:
            if put:
                assert await store.chain("resp_3", "me") == KEPT
                await store.put(entry("resp_3", cost=Decimal("0.000000000120")))
            kept = [await store.get(f"resp_{number}", "me") for number in (2, 3)]
        finally:
            await store.close()
        assert [one and one.cost for one in kept] == [None, Decimal("1.2e-10")]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT cost FROM entries WHERE id = 'resp_3'").fetchone() == ("0.00000000012",)


async def test_workers_that_start_at_once_migrate_once(path: Path) -> None:
    stores = [SqliteStore(path, clock=Clock()) for _ in range(4)]
    for store in stores:
        await store.start()
    assert [len(await store.chain("resp_3", "me") or ()) for store in stores] == [3] * 4
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT DISTINCT holder FROM entries WHERE holder IS NOT NULL", "entries_by_holder"),
        ("SELECT seq FROM entries WHERE holder = 'x' AND expires_at > 1", "entries_by_holder"),
        ("SELECT entry FROM logs WHERE expires_at <= 1", "logs_by_expiry"),
        ("SELECT seq FROM entries WHERE expires_at <= 1", "entries_by_expiry"),
    ],
)
def test_what_is_looked_for_is_found_by_an_index(sql: str, index: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA % 1)
        assert index in str(db.execute("EXPLAIN QUERY PLAN " + sql).fetchall())
