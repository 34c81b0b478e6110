"""Sums of what was spent."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from proxy.config.types import Mistake
from proxy.ledger.file import add_rows, open_ledger
from proxy.ledger.row import Row, row_of
from proxy.ledger.spend import BY, Question, question, read_by, read_day, spend, statement, total
from tests.support.books import ended

BASE = row_of(ended())


def row(day: str, key: str, cost: int | None, **fields: object) -> Row:
    return BASE._replace(day=day, key=key, cost=cost, input=10, output=1, **fields)  # type: ignore[arg-type]


ROWS = [
    row("2026-11-01", "a", 5, end_user="x"),
    row("2026-11-01", "a", 6, end_user="x"),
    row("2026-11-02", "a", 7, end_user="y", estimated=True),
    row("2026-11-02", "b", 100, cached=4),
    row("2026-11-03", "b", None),
]


def test_sums_are_by_any_names_the_dearest_first_and_days_in_order(tmp_path: Path) -> None:
    connection = open_ledger(tmp_path / "ledger.db")
    add_rows(connection, ROWS[:2])
    add_rows(connection, ROWS[2:])
    found = spend(connection, question("key", "2026-11-01"))
    assert [(one.names, one.requests, one.nano_dollars) for one in found] == [
        ({"key": "b"}, 2, 100),
        ({"key": "a"}, 3, 18),
    ]
    assert (found[0].cached, found[0].unpriced, found[1].estimated) == (4, 1, 1)
    days = spend(connection, question("day", "2026-11-02", "2026-11-03"))
    assert [(one.names["day"], one.nano_dollars) for one in days] == [("2026-11-02", 107), ("2026-11-03", 0)]
    users = spend(connection, question("end_user,day", "2026-11-01", only={"key": "a"}))
    assert [(one.names["end_user"], one.requests, one.nano_dollars) for one in users] == [("x", 2, 11), ("y", 1, 7)]
    for by in BY:
        every = total(spend(connection, Question(by=(by,))))
        assert (every.requests, every.input, every.nano_dollars) == (5, 50, 118)
    assert spend(connection, question("key", "2027-01-01")) == []
    connection.close()


def test_12_5_no_question_reads_rows_of_exchanges(tmp_path: Path) -> None:
    connection = open_ledger(tmp_path / "ledger.db")
    for by in BY:
        sql, values = statement(question(by, "2026-11-01", only={"key": "a"}))
        plan = " ".join(line[3] for line in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
        assert "exchanges" not in plan
        assert "PRIMARY KEY (day>? AND day<?)" in plan
    connection.close()


def test_what_is_asked_is_read_from_words() -> None:
    assert read_by("team, end-user,team") == ("team", "end_user")
    assert read_day("7d", date(2026, 11, 22)) == "2026-11-15"
    assert read_day("12h", date(2026, 11, 22)) == "2026-11-22"
    for wrong in ("colour", "", "key; drop table days"):
        with pytest.raises(Mistake, match="not kept by"):
            read_by(wrong)
    for wrong in ("2026-02-30", "yesterday", "99999999999d"):
        with pytest.raises(Mistake, match="is no day"):
            read_day(wrong)
    with pytest.raises(Mistake, match="not kept by upstream"):
        question("end_user,upstream")
