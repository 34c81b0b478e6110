"""The database file, as one thread opens it; tests/stores/test_sqlite.py breaks it under a whole store."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from proxy.stores import sqlite_file
from proxy.stores.sqlite_file import Damaged, Database, explained
from proxy.stores.store import StoreFailed


def test_a_new_file_is_made_and_an_old_one_used(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with closing(Database(path)) as one, closing(Database(path)) as two:
        one.connection().execute("INSERT INTO items VALUES ('a', 1)")
        assert two.connection().execute("SELECT * FROM items").fetchall() == [("a", 1)]
        assert one.file == two.file != 0
    with closing(Database(tmp_path / "other.db")) as other:
        other.connection()
        assert other.file != one.file


def test_a_connection_is_set_up_once(tmp_path: Path) -> None:
    prepared: list[sqlite3.Connection] = []
    with closing(Database(tmp_path / "kept.db", prepare=prepared.append)) as database:
        connection = database.connection()
        assert database.connection() is connection
        assert prepared == [connection]
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 1), ("user_version", sqlite_file.VERSION)):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_what_a_full_disk_says_leaves_the_connection(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "kept.db")) as database:
        connection = database.connection()
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO items VALUES (?, 1)", ("x" * 100_000,))
        assert "kept.db: there is no space left on its disk" in str(database.failed(full.value))
        assert database.connection() is connection


def test_what_a_broken_page_says_renews_it(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "kept.db")) as database:
        connection = database.connection()
        broken = sqlite3.DatabaseError("malformed")
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        failed = database.failed(broken)
        assert isinstance(failed, Damaged)
        assert failed.__cause__ is broken
        assert database.connection() is not connection


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with closing(Database(path)) as database:
        database.connection()
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
            with pytest.raises(sqlite3.OperationalError) as refused:
                reader.execute("INSERT INTO items VALUES ('a', 1)")
    assert str(explained(path, refused.value)).startswith(f"{path}: it may only be read (")


def test_any_other_error_is_told_as_it_is(tmp_path: Path) -> None:
    assert str(explained(tmp_path, sqlite3.ProgrammingError("no such thing"))) == f"{tmp_path}: no such thing"


def test_opening_waits_for_the_lock_of_the_directory_and_not_for_ever(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        with pytest.raises(StoreFailed, match=r"kept\.db"):
            Database(tmp_path / "kept.db", busy_s=0.05).connection()
    finally:
        os.close(directory)
    with closing(Database(tmp_path / "kept.db", busy_s=0.05)) as database:
        database.connection()


def test_who_is_alone_holds_the_lock_of_the_directory(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with closing(Database(tmp_path / "kept.db")) as database:
            database.connection()
            with database.alone(), pytest.raises(BlockingIOError):
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(ZeroDivisionError), database.alone():
                assert not 1 / 0
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(directory, fcntl.LOCK_UN)
    finally:
        os.close(directory)


def test_a_file_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    path.touch()
    with closing(Database(path)) as database:
        assert database.connection().execute("SELECT entries FROM totals").fetchone() == (0,)


def test_tables_that_are_missing_are_told(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with closing(Database(path)) as database:
        database.connection().execute("DROP TABLE totals")
    with pytest.raises(StoreFailed, match=r"kept\.db: no such table: totals"):
        Database(path).connection()


def test_the_file_is_looked_for_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.db"
    with closing(Database(path)) as database:
        first = database.connection()
        path.rename(tmp_path / "away.db")
        assert database.connection() is first
        monkeypatch.setattr(sqlite_file.time, "monotonic", lambda: 1e9)
        assert database.connection() is not first
        assert path.exists()


def test_one_closes_after_the_other(tmp_path: Path) -> None:
    """Else each of several that close at once may find others there, and all leave the log behind."""
    path = tmp_path / "kept.db"
    closed: list[bool] = []

    def one() -> None:
        with closing(Database(path, busy_s=20)) as database:
            database.connection().execute("INSERT OR IGNORE INTO items VALUES ('a', 1)")
            opened.wait(20)
            locked.wait(20)
        closed.append(True)

    opened, locked = threading.Barrier(3), threading.Barrier(3)
    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    opened.wait(20)
    directory = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    locked.wait(20)
    for thread in threads:
        thread.join(0.05)
    assert closed == []
    os.close(directory)
    for thread in threads:
        thread.join(20)
    assert closed == [True, True]
    assert list(tmp_path.iterdir()) == [path]


def test_who_cannot_get_the_lock_closes_all_the_same(tmp_path: Path) -> None:
    database = Database(tmp_path / "kept.db", busy_s=0.05)
    connection = database.connection()
    directory = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    database.close()
    os.close(directory)
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
