"""One attempt: which way the answer goes, and what is left of it when it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from proxy.exchange import Exchange
from proxy.providers.chat.decoder import ChatDecoder
from proxy.sse.event_stream import EventStreamParser
from proxy.stage import Stage
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.event_stream import frame
from tests.support.house import house
from tests.support.passing import Came, answers, endpoint, passing
from tests.support.scripted import HELLO, ScriptedProvider, ScriptedResponse, body, chunk, events_of, finish, stream


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


NAMED = {"id": "theirs", "object": "chat.completion.chunk", "created": 1, "model": "up-2024"}


def named(delta: dict[str, object], finish_reason: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return b"data: " + json.dumps({**NAMED, "choices": choices}).encode() + b"\n\n"


async def test_what_is_passed_on_bears_the_name_that_the_client_asked_for() -> None:
    whole = {**NAMED, "choices": [{"index": 0, "message": {"content": "up-2024"}, "finish_reason": "stop"}]}
    steps = (named({"role": "assistant"}), named({"content": "up-2024"}), named({}, "stop"), b"data: [DONE]\n\n")
    async with house(ScriptedProvider("a", stream(*steps), body(json.dumps(whole).encode()))) as home:
        _, headers, data = await home.ask("/chat/completions", stream=True)
        events = [one for _, one in events_of(data)][:-1]
        assert {one["model"] for one in events} == {"m"}
        assert [one["id"] for one in events] == [(await home.settled()).response_id] * 3
        assert events[1]["choices"][0]["delta"]["content"] == "up-2024"
        assert headers["x-penstock-upstream-model"] == "up"
        said = json.loads((await home.ask("/chat/completions"))[2])
        assert (said["id"], said["model"]) == ((await home.settled(2)).response_id, "m")


class _Relaying(ScriptedProvider):
    def relay(self, exchange: Exchange) -> ChatDecoder:
        self.relayed = True
        return ChatDecoder()


@pytest.mark.parametrize("reasoning", ["drop", "auto"])
@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
async def test_reasoning_is_dropped_from_what_would_be_passed_on_as_it_is(path: str, reasoning: Any) -> None:
    message = {"content": "Hello", "reasoning_content": "secret"}
    whole = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    streamed = stream(chunk(reasoning_content="secret"), chunk(content="Hello"), finish())
    provider = _Relaying("a", streamed, body(whole))
    async with house(provider, translate=StreamTranslate(StreamTranslateConfig(reasoning=reasoning))) as home:
        answers = [(await home.ask(path, stream=one))[2] for one in (True, False)]
    assert all(b"Hello" in data for data in answers)
    assert [b"secret" in data for data in answers] == [reasoning == "auto"] * 2
    assert hasattr(provider, "relayed") == (reasoning == "auto" and path == "/responses")


async def test_what_only_a_pass_through_can_do_is_refused_before_anything_is_asked() -> None:
    provider = ScriptedProvider("a", stream(*HELLO))
    async with house(provider, translate=StreamTranslate(StreamTranslateConfig(reasoning="drop"))) as home:
        status, _, data = await home.ask("/chat/completions", n=2)
    assert (status, json.loads(data)["error"]["param"], provider.client.requests) == (400, "n", [])


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
async def test_options_that_an_upstream_refuses_are_left_out_from_then_on(path: str) -> None:
    async def answer(request: web.BaseRequest, came: Came) -> web.StreamResponse:
        if b"stream_options" in came.body:
            said = {"error": {"message": "Unrecognized request argument supplied: stream_options"}}
            return web.json_response(said, status=400)
        return web.Response(body=b"".join(HELLO), content_type="text/event-stream")

    async with endpoint(answer) as up, passing(up, retries=0) as home:
        for asked_so_far in (2, 3):
            status, headers, data = await home.ask(path, stream=True)
            assert (status, b"Hel" in data, len(up.came)) == (200, True, asked_so_far)
            assert "x-penstock-attempts" not in headers
        exchange = await home.settled(2)
        assert exchange.usage is not None
        assert exchange.usage.estimated
        if path == "/chat/completions":
            status, headers, _ = await home.ask(path, stream=True, stream_options={"include_usage": True})
            assert (status, headers["x-penstock-ignored-params"]) == (200, "stream_options")


async def test_a_refusal_that_stands_is_told() -> None:
    said = {"error": {"message": "stream_options and more are wrong", "type": "invalid_request_error"}}
    async with endpoint(answers(said, status=400)) as up, passing(up, retries=0) as home:
        for asked_so_far in (2, 4):  # nothing was learned
            status, _, data = await home.ask(stream=True)
            assert (status, len(up.came)) == (400, asked_so_far)
            assert json.loads(data)["error"]["message"] == said["error"]["message"]
