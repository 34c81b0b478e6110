"""The ledger of one worker: rows wait a moment, and are written by a thread."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.ledger import ledger as module
from proxy.ledger.ledger import Ledger, read_spend
from proxy.ledger.row import row_of
from proxy.ledger.spend import Question
from proxy.stores.store import StoreFailed
from tests.support.books import ended

ROW = row_of(ended())
ALL = Question()


def count(path: Path) -> int:
    return sum(one.requests for one in read_spend(path, ALL))


async def test_a_row_that_cannot_be_written_takes_no_other_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    await ledger.start()
    for row in (ROW, ROW._replace(key="\ud800"), ROW._replace(input=1 << 70), ROW):
        await ledger.add(row)
    await ledger.flush()
    assert (count(ledger.path), ledger.waiting, ledger.lost) == (2, 0, 2)
    assert caplog.text.count("is dropped") == 2
    await ledger.close()


def moved_away(directory: Path) -> None:
    for path in list(directory.iterdir()):
        path.rename(path.with_name(f"old-{path.name}"))


async def test_rows_are_there_after_a_flush_and_after_the_end(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    await ledger.start()
    for _ in range(5):
        await ledger.add(ROW)
    assert (count(ledger.path), ledger.waiting) == (0, 5)
    assert sum(one.requests for one in await ledger.spend(ALL)) == 5
    await ledger.add(ROW)
    await ledger.close()
    assert (count(ledger.path), ledger.waiting, ledger.lost) == (6, 0, 0)


async def test_a_durable_ledger_has_each_row_at_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600, durable=True)
    await ledger.start()
    await ledger.add(ROW)
    assert count(ledger.path) == 1
    await ledger.close()


async def test_a_file_that_cannot_be_written_loses_nothing_that_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    await ledger.start()
    works = module.add_rows

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(module, "add_rows", full)
    for _ in range(5):
        await ledger.add(ROW)
    with pytest.raises(StoreFailed, match="disk is full"):
        await ledger.flush()
    for _ in range(2):
        await ledger.add(ROW)
    with pytest.raises(StoreFailed, match="disk is full"):
        await ledger.flush()
    assert (ledger.waiting, ledger.lost) == (3, 4)
    monkeypatch.setattr(module, "add_rows", works)
    await ledger.flush()
    assert (count(ledger.path), ledger.waiting, ledger.lost) == (3, 0, 4)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    await ledger.close()


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    await ledger.start()
    await ledger.add(ROW)
    await ledger.flush()
    moved_away(tmp_path)
    await ledger.add(ROW)
    await ledger.flush()
    await ledger.close()
    assert count(ledger.path) == 1
