"""Counting the tokens of an input over real sockets: by the upstream where it can, else by an estimate."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.asked import assistant, function, user
from tests.support.chat_window import ChatWindow, chat_window, tokens_of
from tests.support.hostile import until
from tests.support.house import House
from tests.support.talking import answer

VLLM = "{tokenizer: vllm}"


async def count(home: House, **fields: Any) -> tuple[int, bool]:
    """Returns the count, and whether it is said to be an estimate."""
    status, headers, data = await home.ask("/responses/input_tokens", **fields)
    assert status == 200, data
    made = json.loads(data)
    assert made["object"] == "response.input_tokens"
    assert set(made) == {"object", "input_tokens"}
    return made["input_tokens"], headers.get("x-penstock-estimated") == "true"


async def test_the_sdk_counts() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home, AsyncOpenAI(base_url=home.url, api_key="k", max_retries=0) as client:
        tool: Any = function("f", strict=None)
        made = await client.responses.input_tokens.count(
            model="m", input="x" * 400, instructions="y" * 400, tools=[tool], tool_choice="auto", truncation="auto"
        )
        assert made.object == "response.input_tokens"
        assert 200 < made.input_tokens < 260
    assert upstream.requests == upstream.counted == []


async def test_an_estimate_says_so_and_grows_with_the_input() -> None:
    async with chat_window(ChatWindow()) as home:
        short, estimated = await count(home, input="x")
        assert estimated
        assert await count(home, input="x" * 4001) == (short + 1000, True)


async def test_an_upstream_that_can_count_is_asked() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream, profile=VLLM) as home:
        found, estimated = await count(
            home, input=[user("one"), assistant("two")], instructions="be brief", tools=[function("f")], stream=True
        )
        assert not estimated
    (asked,) = upstream.counted
    assert set(asked) == {"model", "messages", "tools"}
    assert asked["model"] == "up"
    assert [message["role"] for message in asked["messages"]] == ["system", "user", "assistant"]
    assert found == tokens_of(asked)
    assert upstream.requests == []


async def test_an_upstream_that_fails_to_count_is_made_up_for() -> None:
    upstream = ChatWindow()
    upstream.counts = False
    async with chat_window(upstream, profile=VLLM) as home:
        assert await count(home, input="x" * 400) == (107, True)


@pytest.mark.parametrize("profile", ["{}", VLLM])
async def test_chains_and_conversations_and_compactions_count(profile: str) -> None:
    upstream = ChatWindow()
    async with chat_window(upstream, profile=profile) as home:
        alone, _ = await count(home, input="more")
        first = await answer(home, input="x" * 4000)
        chained, _ = await count(home, input="more", previous_response_id=first["id"])
        assert chained > alone + 1000
        assert (await count(home, input=None, previous_response_id=first["id"]))[0] < chained
        async with home.session.post(f"{home.url}/conversations", json={}) as got:
            conversation = (await got.json())["id"]
        await answer(home, input="x" * 4000, conversation=conversation)
        assert (await count(home, input="more", conversation=conversation))[0] == chained
        status, _, data = await home.ask("/responses/compact", input="x" * 4000)
        assert status == 200
        item = json.loads(data)["output"][-1]
        assert alone + 30 < (await count(home, input=[item, user("more")]))[0] < alone + 90


async def test_counting_keeps_nothing_and_adds_nothing() -> None:
    async with chat_window(ChatWindow()) as home:
        async with home.session.post(f"{home.url}/conversations", json={}) as got:
            conversation = (await got.json())["id"]
        await count(home, input="hi", conversation=conversation)
        async with home.session.get(f"{home.url}/conversations/{conversation}/items") as got:
            assert (await got.json())["data"] == []
        exchange = await home.settled(1)
        assert (exchange.outcome, exchange.response_id, exchange.usage) == ("completed", None, None)


async def test_a_conversation_that_is_being_written_can_be_counted() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        async with home.session.post(f"{home.url}/conversations", json={"items": [user("x" * 400)]}) as got:
            conversation = (await got.json())["id"]
        hold = upstream.hold()
        reader, writer = await home.connect(conversation=conversation)
        await until(lambda: upstream.requests)
        found, _ = await count(home, input="hi", conversation=conversation)
        assert found > 100
        hold.set()
        await reader.read(16)
        writer.close()


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": "unknown"}, "model", "model_not_found"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 7}, "input", "invalid_type"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "previous_response_not_found"),
        ({"tools": [function("f"), function("f")]}, "tools[1].name", "invalid_value"),
    ],
)
async def test_what_cannot_be_counted(fields: dict[str, Any], param: str, code: str) -> None:
    async with chat_window(ChatWindow()) as home:
        status, _, data = await home.ask("/responses/input_tokens", **fields)
        error = json.loads(data)["error"]
        assert (status, error["param"], error["code"]) == (400, param, code)
