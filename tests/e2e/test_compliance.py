"""The Open Responses compliance tests, one by one, against `penstock serve` (wire reference, section 4.8).

Each is named by its id there. Schemas are those of tests/support, which ask for more than the suite's own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.support.grammar import Profile, check_events, check_response
from tests.support.grammar_framing import read_events
from tests.support.serving import Served, serving

FILE = """\
upstreams: {echo: {kind: echo}}
models: {m: [echo/echo], tools: [echo/echo-tools]}
pipeline: [route, stream-translate]
"""
EVENTS = frozenset(
    ["error"]
    + [
        f"response.{name}"
        for name in (
            *("created", "queued", "in_progress", "completed", "incomplete", "failed"),
            *("output_item.added", "output_item.done", "content_part.added", "content_part.done"),
            *("output_text.delta", "output_text.done", "output_text.annotation.added"),
            *("refusal.delta", "refusal.done", "reasoning.delta", "reasoning.done"),
            *("reasoning_summary_part.added", "reasoning_summary_part.done"),
            *("reasoning_summary_text.delta", "reasoning_summary_text.done"),
            *("function_call_arguments.delta", "function_call_arguments.done"),
        )
    ]
)
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(config=FILE) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as made:
        yield made


def user(*parts: dict[str, Any] | str) -> dict[str, Any]:
    """Returns a message of the user."""
    content: Any = parts[0] if isinstance(parts[0], str) else list(parts)
    return {"type": "message", "role": "user", "content": content}


async def create(served: Served, session: aiohttp.ClientSession, **fields: Any) -> dict[str, Any]:
    """Returns the Response to a request: whole, valid, completed, with output."""
    async with session.post(f"{served.url}/responses", json={"model": "m", **fields}) as response:
        found = check_response(await response.json())
        assert response.status == 200
    assert found["status"] == "completed"
    assert found["output"]
    return found


async def test_basic_response(served: Served, session: aiohttp.ClientSession) -> None:
    found = await create(served, session, input=[user("Say hello in exactly 3 words.")])
    assert found["output"][0]["role"] == "assistant"


async def test_assistant_phase(served: Served, session: aiohttp.ClientSession) -> None:
    said = [
        {"type": "message", "role": "assistant", "phase": phase, "content": [{"type": "output_text", "text": phase}]}
        for phase in ("commentary", "final_answer")
    ]
    await create(served, session, input=[user("Look."), *said, user("And now?")])


async def test_response_output_phase_schema(served: Served, session: aiohttp.ClientSession) -> None:
    part = {"type": "output_text", "text": "x", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    found = await create(served, session, input="hi")
    check_response({**found, "output": [{**item, "phase": "commentary"}]})


async def test_streaming_response(served: Served, session: aiohttp.ClientSession) -> None:
    body = {"model": "m", "input": [user("Count from 1 to 5.")], "stream": True}
    async with session.post(f"{served.url}/responses", json=body) as response:
        data = await response.read()
    events = read_events(data, Profile())
    assert {event["type"] for event in events} <= EVENTS
    checked = check_events(events)
    assert checked.response["status"] == "completed"
    assert b"\r" not in data


async def test_system_prompt(served: Served, session: aiohttp.ClientSession) -> None:
    system = {"type": "message", "role": "system", "content": "You are a pirate."}
    await create(served, session, input=[system, user("Say hello.")])


async def test_tool_calling(served: Served, session: aiohttp.ClientSession) -> None:
    tool = {
        "type": "function",
        "name": "get_weather",
        "description": "The weather of a place",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    }
    found = await create(served, session, model="tools", input=[user("Weather in San Francisco?")], tools=[tool])
    assert "function_call" in {item["type"] for item in found["output"]}
    assert set(found["tools"][0]) == {"type", "name", "description", "parameters", "strict"}


async def test_image_input(served: Served, session: aiohttp.ClientSession) -> None:
    image = {"type": "input_image", "image_url": PIXEL}
    await create(served, session, input=[user({"type": "input_text", "text": "What is this?"}, image)])


async def test_multi_turn(served: Served, session: aiohttp.ClientSession) -> None:
    said = {"type": "message", "role": "assistant", "content": "Hello, Alice."}
    await create(served, session, input=[user("My name is Alice."), said, user("What is my name?")])


COMPACT = {
    "model": "m",
    "prompt_cache_key": "compliance",
    "input": [user("My name is Alice."), {"type": "message", "role": "assistant", "content": "Hello, Alice."}],
}


async def compacted(served: Served, session: aiohttp.ClientSession) -> dict[str, Any]:
    """Returns a compacted context."""
    async with session.post(f"{served.url}/responses/compact", json=COMPACT) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def test_compact_response(served: Served, session: aiohttp.ClientSession) -> None:
    found = await compacted(served, session)
    assert set(found) == {"id", "object", "created_at", "output", "usage"}
    assert (found["object"], found["output"][-1]["type"]) == ("response.compaction", "compaction")
    assert isinstance(found["created_at"], int)
    assert {"input_tokens", "output_tokens", "total_tokens"} <= set(found["usage"])
    assert isinstance(found["output"][-1]["encrypted_content"], str)


async def test_compact_missing_model(served: Served, session: aiohttp.ClientSession) -> None:
    async with session.post(f"{served.url}/responses/compact", json={"input": [user("hi")]}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "model"


# --- over the WebSocket


class Socket:
    """One WebSocket; turns end with their terminal event, or an error."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def turn(self, **fields: Any) -> dict[str, Any]:
        """Sends one request; returns the Response it ends with, or the error."""
        await self._socket.send_json({"type": "response.create", "model": "m", **fields})
        events: list[dict[str, Any]] = []
        while True:
            message = await asyncio.wait_for(self._socket.receive(), 10)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            assert message.data != "[DONE]"
            event = json.loads(message.data)
            events.append(event)
            assert event["type"] in EVENTS
            if event["type"] == "error" and "status" in event:
                assert isinstance(event["status"], int)
                assert isinstance(event["error"]["code"], str)
                assert isinstance(event["error"]["message"], str)
                return event
            if event["type"] in ("response.completed", "response.incomplete", "response.failed"):
                found: dict[str, Any] = check_events(events, Profile(done_marker=False)).response
                return found


@asynccontextmanager
async def connected(served: Served, session: aiohttp.ClientSession) -> AsyncIterator[Socket]:
    """Opens a WebSocket."""
    headers = {"OpenAI-Beta": "responses_websockets=2026-02-06"}
    async with session.ws_connect(f"{served.url.replace('http', 'ws', 1)}/responses", headers=headers) as socket:
        yield Socket(socket)


async def test_websocket_response(served: Served, session: aiohttp.ClientSession) -> None:
    async with connected(served, session) as socket:
        assert (await socket.turn(input=[user("hi")]))["status"] == "completed"


async def test_websocket_sequential_responses(served: Served, session: aiohttp.ClientSession) -> None:
    async with connected(served, session) as socket:
        turns = [await socket.turn(input=[user(f"turn {number}")], store=False) for number in range(2)]
    assert [turn["output"][0]["content"][0]["text"] for turn in turns] == ["turn 0", "turn 1"]


async def test_websocket_continuation(served: Served, session: aiohttp.ClientSession) -> None:
    async with connected(served, session) as socket:
        first = await socket.turn(input=[user("one")], store=False)
        second = await socket.turn(input=[user("two")], store=False, previous_response_id=first["id"])
    assert (second["status"], second["previous_response_id"]) == ("completed", first["id"])


async def test_websocket_reconnect_store_false_recovery(served: Served, session: aiohttp.ClientSession) -> None:
    async with connected(served, session) as socket:
        first = await socket.turn(input=[user("one")], store=False)
    async with connected(served, session) as socket:
        lost = await socket.turn(input=[user("two")], store=False, previous_response_id=first["id"])
        assert lost["error"]["code"] == "previous_response_not_found"
        assert (await socket.turn(input=[user("afresh")], store=False))["status"] == "completed"


async def test_websocket_previous_response_not_found(served: Served, session: aiohttp.ClientSession) -> None:
    async with connected(served, session) as socket:
        found = await socket.turn(input=[user("x")], store=False, previous_response_id="resp_" + "0" * 48)
    assert (found["status"], found["error"]["code"]) == (400, "previous_response_not_found")


async def test_websocket_failed_continuation_evicts_cache(served: Served, session: aiohttp.ClientSession) -> None:
    orphan = {"type": "function_call_output", "call_id": "call_nobody", "output": "42"}
    async with connected(served, session) as socket:
        first = await socket.turn(input=[user("one")], store=False)
        failed = await socket.turn(input=[orphan], store=False, previous_response_id=first["id"])
        assert failed["status"] == 400
        lost = await socket.turn(input=[user("three")], store=False, previous_response_id=first["id"])
    assert lost["error"]["code"] == "previous_response_not_found"


async def test_websocket_compact_new_chain(served: Served, session: aiohttp.ClientSession) -> None:
    window = (await compacted(served, session))["output"]
    async with connected(served, session) as socket:
        found = await socket.turn(input=[*window, user("go on")], store=False)
    assert found["status"] == "completed"


# --- seen on other branches of the suite


async def test_tool_calling_streaming(served: Served, session: aiohttp.ClientSession) -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    body = {"model": "tools", "input": "Weather?", "tools": [tool], "stream": True}
    async with session.post(f"{served.url}/responses", json=body) as response:
        checked = check_events(read_events(await response.read(), Profile()))
    for kind in ("output_item.added", "output_item.done"):
        assert "function_call" in {event["item"]["type"] for event in checked.of(kind)}
    assert checked.of("function_call_arguments.delta")
    assert checked.of("function_call_arguments.done")


async def test_websocket_generate_false(served: Served, session: aiohttp.ClientSession) -> None:
    async with connected(served, session) as socket:
        warm = await socket.turn(input=[user("one")], store=False, generate=False)
        assert (warm["status"], warm["output"]) == ("completed", [])
        found = await socket.turn(input=[user("two")], store=False, previous_response_id=warm["id"])
    assert found["status"] == "completed"
