"""What is put into conversations is looked at like any other input."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from proxy.api.raw import Raw
from proxy.config.types import Secret
from proxy.errors import BadRequest
from proxy.guardrails.check import Asked, Verdict
from proxy.keyring import KeyEntry
from proxy.ledger.row import row_of
from proxy.logs.row import Rows
from proxy.marks import GUARDRAIL
from proxy.server.screening import Screening
from proxy.stores.memory import MemoryStore
from stages.auth import Auth, AuthConfig
from stages.route import Route
from tests.support.guarding import Oracle, guard
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, body

MASK = {"words": ["bluebird"], "action": "mask"}
BLOCK = {"words": ["red fox"]}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


async def test_items_pass_those_stages_that_look_at_texts() -> None:
    screening = Screening([Route(), await guard(MASK, BLOCK)])
    items = [Raw(json.dumps(said(text)).encode()) for text in ("hi", "a bluebird")]
    left = await screening.items(items)
    assert [json.loads(bytes(item))["content"] for item in left] == ["hi", "a [rule 0]"]
    with pytest.raises(BadRequest) as refused:
        await screening.items([Raw(json.dumps(said("a red fox")).encode())])
    assert (refused.value.code, refused.value.param) == ("content_filter", "items")
    assert await Screening([Route()]).items(items) is items


async def test_no_conversation_takes_what_no_request_may_say() -> None:
    answer = body(b'{"choices":[{"message":{"content":"fine"},"finish_reason":"stop"}]}')
    provider = ScriptedProvider("up", answer)
    async with house(provider, stages=[await guard(MASK, BLOCK)], store=MemoryStore()) as home:
        async with home.session.post(f"{home.url}/conversations", json={"items": [said("a red fox")]}) as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (400, "content_filter")
        async with home.session.post(f"{home.url}/conversations", json={"items": [said("a bluebird")]}) as reply:
            id = (await reply.json())["id"]
        for text, status in (("a red fox", 400), ("two bluebirds", 200)):
            async with home.session.post(f"{home.url}/conversations/{id}/items", json={"items": [said(text)]}) as reply:
                assert reply.status == status
        async with home.session.get(f"{home.url}/conversations/{id}/items") as reply:
            kept = await reply.text()
    assert kept.count("[rule 0]") == 2
    assert "bluebird" not in kept


async def test_what_a_judge_has_cost_has_a_row_where_nothing_is_refused() -> None:
    stage = await guard({"match": "http", "url": "http://127.0.0.1:9/", "scan": ["input"]})

    def says(about: Asked) -> Verdict:
        about.exchange.cost = Decimal("0.25")
        mark = {"rule": "rule 0", "action": "asked", "where": "input", "cost": 0.25}
        about.exchange.marks.setdefault(GUARDRAIL, []).append(mark)
        return Verdict(bad=False)

    async with house(ScriptedProvider("up", body(b"{}")), stages=[stage], store=MemoryStore()) as home:
        stage._askings[0]._check = Oracle(says)
        async with home.session.post(f"{home.url}/conversations", json={"items": [said("a dog")]}) as reply:
            assert reply.status == 200
        exchange = await home.settled()
    row = json.loads(Rows().row(exchange, ()))
    assert (row["outcome"], row["status"], row["path"]) == ("completed", None, "/v1/conversations")
    assert (row["cost"], row["guardrail"][0]["action"]) == (0.25, "asked")
    assert row_of(exchange).cost == 250_000_000


async def test_who_is_asked_hears_who_is_asking_and_a_refusal_has_a_row() -> None:
    asked: list[Asked] = []

    def says(about: Asked) -> Verdict:
        asked.append(about)
        return Verdict(bad="red fox" in about.texts[0])

    stage = await guard({"match": "http", "url": "http://127.0.0.1:9/", "scan": ["input"]})
    auth = Auth(AuthConfig(keys=(KeyEntry(id="k", key=Secret("pk-1"), team="t", user="u"),)))
    provider = ScriptedProvider("up", body(b"{}"))
    headers = {"authorization": "Bearer pk-1"}
    async with house(provider, stages=[auth, stage], store=MemoryStore()) as home:
        stage._askings[0]._check = Oracle(says)
        for text, status in (("a dog", 200), ("a red fox", 400)):
            body_of = {"json": {"items": [said(text)]}, "headers": headers}
            async with home.session.post(f"{home.url}/conversations", **body_of) as reply:
                assert reply.status == status
        exchange = await home.settled()
    assert [one.exchange.key.id for one in asked if one.exchange.key] == ["k", "k"]
    assert len(home.watcher.ended) == 1
    row = json.loads(Rows().row(exchange, ()))
    assert (row["key"], row["team"], row["user"], row["path"]) == ("k", "t", "u", "/v1/conversations")
    assert (row["outcome"], row["status"], row["guardrail"][0]["action"]) == ("rejected", 400, "blocked")
    assert row["error"]["code"] == "content_filter"
