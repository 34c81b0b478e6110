"""`GET /admin/spend`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from proxy.errors import BadRequest, Overloaded
from proxy.events import Usage
from proxy.exchange import Key
from proxy.ledger import ledger as module
from proxy.ledger.ledger import Ledger
from proxy.ledger.row import row_of
from proxy.ledger.stage import LedgerStage
from proxy.server.admin_spend import spend_routes
from tests.support.books import ended


async def test_it_tells_what_was_spent_down_to_the_last_request(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    stage = LedgerStage(ledger)
    await stage.start()
    show = spend_routes([stage])["/admin/spend"]["GET"]

    async def ask(query: str) -> Any:
        return msgspec.json.decode((await show(make_mocked_request("GET", f"/admin/spend?{query}"))).body)

    for team, cost in (("a", "0.5"), ("a", "0.25"), ("b", "0.000000001")):
        await ledger.add(row_of(ended("completed", Usage(10, 5), cost=cost, key=Key("k", team=team))))
    shown = await ask("by=team&since=7d")
    assert shown["by"] == ["team"]
    found = [(row["team"], row["requests"], row["cost"], row["nano_dollars"]) for row in shown["data"]]
    assert found == [("a", 2, 0.75, 750_000_000), ("b", 1, 1e-9, 1)]
    assert shown["total"]["nano_dollars"] == 750_000_001
    assert [row["requests"] for row in (await ask("by=day&team=b"))["data"]] == [1]
    for wrong in ("by=colour", "since=never", "tea=a"):
        with pytest.raises(BadRequest):
            await ask(wrong)
    await stage.close()
    with pytest.raises(Overloaded):
        await ask("by=key")


async def test_a_ledger_that_is_locked_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.2)
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    stage = LedgerStage(ledger)
    await stage.start()
    show = spend_routes([stage])["/admin/spend"]["GET"]
    await ledger.add(row_of(ended("completed", Usage(10, 5))))
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Overloaded, match=r"locked.*no answer within 0\.2 s") as refused:
            await show(make_mocked_request("GET", "/admin/spend"))
        other.execute("ROLLBACK")
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
    monkeypatch.undo()
    monkeypatch.setattr(module, "_ANSWER_S", 60.0)  # whatever else this machine does
    shown = msgspec.json.decode((await show(make_mocked_request("GET", "/admin/spend"))).body)
    assert shown["total"]["requests"] == 1
    await stage.close()


def test_without_a_ledger_there_is_no_such_path() -> None:
    assert spend_routes([]) == {}
