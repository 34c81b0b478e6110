"""One exchange through the chain: its phases, commitment, the client leaving."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from proxy.errors import UpstreamCut
from proxy.providers.provider import TranslateOptions
from proxy.stage import Stage
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import house
from tests.support.scripted import (
    HELLO,
    WHOLE,
    ScriptedProvider,
    body,
    chunk,
    events_of,
    kinds,
    stream,
    text_of,
)


async def test_a_stream_goes_the_whole_way() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO))) as home:
        status, headers, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 200
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["x-watched"] == "yes"
    assert headers["x-penstock-upstream"] == "a"
    assert text_of(data) == "Hello"
    assert [obj["sequence_number"] for _, obj in events_of(data)[:-1]] == list(range(len(events_of(data)) - 1))
    assert exchange.outcome == "completed"
    assert len(home.watcher.ended) == 1


async def test_a_plain_answer_is_one_object() -> None:
    async with house(ScriptedProvider("a", body(WHOLE))) as home:
        status, headers, data = await home.ask()
        exchange = await home.settled()
    answer = json.loads(data)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert answer["status"] == "completed"
    assert answer["output"][0]["content"][0]["text"] == "Hello"
    assert answer["usage"]["total_tokens"] == 3
    assert exchange.usage is not None
    assert exchange.usage.input_tokens == 1


async def test_the_models_name_is_the_clients_everywhere() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO), body(WHOLE))) as home:
        _, _, streamed = await home.ask(stream=True)
        _, headers, plain = await home.ask()
    assert {obj["response"]["model"] for _, obj in events_of(streamed) if "response" in obj} == {"m"}
    assert json.loads(plain)["model"] == "m"
    assert headers["x-penstock-upstream-model"] == "up"


async def test_a_stream_opens_without_output_after_a_while_and_still_falls_back() -> None:
    gate = asyncio.Event()
    slow = ScriptedProvider("a", stream(chunk(role="assistant"), gate, UpstreamCut("cut")))
    translate = StreamTranslate(StreamTranslateConfig(commit_after=0.01))  # type: ignore[arg-type]
    async with house(slow, ScriptedProvider("b", stream(*HELLO)), translate=translate) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"response.in_progress")
            gate.set()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
    assert b"200 OK" in head
    assert (head + rest).count(b"event: response.created") == 1
    assert b"Hel" in rest
    assert b"event: response.completed" in rest


async def test_a_stream_opens_when_the_upstream_sends_no_head_at_all() -> None:
    gate = asyncio.Event()

    class Held(ScriptedProvider):
        async def start(self) -> None:
            send = self.client.send

            async def late(*args: Any) -> Any:
                await gate.wait()
                return await send(*args)

            self.client.send = late  # type: ignore[method-assign]

    async with house(Held("a", stream(*HELLO)), keepalive_s=0.05) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b"response.in_progress")
            await reader.readuntil(b": keep-alive\n\n")
            gate.set()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
    assert b'"delta":"Hel"' in rest


async def test_a_client_that_leaves_before_the_first_output_closes_the_upstream() -> None:
    provider = ScriptedProvider("a", stream(asyncio.Event()))
    async with house(provider) as home:
        _, writer = await home.connect()
        async with asyncio.timeout(5):
            await provider.client.answered.wait()
            writer.close()
            await provider.client.responses[0].closed.wait()
        assert (await home.settled()).outcome == "cancelled"


async def test_a_client_that_leaves_a_plain_request_closes_the_upstream() -> None:
    reading = asyncio.Event()

    class Slow(ScriptedProvider):
        async def start(self) -> None:
            send = self.client.send

            async def noting(*args: Any) -> Any:
                response = await send(*args)
                reading.set()
                return response

            self.client.send = noting  # type: ignore[method-assign]

    provider = Slow("a", stream(asyncio.Event()))
    async with house(provider) as home:
        _, writer = await home.connect(stream=False)
        async with asyncio.timeout(5):
            await reading.wait()
            writer.close()
            await provider.client.responses[0].closed.wait()
        assert (await home.settled()).outcome == "cancelled"


async def test_a_json_answer_to_a_streamed_request_becomes_a_stream() -> None:
    async with house(ScriptedProvider("a", body(WHOLE))) as home:
        _, headers, data = await home.ask(stream=True)
    assert headers["content-type"].startswith("text/event-stream")
    assert text_of(data) == "Hello"
    assert kinds(data)[-2] == "response.completed"


async def test_a_json_answer_to_a_streamed_chat_request_becomes_a_stream() -> None:
    async with house(ScriptedProvider("a", body(WHOLE))) as home:
        _, headers, data = await home.ask("/chat/completions", stream=True)
    assert headers["content-type"].startswith("text/event-stream")
    assert b"Hello" in data
    assert data.endswith(b"data: [DONE]\n\n")


async def test_a_chat_client_of_a_chat_upstream_gets_its_bytes() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO), body(WHOLE))) as home:
        _, _, streamed = await home.ask("/chat/completions", stream=True)
        _, _, plain = await home.ask("/chat/completions")
    assert streamed == b"".join(HELLO)
    assert plain == WHOLE


async def test_without_stream_translate_a_responses_client_is_told_why() -> None:
    class Nothing(Stage):
        name = "nothing"

    async with house(ScriptedProvider("a", stream(*HELLO)), translate=Nothing()) as home:
        status, _, data = await home.ask(stream=True)
        chat, _, _ = await home.ask("/chat/completions", stream=True)
    assert status == 400
    assert "stream-translate" in json.loads(data)["error"]["message"]
    assert chat == 200


def test_translate_options_have_the_stages_defaults() -> None:
    config = StreamTranslateConfig()
    options = TranslateOptions()
    for name in ("reasoning", "unsupported_tools", "params", "done_marker"):
        assert getattr(config, name) == getattr(options, name)
    assert float(config.commit_after) == options.commit_after_s
