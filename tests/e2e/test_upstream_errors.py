"""Errors of a real upstream, from its socket to the client: section 6 of the failures from the field."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.config.loader import load_text
from proxy.providers.openai_compatible.provider import OpenAICompatible
from stages.route import Route, RouteConfig
from tests.support.hostile import HostileUpstream, Peer, Script, answering, chunked, closing, fixed
from tests.support.house import House, house
from tests.support.scripted import chunk, events_of, finish

SSE = "content-type: text/event-stream\r\n"
JSON = "content-type: application/json\r\n"
HELLO = chunked(chunk(content="Hel"), chunk(content="lo"), finish(), headers=SSE)


@asynccontextmanager
async def behind(
    *scripts: Script, retries: int = 0, settings: str = ""
) -> AsyncIterator[tuple[House, list[HostileUpstream]]]:
    """Runs a server in front of scripted upstreams `u0`, `u1`..., in this order."""
    upstreams = [HostileUpstream(script) for script in scripts]
    for upstream in upstreams:
        await upstream.__aenter__()
    try:
        providers = []
        for at, upstream in enumerate(upstreams):
            text = f"upstreams:\n  u{at}: {{kind: openai-compatible, base_url: {upstream.origin}/v1{settings}}}\n"
            config = load_text(f"{text}models: {{m: [u{at}/up]}}\npipeline: [route, stream-translate]\n", "test")
            providers.append(OpenAICompatible(f"u{at}", config.upstreams[f"u{at}"].config))  # type: ignore[arg-type]
        async with house(*providers, route=Route(RouteConfig(retries=retries))) as home:
            yield home, upstreams
    finally:
        for upstream in upstreams:
            await upstream.__aexit__()


def failed_of(data: bytes) -> dict[str, Any]:
    """Returns the response of the `response.failed` event of a body, after checking that it is the end."""
    events = events_of(data)
    assert [kind for kind, _ in events[-3:]] == ["error", "response.failed", ""]
    response: dict[str, Any] = events[-2][1]["response"]
    return response


def numbered(data: bytes) -> bool:
    """Tells whether sequence numbers count from 0 without a gap, to the last event."""
    numbers = [obj["sequence_number"] for _, obj in events_of(data) if isinstance(obj, dict)]
    return numbers == list(range(len(numbers)))


async def test_6_1_an_error_in_mid_stream_is_told_in_the_clients_dialect() -> None:
    error = b'data: {"error":{"message":"Worker limit reached","code":502}}\n\n'
    async with behind(answering(chunked(chunk(content="par"), error, headers=SSE))) as (home, _):
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    failed = failed_of(data)
    assert failed["error"] == {"code": "server_error", "message": "Worker limit reached"}
    assert failed["output"][0]["content"][0]["text"] == "par"
    assert failed["output"][0]["status"] == "incomplete"
    assert failed["id"] == events_of(data)[0][1]["response"]["id"]
    assert numbered(data)
    assert exchange.outcome == "failed"


@pytest.mark.parametrize("whole_body", [True, False])
async def test_6_2_a_stream_that_just_stops_has_failed(whole_body: bool) -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(chunk(content="par"), headers=SSE, end=b"0\r\n\r\n" if whole_body else b""))
        peer.close()

    async with behind(cut) as (home, _):
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    failed = failed_of(data)
    assert failed["error"]["code"] == "server_error"
    assert "clos" in failed["error"]["message"]
    assert exchange.outcome == "failed"


@pytest.mark.parametrize("stream", [True, False])
async def test_6_3_an_error_under_status_200_is_an_error(stream: bool) -> None:
    body = b'{"error":{"message":"model not found","code":404}}'
    async with behind(answering(fixed(body, headers=JSON))) as (home, _):
        status, _, data = await home.ask(stream=stream)
    assert status == 404
    assert json.loads(data)["error"]["message"] == "model not found"


@pytest.mark.parametrize("stream", [True, False])
async def test_6_3_an_error_under_status_200_falls_back(stream: bool) -> None:
    body = b'{"error":{"message":"model not found","code":404}}'
    whole = b'{"choices":[{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}]}'
    good = HELLO if stream else fixed(whole, headers=JSON)
    async with behind(answering(fixed(body, headers=JSON)), answering(good), retries=1) as (home, _):
        status, headers, _ = await home.ask(stream=stream)
    assert (status, headers["x-penstock-upstream"]) == (200, "u1")


async def test_6_4_an_error_before_the_first_output_has_a_status() -> None:
    first = chunked(
        chunk(role="assistant", content=""), b'data: {"error":{"message":"bad","code":400}}\n\n', headers=SSE
    )
    async with behind(answering(first)) as (home, _):
        status, headers, data = await home.ask(stream=True)
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert json.loads(data)["error"]["type"] == "invalid_request_error"


async def test_6_5_one_broken_line_ends_nothing() -> None:
    broken = b'data: {"id":"x","choi\n\n'
    async with behind(answering(chunked(chunk(content="a"), broken, chunk(content="b"), finish(), headers=SSE))) as (
        home,
        _,
    ):
        _, _, data = await home.ask(stream=True)
    assert events_of(data)[-2][1]["response"]["output"][0]["content"][0]["text"] == "ab"


OVERFLOWS = [
    (400, "This model's maximum context length is 4096 tokens."),
    (413, "prompt is too long: 250000 tokens > 200000 maximum"),
    (400, "the request exceeds the available context size"),
    (422, "Input exceeds the context window of this model"),
]


@pytest.mark.parametrize(("status", "message"), OVERFLOWS)
async def test_6_6_an_overflow_of_the_context_has_the_code_that_agents_act_on(status: int, message: str) -> None:
    body = json.dumps({"error": {"message": message, "type": "BadRequestError", "code": status}}).encode()
    async with behind(answering(fixed(body, status=status, headers=JSON))) as (home, _):
        found, _, data = await home.ask(stream=True)
    error = json.loads(data)["error"]
    assert (found, error["code"], error["type"]) == (400, "context_length_exceeded", "invalid_request_error")
    assert error["message"] == message


@pytest.mark.parametrize(("status", "message"), OVERFLOWS)
async def test_6_6_an_overflow_in_the_stream_too(status: int, message: str) -> None:
    error = b"data: " + json.dumps({"error": {"message": message, "code": status}}).encode() + b"\n\n"
    async with behind(answering(chunked(chunk(content="a"), error, headers=SSE))) as (home, _):
        _, _, data = await home.ask(stream=True)
    assert failed_of(data)["error"] == {"code": "context_length_exceeded", "message": message}


async def test_6_7_one_budget_of_retries_for_all_upstreams() -> None:
    counts = [0, 0, 0]

    def counting(at: int) -> Script:
        async def script(peer: Peer) -> None:
            while True:
                await peer.request()
                counts[at] += 1
                await peer.send(fixed(b"{}", status=500, headers="retry-after: 0\r\n"))

        return script

    async with behind(*map(counting, range(3)), retries=3) as (home, _):
        status, headers, _ = await home.ask(stream=True)
        exchange = await home.settled()
    assert sum(counts) == 4
    assert headers["x-penstock-attempts"] == "4"
    assert len(exchange.attempts) == 4
    assert status in (500, 502)


async def test_6_8_a_pooled_connection_that_was_closed_is_replaced_once() -> None:
    async def one_each(peer: Peer) -> None:
        await peer.request()
        await peer.send(HELLO)
        await peer.head()  # the next request comes on the kept connection: closed before any byte of an answer
        peer.reset()

    async with behind(one_each) as (home, [upstream]):
        for _ in range(3):
            status, _, data = await home.ask(stream=True)
            assert status == 200
            assert b"response.completed" in data
        exchange = await home.settled(3)
    assert len(upstream.peers) == 3
    assert len(exchange.attempts) == 1


async def test_a_wrong_key_is_ours_to_mend_and_says_so() -> None:
    body = b'{"error":{"message":"Incorrect API key provided: sk-planted1234567890","code":"invalid_api_key"}}'
    async with behind(answering(fixed(body, status=401, headers=JSON)), settings=", api_key: sk-planted1234567890") as (
        home,
        _,
    ):
        status, _, data = await home.ask()
    error = json.loads(data)["error"]
    assert status == 502
    assert error["code"] == "upstream_auth"
    assert "u0" in error["message"]
    assert b"sk-planted" not in data


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, "retry-after: 7\r\n", b'{"error":{"message":"slow down"}}', (429, "rate_limit_exceeded", "7")),
        (429, "", b'{"error":{"message":"no money","code":"insufficient_quota"}}', (429, "insufficient_quota", None)),
        (503, "retry-after: 3\r\n", b'{"error":{"message":"Loading model"}}', (503, "overloaded", "3")),
        (500, "", b"<html>oops</html>", (502, "upstream_error", None)),
        (404, "", b'{"error":"model not found"}', (404, "model_not_found", None)),
    ],
)
async def test_statuses_keep_their_meaning(
    status: int, headers: str, body: bytes, expected: tuple[int, str, str | None]
) -> None:
    async with behind(answering(fixed(body, status=status, headers=headers))) as (home, _):
        found, answer, data = await home.ask(stream=True)
    assert (found, json.loads(data)["error"]["code"], answer.get("retry-after")) == expected
    assert b"<html>" not in data


async def test_garbage_instead_of_http() -> None:
    async with behind(closing(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")) as (home, _):
        status, _, data = await home.ask(stream=True)
    assert status == 502
    assert set(json.loads(data)["error"]) == {"message", "type", "param", "code"}
