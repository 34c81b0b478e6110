"""The real server in front of a scripted Responses upstream: what is passed on, kept, asked, and told when it fails."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.errors import UpstreamCut
from proxy.events import Event
from proxy.exchange import Exchange
from proxy.providers.provider import Deployment
from proxy.stage import ResponseFilter, Stage
from proxy.stores.memory import MemoryStore
from tests.support.fixtures import recording, recordings
from tests.support.grammar import check_stream
from tests.support.house import House, house
from tests.support.responses_streams import (
    LOOSE,
    Upstream,
    asked_of,
    call_item,
    message_item,
    openai_upstream,
    payloads,
    response_object,
)
from tests.support.scripted import ScriptedProvider, body, chunk, finish, stream

EXACT = [
    "openai/responses-text-gpt41.sse",
    "openai/responses-reasoning-summary-function-call.sse",
    "openai/responses-web-search-annotations.sse",
    "openai/responses-code-interpreter.sse",
    "openai/responses-phase-commentary-function-call.sse",
    "azure-openai/responses-reasoning.sse",
    "xai/responses-reasoning-function-call.sse",
]


class _Look(ResponseFilter):
    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        return events


class Looking(Stage):
    """A stage that sees every event, so that nothing is passed on unread."""

    name = "looking"

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Look()


def hello(*, numbers: bool = True) -> bytes:
    """Returns the stream of a short answer."""
    up = Upstream(numbers=numbers)
    return up.begin() + up.message("Hel", "lo") + up.end(message_item("Hel", "lo"))


async def get(home: House, path: str) -> tuple[int, bytes]:
    async with home.session.get(home.url + path) as response:
        return response.status, await response.read()


def events(raw: bytes) -> list[bytes]:
    """Returns the lines of data of events that tell of items."""
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    return [line for line in lines if line.startswith(b"data: {") and b'"output_index"' in line]


@pytest.mark.parametrize("path", EXACT if recordings("openai-responses-stream") else [])
async def test_events_are_passed_on_byte_for_byte_and_can_be_read_again(path: str) -> None:
    raw = recording(path)
    cuts = range(0, len(raw), 700)
    pieces = [raw[at : at + 700] for at in cuts]
    async with house(openai_upstream("up", stream(*pieces, None)), store=MemoryStore()) as home:
        status, headers, data = await home.ask(stream=True)
        assert (status, headers["x-penstock-upstream"]) == (200, "up")
        assert events(data) == [line for line in events(raw) if b'"response":{' not in line[:80]]
        said = payloads(data)
        final = said[-2]["response"]
        assert (final["model"], final["store"], final["previous_response_id"]) == ("m", True, None)
        assert said[0]["response"]["id"] == final["id"]
        assert final["id"].encode() not in raw
        kept = json.loads((await get(home, f"/responses/{final['id']}"))[1])
        assert kept == final
        again = (await get(home, f"/responses/{final['id']}?stream=true"))[1]
        assert again == data
        exchange = await home.settled()
        assert exchange.usage is not None
        assert exchange.usage.total_tokens == final["usage"]["total_tokens"]


@pytest.mark.parametrize("stages", [[], [Looking()]], ids=["passed on", "looked at"])
async def test_a_chain_goes_up_as_items(stages: list[Stage]) -> None:
    up = Upstream()
    sealed = {"id": "rs_0", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA-blob"}
    call = call_item("f", "{}", 1)
    first = up.begin() + up.event("output_item.added", output_index=0, item={**sealed, "encrypted_content": ""})
    first += up.event("output_item.done", output_index=0, item=sealed)
    first += up.call("f", "{}", index=1) + up.end(sealed, call)
    provider = openai_upstream("up", stream(first, None), stream(hello(), None))
    async with house(provider, stages=stages, store=MemoryStore()) as home:
        tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
        made = payloads((await home.ask(stream=True, tools=tools, instructions="Be brief."))[2])[-2]["response"]
        output = {"type": "function_call_output", "call_id": "call_1", "output": "7"}
        await home.ask(stream=True, previous_response_id=made["id"], input=[output], tools=tools, background=False)
    asked, again = asked_of(provider)
    assert asked["store"] is False
    assert asked["input"] == "hi"
    assert asked["model"] == "up"
    assert asked["instructions"] == "Be brief."
    assert not {"previous_response_id", "background", "conversation"} & again.keys()
    assert "instructions" not in again
    assert [item["type"] for item in again["input"]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert again["input"][1]["encrypted_content"] == "gAAAA-blob"
    assert not [item for item in again["input"] if "id" in item]


async def test_reasoning_models_are_asked_for_what_survives_a_turn() -> None:
    provider = openai_upstream(
        "up", body(json.dumps(response_object("completed", output=[message_item("x")])).encode())
    )
    models = {"m": [Deployment(provider, "gpt-5")]}
    async with house(provider, models=models) as home:
        await home.ask(include=["message.output_text.logprobs"])
        await home.ask("/chat/completions")
    assert asked_of(provider)[0]["include"] == ["message.output_text.logprobs", "reasoning.encrypted_content"]
    assert "include" not in asked_of(provider)[1]


async def test_a_failure_before_any_output_goes_to_the_next_upstream() -> None:
    up = Upstream()
    failed = response_object("failed", error={"code": "server_error", "message": "sorry"})
    broken = up.begin() + up.event("failed", response=failed)
    spare = ScriptedProvider("spare", stream(chunk(content="Hello"), finish()))
    async with house(openai_upstream("up", stream(broken, None)), spare) as home:
        data = (await home.ask(stream=True))[2]
    said = check_stream(data)
    assert said.text == "Hello"


async def test_a_stream_that_was_opened_early_goes_on_with_its_numbers() -> None:
    wait = asyncio.Event()
    provider = openai_upstream("up", stream(Upstream().begin(), wait, hello(), None))
    async with house(provider, keepalive_s=0.01, store=MemoryStore()) as home:
        async with home.session.post(f"{home.url}/responses", json={"model": "m", "input": "x", "stream": True}) as got:
            first = await got.content.readuntil(b"response.in_progress\n")
            wait.set()
            data = first + await got.content.read()
    said = check_stream(data, profile=LOOSE)
    assert said.text == "Hello"


@pytest.mark.parametrize("stages", [[], [Looking()]], ids=["passed on", "looked at"])
@pytest.mark.parametrize("cut", [None, UpstreamCut("gone")], ids=["quietly", "with an error"])
async def test_a_stream_that_breaks_off_fails(stages: list[Stage], cut: Any) -> None:
    up = Upstream()
    begun = up.begin() + up.message("Hel", "lo")
    begun = begun[: begun.index(b"event: response.output_text.done")]
    async with house(openai_upstream("up", stream(begun, cut)), stages=stages, store=MemoryStore()) as home:
        data = (await home.ask(stream=True))[2]
        final = check_stream(data, profile=LOOSE).response
        assert (final["status"], final["error"]["code"]) == ("failed", "server_error")
        item = final["output"][0]
        assert (item["status"], item["content"][0]["text"]) == ("incomplete", "Hello")
        exchange = await home.settled()
    assert exchange.outcome == "failed"


@pytest.mark.parametrize("stages", [[], [Looking()]], ids=["passed on", "looked at"])
async def test_a_cancel_keeps_what_was_said(stages: list[Stage]) -> None:
    up = Upstream()
    begun = up.begin() + up.message("Hel", "lo")
    begun = begun[: begun.index(b"event: response.output_text.done")]
    provider = openai_upstream("up", stream(begun, asyncio.Event()))
    async with house(provider, stages=stages, store=MemoryStore()) as home:
        reader, writer = await home.connect(background=True)
        seen = await reader.readuntil(b'"lo"')
        id = json.loads(seen[seen.index(b"data: ") + 6 :].split(b"\n")[0])["response"]["id"]
        now = json.loads((await get(home, f"/responses/{id}"))[1])
        assert (now["status"], now["output"][0]["content"][0]["text"]) == ("in_progress", "Hello")
        async with home.session.post(f"{home.url}/responses/{id}/cancel") as response:
            cancelled = await response.json()
        assert cancelled["status"] == "cancelled"
        assert cancelled["output"][0]["content"][0]["text"] == "Hello"
        writer.close()
        client: Any = provider.client
        assert client.responses[0].closed.is_set()


async def test_an_answer_that_is_not_streamed() -> None:
    answer = response_object(
        "completed", output=[message_item("Hello")], temperature=0.5, moderation={"flagged": False}
    )
    provider = openai_upstream("up", body(json.dumps(answer).encode()))
    async with house(provider, store=MemoryStore()) as home:
        status, _, data = await home.ask()
        made = json.loads(data)
        assert (status, made["status"], made["model"]) == (200, "completed", "m")
        assert made["output"] == answer["output"]
        assert (made["temperature"], made["moderation"]) == (0.5, {"flagged": False})
        assert json.loads((await get(home, f"/responses/{made['id']}"))[1]) == made
        streamed = (await home.ask(stream=True))[2]
    assert check_stream(streamed, profile=LOOSE).text == "Hello"


async def test_an_error_of_the_upstream_is_mapped() -> None:
    error = {"error": {"message": "Too fast.", "type": "requests", "code": "rate_limit_exceeded", "param": None}}
    async with house(openai_upstream("up", body(json.dumps(error).encode(), 429))) as home:
        status, _, data = await home.ask()
    assert (status, json.loads(data)["error"]["code"]) == (429, "rate_limit_exceeded")


async def test_a_model_that_has_only_one_api_is_asked_over_it() -> None:
    provider = openai_upstream("up", stream(hello(), None))
    async with house(provider, models={"m": [Deployment(provider, "o3-pro")]}) as home:
        data = (await home.ask("/chat/completions", stream=True))[2]
    client: Any = provider.client
    assert client.requests[0].url == "https://api.openai.com/v1/responses"
    assert [one["choices"][0]["delta"].get("content") for one in payloads(data)[:-1]][1:3] == ["Hel", "lo"]
    assert payloads(data)[-1] == "[DONE]"


async def test_an_upstream_without_numbers() -> None:
    async with house(openai_upstream("up", stream(hello(numbers=False), None))) as home:
        data = (await home.ask(stream=True))[2]
    assert check_stream(data, profile=LOOSE).text == "Hello"


async def test_a_chat_client_is_told_everything_in_chunks() -> None:
    up = Upstream()
    place = {"item_id": "rs_0", "output_index": 0}
    thought = {"id": "rs_0", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    raw = up.begin() + up.event("reasoning_summary_text.delta", **place, summary_index=0, delta="Hm.")
    raw += up.event(
        "output_item.done", output_index=0, item={**thought, "summary": [{"type": "summary_text", "text": "Hm."}]}
    )
    raw += up.message("Let me see.", index=1) + up.call("f", '{"a"', ":1}", index=2)
    raw += up.event("refusal.delta", item_id="msg_3", output_index=3, content_index=0, delta="No.")
    async with house(openai_upstream("up", stream(raw + up.end(), None), api="responses")) as home:
        data = (await home.ask("/chat/completions", stream=True, stream_options={"include_usage": True}))[2]
    *chunks, usage, done = payloads(data)
    deltas = [one["choices"][0]["delta"] for one in chunks]
    assert deltas[0]["role"] == "assistant"
    assert [one["reasoning_content"] for one in deltas if "reasoning_content" in one] == ["Hm."]
    assert [one["reasoning_details"][0]["data"] for one in deltas if "reasoning_details" in one] == ["gAAA"]
    assert [one["content"] for one in deltas[1:] if one.get("content")] == ["Let me see."]
    calls = [one["tool_calls"][0] for one in deltas if "tool_calls" in one]
    assert (calls[0]["id"], calls[0]["function"]["name"]) == ("call_2", "f")
    assert "".join(one["function"]["arguments"] for one in calls) == '{"a":1}'
    assert [one["refusal"] for one in deltas if one.get("refusal")] == ["No."]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert (usage["choices"], usage["usage"]["total_tokens"], done) == ([], 14, "[DONE]")


async def test_a_chat_client_is_told_of_a_failure() -> None:
    up = Upstream()
    raw = up.begin() + up.message("Hello") + up.event("error", code="server_error", message="It broke.", param=None)
    async with house(openai_upstream("up", stream(raw, None), api="responses")) as home:
        data = (await home.ask("/chat/completions", stream=True))[2]
        refused = await home.ask("/chat/completions", stream=True, n=2)
    last = payloads(data)[-1]
    assert (last["error"]["message"], last["error"]["code"]) == ("It broke.", "server_error")
    assert refused[0] == 400


async def test_what_a_chat_client_gave_back_goes_up() -> None:
    provider = openai_upstream("up", stream(hello(), None), api="responses")
    details = [{"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1", "index": 0}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello", "reasoning_details": details},
        {"role": "user", "content": "and?"},
    ]
    async with house(provider) as home:
        await home.ask("/chat/completions", stream=True, messages=messages)
    (asked,) = asked_of(provider)
    assert [item["type"] for item in asked["input"]] == ["message", "reasoning", "message", "message"]
    assert asked["input"][1] == {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert (asked["store"], asked["stream"]) == (False, True)
