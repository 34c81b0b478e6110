"""Claude from socket to socket: streams and whole answers to clients of both dialects, turns, errors, leaving."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import messages as wire
from tests.support.asked import function, output
from tests.support.chat_streams import chunks
from tests.support.claude import JSON, SSE, Turn, behind, claude
from tests.support.grammar import check_stream
from tests.support.hostile import Peer, Script, answering, chunked, fixed
from tests.support.house import House
from tests.support.scripted import events_of
from tests.support.sdk_types import check_event, check_object

THOUGHT = {"type": "thinking", "thinking": "Two cities.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "eHl6"}
HELLO: Turn = [{"type": "text", "text": "Hello there"}]
CALLS: Turn = [
    THOUGHT,
    REDACTED,
    {"type": "text", "text": "Checking."},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Oslo"}},
    {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {"city": "Rome"}},
]
TOOLS = [function("f", parameters={"type": "object", "properties": {"city": {"type": "string"}}})]


async def response(home: House, *, stream: bool, **fields: Any) -> dict[str, Any]:
    """Returns the Response to a request, however it was sent, after checking it."""
    status, _, data = await home.ask(stream=stream, **fields)
    assert status == 200, data
    if stream:
        said = check_stream(data)
        for event in said.events:
            check_event(event)
        return said.response
    final: dict[str, Any] = json.loads(data)
    check_object(final)
    return final


def kinds(final: dict[str, Any]) -> list[str]:
    return [item["type"] for item in final["output"]]


@pytest.mark.parametrize("limit", [100, 30_000], ids=["whole", "streamed in any case"])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer(stream: bool, limit: int) -> None:
    async with claude(HELLO) as (home, upstream):
        final = await response(home, stream=stream, max_output_tokens=limit)
        exchange = await home.settled()
    assert final["output"][0]["content"][0]["text"] == "Hello there"
    assert (final["status"], final["model"], final["usage"]["total_tokens"]) == ("completed", "m", 15)
    assert upstream.requests[0].get("stream", False) == (stream or limit > 21_333)
    assert b"\r\nx-api-key: sk-ant-planted123456\r\n" in upstream.heads[0] + b"\r\n"
    assert exchange.outcome == "completed"
    assert exchange.usage is not None
    assert exchange.usage.output_tokens == 5


@pytest.mark.parametrize("stream", [True, False])
async def test_a_chat_client_and_its_freeform_tool(stream: bool) -> None:
    tools = [
        {"type": "custom", "custom": {"name": "patch", "description": "Patches."}},
        {"type": "function", "function": {"name": "look.up", "parameters": {"type": "object"}}},
    ]
    use = {"type": "tool_use", "id": "toolu_1", "name": "patch", "input": {"input": "*** Begin\n"}}
    other = {"type": "tool_use", "id": "toolu_2", "name": "look_up", "input": {}}
    async with claude([use, other], HELLO) as (home, upstream):
        status, _, data = await home.ask("/chat/completions", tools=tools, stream=stream)
        assert status == 200
        if stream:
            pieces = [one for event in chunks(data) for one in event["choices"][0]["delta"].get("tool_calls", ())]
            patch, look = (one for one in pieces if "id" in one)
            patch["custom"]["input"] = "".join(one["custom"]["input"] for one in pieces if "custom" in one)
            look["function"]["arguments"] = "".join(one["function"]["arguments"] for one in pieces if "function" in one)
        else:
            patch, look = json.loads(data)["choices"][0]["message"]["tool_calls"]
        assert (patch["type"], patch["custom"]) == ("custom", {"name": "patch", "input": "*** Begin\n"})
        assert (look["type"], look["function"]) == ("function", {"name": "look.up", "arguments": "{}"})
        answers = [{"role": "tool", "tool_call_id": one["id"], "content": "done"} for one in (patch, look)]
        turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [patch, look]}, *answers]
        status, _, data = await home.ask("/chat/completions", tools=tools, messages=turns)
    assert (status, json.loads(data)["choices"][0]["message"]["content"]) == (200, "Hello there")
    said = upstream.requests[1]["messages"][1]["content"]
    assert [(one["name"], one["input"]) for one in said] == [("patch", {"input": "*** Begin\n"}), ("look_up", {})]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_chat_client(stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {"max_tokens": 100}
    async with claude(CALLS) as (home, upstream):
        status, headers, data = await home.ask("/chat/completions", tools=tools, reasoning_effort="low", **options)
    assert status == 200
    assert headers["x-penstock-upstream-model"] == "claude-opus-5"
    assert upstream.requests[0]["thinking"] == {"type": "adaptive", "display": "summarized"}
    if stream:
        chunks = [obj for _, obj in events_of(data) if isinstance(obj, dict)]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
        assert "".join(delta.get("content") or "" for delta in deltas) == "Checking."
        assert [block for delta in deltas for block in delta.get("thinking_blocks", [])] == [THOUGHT, REDACTED]
        assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
        assert chunks[-1]["usage"]["total_tokens"] == 15
        return
    message = json.loads(data)["choices"][0]["message"]
    assert message["content"] == "Checking."
    assert message["thinking_blocks"] == [THOUGHT, REDACTED]
    assert [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]] == [
        {"city": "Oslo"}, {"city": "Rome"}
    ]  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["claude-opus-5", "claude-sonnet-4-5"])
async def test_three_turns_of_a_client_that_keeps_all_itself(model: str, stream: bool) -> None:
    fields: dict[str, Any] = {
        "tools": TOOLS, "store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"},
        "stream": stream, "max_output_tokens": 9000,
    }  # fmt: skip
    items: list[Any] = [{"role": "user", "content": "Weather?"}]
    again: Turn = [THOUGHT, {"type": "tool_use", "id": "toolu_3", "name": "f", "input": {}}]
    async with claude(CALLS, again, HELLO, model=model) as (home, upstream):
        first = await response(home, input=items, **fields)
        assert kinds(first) == ["reasoning", "message", "function_call", "function_call"]
        items += [*first["output"], output("toolu_1", "rain"), output("toolu_2", "sun")]
        second = await response(home, input=items, **fields)
        items += [*second["output"], output("toolu_3", "wind")]
        third = await response(home, input=items, **fields)
        exchange = await home.settled(3)
    assert kinds(third) == ["message"]
    _, one, two = (request["messages"] for request in upstream.requests)
    assert one[1]["content"] == CALLS
    assert [block["type"] for block in one[2]["content"]] == ["tool_result", "tool_result"]
    assert two[: len(one)] == one
    assert two[3]["content"] == again
    assert exchange.ignored == []


async def test_three_turns_of_a_client_that_lets_them_be_kept() -> None:
    async with claude(CALLS, HELLO, HELLO, kept=True) as (home, upstream):
        first = await response(home, stream=True, tools=TOOLS, input="Weather?")
        assert "encrypted_content" not in first["output"][0]
        outputs = [output("toolu_1", "rain"), output("toolu_2", "sun")]
        second = await response(home, stream=False, tools=TOOLS, input=outputs, previous_response_id=first["id"])
        await response(home, stream=True, tools=TOOLS, input="Thanks", previous_response_id=second["id"])
    assert upstream.requests[1]["messages"][1]["content"] == CALLS
    assert upstream.requests[2]["messages"][:3] == upstream.requests[1]["messages"]


async def test_a_chat_client_gives_thinking_back() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    talk: list[Any] = [{"role": "user", "content": "Weather?"}]
    async with claude(CALLS, HELLO) as (home, upstream):
        _, _, data = await home.ask("/chat/completions", messages=talk, tools=tools, max_tokens=100)
        message = json.loads(data)["choices"][0]["message"]
        talk += [
            message,
            *({"role": "tool", "tool_call_id": call["id"], "content": "rain"} for call in message["tool_calls"]),
        ]
        status, _, _ = await home.ask("/chat/completions", messages=talk, tools=tools, stream=True)
    assert status == 200
    assert upstream.requests[1]["messages"][1]["content"] == CALLS


async def test_a_freeform_tool() -> None:
    turn: Turn = [{"type": "tool_use", "id": "t", "name": "patch", "input": {"input": "*** é\n"}}]
    async with claude(turn) as (home, _):
        final = await response(home, stream=True, tools=[{"type": "custom", "name": "patch"}])
    assert final["output"][0]["type"] == "custom_tool_call"
    assert final["output"][0]["input"] == "*** é\n"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_structured_answer_by_a_tool(stream: bool) -> None:
    turn: Turn = [{"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {"a": 1}}]
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    async with claude(turn, model="claude-sonnet-4-20250514") as (home, _):
        final = await response(home, stream=stream, text={"format": form})
    assert kinds(final) == ["message"]
    assert json.loads(final["output"][0]["content"][0]["text"]) == {"a": 1}


def error(kind: str, message: str = "m", **more: Any) -> dict[str, Any]:
    return {"type": kind, "message": message, **more}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ((429, error("rate_limit_error"), "retry-after: 7\r\n"), (429, "rate_limit_exceeded", None, "7")),
        ((529, error("overloaded_error", "Overloaded"), ""), (503, "overloaded", None, None)),
        ((400, error("invalid_request_error", "messages.0: bad"), ""), (400, None, "input", None)),
        ((400, error("invalid_request_error", "prompt is too long: 9 > 8"), ""),
         (400, "context_length_exceeded", None, None)),
        ((401, error("authentication_error"), ""), (502, "upstream_auth", None, None)),
        ((404, error("not_found_error", "model: claude-opus-5"), ""), (404, "model_not_found", "model", None)),
        ((413, error("request_too_large"), ""), (413, "request_too_large", None, None)),
        ((500, error("api_error"), ""), (502, "server_error", None, None)),
        ((402, error("billing_error"), ""), (429, "insufficient_quota", None, None)),
    ],
)  # fmt: skip
async def test_errors_before_the_answer(turn: Turn, expected: Any, stream: bool) -> None:
    async with claude(turn) as (home, _):
        status, headers, data = await home.ask(stream=stream)
    said = json.loads(data)["error"]
    assert (status, said["code"], said["param"], headers.get("retry-after")) == expected
    assert b"sk-ant" not in data


async def test_an_overloaded_upstream_is_asked_again() -> None:
    busy: Turn = (529, error("overloaded_error"), "retry-after: 0\r\n")
    async with claude(busy, HELLO, retries=1) as (home, upstream):
        final = await response(home, stream=True)
    assert (final["status"], len(upstream.requests)) == ("completed", 2)


async def test_thinking_that_is_refused_is_left_out_at_once() -> None:
    bad: Turn = (
        400,
        error("invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block"),
        "",
    )
    fields: dict[str, Any] = {
        "tools": TOOLS, "store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"},
        "max_output_tokens": 9000,
    }  # fmt: skip
    async with claude(CALLS, bad, HELLO, retries=1, model="claude-sonnet-4-5") as (home, upstream):
        first = await response(home, stream=True, **fields)
        items = [{"role": "user", "content": "Weather?"}, *first["output"], output("toolu_1"), output("toolu_2")]
        status, headers, data = await home.ask(stream=True, input=items, **fields)
    assert status == 200
    assert check_stream(data).text == "Hello there"
    assert headers["x-penstock-ignored-params"] == "input: reasoning, reasoning.effort"
    last = upstream.requests[-1]
    assert last["messages"][1]["content"][0]["type"] == "text"
    assert "thinking" not in last


OVERLOADED = wire.event("error", error=error("overloaded_error", "Overloaded"))


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_before_the_first_output_has_a_status(stream: bool) -> None:
    async with behind(answering(chunked(wire.start(), OVERLOADED, headers=SSE))) as (home, _):
        status, headers, data = await home.ask(stream=stream)
    assert status == 503
    assert headers["content-type"].startswith("application/json")
    assert json.loads(data)["error"]["code"] == "overloaded"


async def test_an_error_before_the_first_output_falls_back() -> None:
    good = chunked(wire.start(), wire.text(0, "Hi"), wire.end(), headers=SSE)
    bad = chunked(wire.start(), OVERLOADED, headers=SSE)
    async with behind(answering(bad), answering(good), retries=1) as (home, _):
        status, headers, data = await home.ask(stream=True)
    assert (status, headers["x-penstock-upstream"]) == (200, "u1")
    assert check_stream(data).text == "Hi"


@pytest.mark.parametrize("cut", [False, True])
async def test_an_answer_that_breaks_off(cut: bool) -> None:
    begun = [wire.start(), wire.opened(0, type="text", text=""), wire.said(0, "Partial")]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(*begun, *([] if cut else [OVERLOADED]), headers=SSE))
        peer.close()

    async with behind(script) as (home, _):
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    said = check_stream(data)
    assert said.text == "Partial"
    assert said.response["error"]["code"] == ("server_error" if cut else "overloaded")
    assert exchange.outcome == "failed"


async def test_an_answer_of_a_gateway_that_streams_nothing() -> None:
    whole = wire.answer({"type": "text", "text": "Hi"})
    async with behind(answering(fixed(whole, headers=JSON))) as (home, _):
        final = await response(home, stream=True)
    assert final["output"][0]["content"][0]["text"] == "Hi"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_a_client_that_leaves_ends_the_upstreams_work(path: str) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + SSE.encode() + b"transfer-encoding: chunked\r\n\r\n"
    begun = wire.start() + wire.opened(0, type="text", text="") + wire.said(0, "word ")

    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + b"%x\r\n%b\r\n" % (len(begun), begun))
        peer.reached.set()
        await peer.stall()

    async with behind(endless) as (home, [upstream]):
        reader, writer = (
            await home.connect(path, messages=[{"role": "user", "content": "hi"}])
            if "chat" in path
            else (await home.connect(path))
        )
        assert b"word" in await reader.readuntil(b"word ")
        writer.transport.abort()
        assert await (await upstream.peer()).was_closed()
        exchange = await home.settled()
    assert exchange.outcome == "cancelled"


async def test_pieces_of_any_size() -> None:
    raw = b"".join([wire.start(), wire.thinking(0, "hm"), wire.text(1, "Hé", "llo"), wire.tool(2, "t", "f", "{}")])

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + SSE.encode() + b"connection: close\r\n\r\n")
        await peer.trickle(raw + wire.end("tool_use"))
        peer.close()

    scripts: tuple[Script, ...] = (script,)
    async with behind(*scripts) as (home, _):
        final = await response(home, stream=True)
    assert kinds(final) == ["reasoning", "message", "function_call"]
    assert final["output"][1]["content"][0]["text"] == "Héllo"
