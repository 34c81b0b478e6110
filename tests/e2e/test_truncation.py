"""`truncation: auto` over real sockets, against a chat server that refuses what is too long."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.asked import assistant, call, function, output, user
from tests.support.chat_window import ChatWindow, chat_window, tokens_of
from tests.support.grammar import check_stream
from tests.support.scripted import events_of
from tests.support.talking import answer

SYSTEM = {"role": "system", "content": "be brief"}
TURNS = [message for n in range(20) for message in (user(f"{n:02} " * 100), assistant("x" * 300))]


@pytest.mark.parametrize("figures", [True, False])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_oldest_turns_are_dropped_until_it_fits(stream: bool, figures: bool) -> None:
    upstream = ChatWindow(limit=1800, figures=figures)
    async with chat_window(upstream) as home:
        said = [SYSTEM, *TURNS, user("last")]
        status, headers, data = await home.ask(input=said, truncation="auto", stream=stream)
        assert status == 200
        if stream:
            check_stream(data)
        made = events_of(data)[-2][1]["response"] if stream else json.loads(data)
        assert (made["truncation"], made["status"]) == ("auto", "completed")
        async with home.session.get(f"{home.url}/responses/{made['id']}/input_items?limit=100") as got:
            assert len((await got.json())["data"]) == len(said)
    sent = upstream.requests[-1]["messages"]
    assert 2 <= len(upstream.requests) <= 6
    assert headers["x-penstock-attempts"] == str(len(upstream.requests))
    assert int(headers["x-penstock-truncated-items"]) == len(said) - len(sent)
    assert "x-penstock-ignored-params" not in headers
    assert sent[0] == SYSTEM
    assert sent[1:] == upstream.requests[0]["messages"][-len(sent) + 1 :]
    assert sent[1]["role"] == "user"
    assert tokens_of(upstream.requests[-1]) <= 1800 < tokens_of(upstream.requests[-2])
    if figures:
        assert len(upstream.requests) == 2
        assert tokens_of(upstream.requests[-1]) > 1400


@pytest.mark.parametrize("truncation", [None, "disabled"])
@pytest.mark.parametrize("stream", [False, True])
async def test_without_it_the_error_is_the_client_s(stream: bool, truncation: str | None) -> None:
    upstream = ChatWindow(limit=1800)
    async with chat_window(upstream) as home:
        status, headers, data = await home.ask(input=[*TURNS, user("last")], truncation=truncation, stream=stream)
    error = json.loads(data)["error"]
    assert (status, error["type"], error["code"]) == (400, "invalid_request_error", "context_length_exceeded")
    assert "x-penstock-truncated-items" not in headers
    assert len(upstream.requests) == 1


async def test_what_is_too_long_by_itself_is_refused() -> None:
    upstream = ChatWindow(limit=100)
    async with chat_window(upstream) as home:
        status, _, data = await home.ask(input="x" * 4000, truncation="auto")
        assert (status, json.loads(data)["error"]["code"]) == (400, "context_length_exceeded")
        assert len(upstream.requests) == 1
        status, _, data = await home.ask(input=[user("one"), assistant("two"), user("x" * 4000)], truncation="auto")
        assert (status, json.loads(data)["error"]["code"]) == (400, "context_length_exceeded")
    assert [len(request["messages"]) for request in upstream.requests] == [1, 3, 1]


async def test_it_is_tried_five_times_at_most() -> None:
    upstream = ChatWindow(limit=1, figures=False)
    async with chat_window(upstream) as home:
        said = [message for n in range(400) for message in (user("a"), assistant("b"))]
        status, _, _ = await home.ask(input=[*said, user("last")], truncation="auto")
        assert status == 400
    assert len(upstream.requests) == 6


async def test_the_chain_is_shortened_and_stays_whole_in_the_store() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        first = await answer(home, input=TURNS)
        upstream.limit = 1800
        second = await answer(home, input="more", previous_response_id=first["id"], truncation="auto")
        upstream.limit = 10**9
        await answer(home, input="again", previous_response_id=second["id"])
    assert len(upstream.requests[-2]["messages"]) < len(TURNS)
    assert len(upstream.requests[-1]["messages"]) == len(TURNS) + 4


async def test_calls_stay_with_their_outputs() -> None:
    upstream = ChatWindow(limit=1800)
    async with chat_window(upstream) as home:
        steps = [item for n in range(12) for item in (call(str(n), arguments="{}"), output(str(n), "y" * 900))]
        fields: dict[str, Any] = {"tools": [function("f")], "truncation": "auto"}
        await answer(home, input=[user("do it"), *steps], **fields)
    sent = upstream.requests[-1]["messages"]
    assert sent[0]["content"] == "do it"
    assert [message["role"] for message in sent[1:]] == ["assistant", "tool"] * ((len(sent) - 1) // 2)
    assert sent[-1]["tool_call_id"] == "11"
