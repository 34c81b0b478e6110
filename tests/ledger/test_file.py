"""The ledger's file."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from proxy.ledger.file import add_rows, forget, open_ledger, read_ledger
from proxy.ledger.row import row_of
from proxy.ledger.spend import Question, spend
from proxy.stores.store import StoreFailed
from tests.support.books import ended

ROW = row_of(ended())


def test_rows_and_sums_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    connection = open_ledger(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    add_rows(connection, [ROW, ROW])
    with pytest.raises(sqlite3.IntegrityError):
        add_rows(connection, [ROW, ROW._replace(outcome=None)])  # type: ignore[arg-type]
    assert connection.execute("SELECT count(*) FROM exchanges").fetchone() == (2,)
    assert [one.requests for one in spend(connection, Question())] == [2]
    connection.close()


def test_rows_are_written_as_they_are_and_sums_are_exact(tmp_path: Path) -> None:
    connection = open_ledger(tmp_path / "ledger.db")
    known = ROW._replace(input=10, cached=3, output=5, reasoning=2, cost=7, estimated=True, end_user="ann")
    unknown = ROW._replace(input=1, cached=None, output=2, reasoning=0, cost=None, partial=True, end_user="bob")
    rows = [known, unknown, unknown, known._replace(cached=0, cost=0, upstream="other")]
    add_rows(connection, rows)
    assert connection.execute("SELECT * FROM exchanges ORDER BY rowid").fetchall() == rows
    sums = "requests, input, cached, output, reasoning, cost, estimated, unpriced, partial"
    days = connection.execute(f"SELECT {sums} FROM days ORDER BY requests").fetchall()
    assert days == [(1, 10, 0, 5, 2, 0, 1, 0, 0), (3, 12, 3, 9, 2, 7, 1, 2, 2)]
    users = connection.execute(f"SELECT {sums} FROM end_user_days ORDER BY end_user").fetchall()
    assert users == [(2, 20, 3, 10, 4, 7, 2, 0, 0), (2, 2, 0, 4, 0, 0, 0, 2, 2)]
    connection.close()


def test_two_workers_write_to_one_file(tmp_path: Path) -> None:
    first, second = open_ledger(tmp_path / "l.db"), open_ledger(tmp_path / "l.db", durable=True)
    add_rows(first, [ROW])
    add_rows(second, [ROW])
    assert spend(first, Question())[0].requests == 2
    assert second.execute("PRAGMA synchronous").fetchone() == (2,)
    first.close()
    second.close()


def test_old_rows_and_end_users_are_forgotten_and_sums_of_days_stay(tmp_path: Path) -> None:
    connection = open_ledger(tmp_path / "ledger.db")
    old = ROW._replace(day="2020-01-01", end_user="somebody")
    add_rows(connection, [old] * 2500 + [ROW])
    assert forget(connection, "2021-01-01")
    assert not forget(connection, "2021-01-01")
    assert connection.execute("SELECT count(*) FROM exchanges").fetchone() == (1,)
    assert sum(one.requests for one in spend(connection, Question(by=("end_user",)))) == 1
    assert sum(one.requests for one in spend(connection, Question())) == 2501
    connection.close()


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    text = tmp_path / "text"
    text.write_text("no database at all, and long enough for its header to be read as one")
    for path, reason in (
        (other, "another program"),
        (text, "not a database"),
        (tmp_path / "no" / "l.db", "No such file"),
    ):
        with pytest.raises(StoreFailed, match=reason):
            open_ledger(path)
    with pytest.raises(StoreFailed, match="there is no ledger"):
        read_ledger(tmp_path / "missing.db")
    (tmp_path / "begun.db").touch()
    with pytest.raises(StoreFailed, match="there is no ledger"):
        read_ledger(tmp_path / "begun.db")
    newer = open_ledger(tmp_path / "newer.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreFailed, match="newer Penstock"):
        read_ledger(tmp_path / "newer.db")
