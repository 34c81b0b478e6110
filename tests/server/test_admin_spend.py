"""`GET /admin/spend`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from proxy.errors import BadRequest, Overloaded
from proxy.events import Usage
from proxy.exchange import Key
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


def test_without_a_ledger_there_is_no_such_path() -> None:
    assert spend_routes([]) == {}
