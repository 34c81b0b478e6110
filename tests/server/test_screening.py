"""What is put into conversations is looked at like any other input."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.raw import Raw
from proxy.errors import BadRequest
from proxy.server.screening import Screening
from proxy.stores.memory import MemoryStore
from stages.route import Route
from tests.support.guarding import guard
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
