"""One attempt: which way the answer goes, and what is left of it when it ends."""

from __future__ import annotations

import json

from proxy.exchange import Exchange
from proxy.sse.event_stream import EventStreamParser
from proxy.stage import Stage
from tests.support.event_stream import frame
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, ScriptedResponse, chunk, finish, stream


async def test_a_chat_client_on_a_chat_upstream_gets_its_bytes() -> None:
    steps = (chunk(content="Hel"), chunk(content="lo"), finish())
    async with house(ScriptedProvider("a", stream(*steps))) as home:
        data = (await home.ask("/chat/completions", stream=True))[2]
    assert data == b"".join(steps)


async def test_an_answer_that_came_whole_is_streamed_all_the_same() -> None:
    whole = json.dumps({"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}).encode()

    def script(request: object) -> ScriptedResponse:
        return ScriptedResponse(200, {"content-type": "application/json; charset=utf-8"}, [whole, None])

    async with house(ScriptedProvider("a", script)) as home:
        data = (await home.ask(stream=True))[2]
    assert b'"delta":"Hello"' in data
    assert data.endswith(b"data: [DONE]\n\n")


class _Framed(ScriptedProvider):
    def parser(self, exchange: Exchange) -> EventStreamParser:
        return EventStreamParser()


async def test_the_provider_says_how_its_streams_are_framed() -> None:
    payloads = [piece.strip().removeprefix(b"data: ") for piece in (chunk(content="Hello"), finish()[:-14])]
    async with house(_Framed("a", stream(b"".join(frame(b"", payload) for payload in payloads), None))) as home:
        data = (await home.ask(stream=True))[2]
    assert b'"delta":"Hello"' in data
    assert b"event: response.completed" in data


class _Headers(Stage):
    name = "headers"

    async def on_request(self, exchange: Exchange) -> None:
        exchange.marks["upstream_headers"] = {"x-more": "1", "x-less": None}


async def test_headers_of_stages_are_put_into_the_request() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="x"), finish()))
    plain = provider.build

    def build(exchange: Exchange, model: str) -> object:
        request = plain(exchange, model)
        request.headers.update({"x-less": "2", "x-same": "3"})
        return request

    provider.build = build  # type: ignore[method-assign,assignment]
    async with house(provider, stages=[_Headers()]) as home:
        await home.ask(stream=True)
    assert provider.client.requests[0].headers == {"x-more": "1", "x-same": "3"}
