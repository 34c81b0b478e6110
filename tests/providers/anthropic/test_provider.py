from __future__ import annotations

import json
import time
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.api.chat.request import ChatRequest
from proxy.config.types import Secret
from proxy.errors import BadRequest, UpstreamGarbled, UpstreamRefused
from proxy.exchange import Attempt, Client, Exchange
from proxy.providers.anthropic.config import AnthropicConfig
from proxy.providers.anthropic.decoder import MessagesDecoder
from proxy.providers.anthropic.errors import INVALID_STRICT, INVALID_THINKING
from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.anthropic.provider import Anthropic
from proxy.providers.anthropic.sealing import opened
from proxy.providers.provider import TranslateOptions
from tests.support.asked import SEALING, call, function, output, request
from tests.support.messages import answer
from tests.support.messages_asked import BUDGET, NEW, OLD, sealed, thought
from tests.support.strict_messages import check

URL = "https://api.anthropic.com/v1"
FORM = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}


def provider(**settings: Any) -> Anthropic:
    return Anthropic("claude", AnthropicConfig(**{"api_key": Secret("sk-ant-api-1", "env:KEY"), **settings}))


def exchange(made: Any, **translate: Any) -> Exchange:
    one = Exchange("ex_1", Client("127.0.0.1", {}), made)
    if translate:
        one.translate = TranslateOptions(**translate)
    return one


def chat(**fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return ChatRequest.parse(json.dumps(body).encode())


def test_a_request_is_built_with_address_headers_and_body() -> None:
    up = provider(headers={"X-Title": Secret("penstock")}, betas=("b-1",))
    made = up.build(exchange(request(stream=True, max_output_tokens=50)), NEW)
    assert (made.method, made.url) == ("POST", f"{URL}/messages")
    assert made.headers == {
        "content-type": "application/json",
        "user-agent": "penstock",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "b-1",
        "x-api-key": "sk-ant-api-1",
        "x-title": "penstock",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
    }
    assert check(made.body) == {
        "model": NEW,
        "max_tokens": 50,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_an_answer_that_may_be_long_is_streamed_in_any_case() -> None:
    long = provider().build(exchange(request()), NEW)
    assert check(long.body)["stream"] is True
    assert long.headers["accept"] == "text/event-stream"
    short = provider().build(exchange(request(max_output_tokens=21_333)), NEW)
    assert "stream" not in check(short.body)
    assert short.headers["accept"] == "application/json"


def test_keys_that_are_tokens_are_sent_as_such() -> None:
    headers = provider(api_key=Secret("sk-ant-oat-1")).build(exchange(request()), NEW).headers
    assert headers["authorization"] == "Bearer sk-ant-oat-1"
    assert "x-api-key" not in headers
    assert not {"authorization", "x-api-key"} & set(provider(api_key=None).build(exchange(request()), NEW).headers)


def test_betas_of_the_file_of_a_header_and_of_the_request() -> None:
    up = provider(betas=("b-1", "interleaved-thinking-2025-05-14"), headers={"anthropic-beta": Secret("h-1")})
    made = up.build(exchange(request(reasoning={"effort": "low"}, tools=[function("f")])), BUDGET)
    assert made.headers["anthropic-beta"] == "h-1,b-1,interleaved-thinking-2025-05-14"


def test_headers_of_one_request_do_not_reach_the_next() -> None:
    up = provider()
    up.build(exchange(request()), NEW).headers["x-evil"] = "1"
    assert "x-evil" not in up.build(exchange(request()), NEW).headers


def test_later_versions_take_no_temperature() -> None:
    one = exchange(request(temperature=0.5))
    assert "temperature" not in check(provider(version="2026-10-21").build(one, BUDGET).body)
    assert one.ignored == ["temperature"]


def test_the_map_of_the_tools_is_left_for_the_encoder() -> None:
    one = exchange(request(tools=[{"type": "namespace", "name": "ns", "tools": [function("f")]}]))
    provider().build(one, NEW)
    assert one.marks["tools"].lookup("ns__f").namespace == "ns"


def test_options_of_the_translation_are_heeded() -> None:
    with pytest.raises(BadRequest):
        provider().build(exchange(request(service_tier="flex"), params="strict"), NEW)


@pytest.mark.parametrize(
    ("made", "translate", "display"),
    [
        (request(reasoning={"effort": "low"}), {}, "omitted"),
        (request(reasoning={"effort": "low", "summary": "auto"}), {}, "summarized"),
        (request(reasoning={"effort": "low"}), {"reasoning": "content"}, "summarized"),
        (chat(reasoning_effort="low"), {}, "summarized"),
        (chat(reasoning_effort="low"), {"reasoning": "drop"}, "omitted"),
    ],
)
def test_thinking_is_written_out_only_for_somebody_to_read(made: Any, translate: Any, display: str) -> None:
    body = check(provider().build(exchange(made, **translate), NEW).body)
    assert body["thinking"]["display"] == display


def test_a_chat_request() -> None:
    one = exchange(chat(stop="a", seed=1, stream=True, stream_options={"include_usage": True}))
    body = check(provider().build(one, NEW).body)
    assert (body["stop_sequences"], body["stream"]) == (["a"], True)
    assert one.ignored == ["seed"]


def test_no_client_speaks_it() -> None:
    up = provider()
    assert not up.speaks("responses", NEW)
    assert not up.speaks("chat", NEW)
    assert up.passthrough(exchange(request()), NEW).body == up.build(exchange(request()), NEW).body


def test_what_was_refused_a_moment_ago_is_left_out() -> None:
    items = [{"role": "user", "content": "a"}, sealed(thought()), call("x"), output("x")]
    up = provider()
    up.sealing = SEALING
    one = exchange(request(input=items, tools=[function("f", strict=True)]))

    def sent(*failures: tuple[str, str]) -> tuple[bool, bool]:
        one.attempts = [Attempt(name, NEW, time.monotonic(), error=error) for name, error in failures]
        body = check(up.build(one, NEW).body)
        return body["messages"][1]["content"][0]["type"] == "thinking", "strict" in body["tools"][0]

    assert sent() == (True, True)
    assert sent(("other", INVALID_THINKING), ("other", INVALID_STRICT)) == (True, True)
    assert sent(("claude", INVALID_THINKING)) == (False, True)
    assert sent(("claude", INVALID_STRICT)) == (True, False)
    assert one.ignored == ["input: reasoning"]


def test_a_decoder_for_each_answer_knows_how_it_was_asked() -> None:
    up = provider()
    one = exchange(request(text={"format": FORM}))
    up.build(one, OLD)
    block = {"type": "tool_use", "id": "a", "name": "json_tool_call", "input": {"a": 1}}
    tool = answer(block, reason="tool_use")
    decoder = up.decoder(one)
    assert isinstance(decoder, MessagesDecoder)
    assert decoder.whole(tool)[1].text == '{"a": 1}'  # type: ignore[attr-defined]
    up.build(one, NEW)
    assert not hasattr(up.decoder(one).whole(tool)[1], "text")


def test_thinking_is_sealed_when_the_client_asks_for_it() -> None:
    asking = exchange(request(include=["reasoning.encrypted_content"]))
    up = provider()
    seal = up.sealer(asking, NEW)
    assert seal is not None
    text = seal({"details": [thought()]}, "")
    assert text is not None
    assert opened(text, up.sealing) == [thought()]
    assert up.sealer(exchange(request()), NEW) is None
    assert up.sealer(exchange(chat()), NEW) is None
    kept = exchange(request())
    kept.keeps = True
    assert up.sealer(kept, NEW) is not None


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, 'upstream "claude" answered 401: it wants an api_key'),
        (Secret("sk-1", "env:KEY"), 'upstream "claude" answered 401: check its api_key (env:KEY)'),
    ],
)
def test_an_upstream_that_does_not_know_us(key: Secret | None, message: str) -> None:
    error = provider(api_key=key).error(
        401, {}, b'{"type":"error","error":{"type":"authentication_error","message":"no"}}'
    )
    assert (error.message, error.status, error.code) == (message, 502, "upstream_auth")


class Server:
    """A server that gives its answers in order, and keeps what it was asked."""

    def __init__(self, *answers: web.Response) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    async def handle(self, asked: web.Request) -> web.Response:
        body = await asked.json() if asked.can_read_body else None
        self.asked.append((asked.path_qs, {k.lower(): v for k, v in asked.headers.items()}, body))
        return self.answers.pop(0)

    async def __aenter__(self) -> Anthropic:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.handle)
        self.server = TestServer(app)
        await self.server.start_server()
        self.up = provider(base_url=str(self.server.make_url("/")))
        return self.up

    async def __aexit__(self, *_: object) -> None:
        await self.up.close()
        await self.server.close()


async def test_models_are_asked_for_page_by_page() -> None:
    server = Server(
        web.json_response({"data": [{"id": "a", "type": "model"}, {"id": "b"}], "has_more": True, "last_id": "b/c"}),
        web.json_response({"data": [{"id": "d"}], "has_more": False, "last_id": "d"}),
    )
    async with server as up:
        assert await up.models() == ["a", "b", "d"]
    paths = [path for path, _, _ in server.asked]
    assert paths == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=b%2Fc"]
    assert server.asked[0][1]["x-api-key"] == "sk-ant-api-1"
    assert server.asked[0][1]["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"data":[{"name":"x"}]}', b'{"data":"\xff"}'])
async def test_a_catalog_that_cannot_be_read_is_empty(body: bytes) -> None:
    async with Server(web.Response(body=body)) as up:
        assert await up.models() == []


async def test_a_catalog_that_is_refused() -> None:
    async with Server(web.json_response({"error": {"message": "no"}}, status=401)) as up:
        with pytest.raises(UpstreamRefused):
            await up.models()


async def test_tokens_are_counted_by_the_upstream() -> None:
    server = Server(web.json_response({"input_tokens": 42}))
    async with server as up:
        asked = request(instructions="Be.", tools=[function("f")], temperature=0.1, stream=True)
        assert await up.count_tokens(exchange(asked), BUDGET) == 42
    path, _, body = server.asked[0]
    assert path == "/v1/messages/count_tokens"
    assert set(body) == {"model", "system", "messages", "tools"}


async def test_a_count_that_cannot_be_read_or_had() -> None:
    async with Server(web.Response(body=b"{}"), web.json_response({"error": {}}, status=429)) as up:
        with pytest.raises(UpstreamGarbled):
            await up.count_tokens(exchange(request()), NEW)
        with pytest.raises(UpstreamRefused):
            await up.count_tokens(exchange(request()), NEW)


def test_the_profile_of_the_file_counts() -> None:
    up = provider(profile=MessagesProfile(max_tokens=77))
    assert check(up.build(exchange(request()), NEW).body)["max_tokens"] == 77
