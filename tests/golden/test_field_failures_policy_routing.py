"""One test for each failure reported from the field that concerns routing: timeouts, retries, fallbacks.

The numbers are those of the review list `field-failures.md`. Streams fail here as they do there: over real connections.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from proxy.config.types import Duration
from proxy.providers.connection import TimeoutSettings
from proxy.providers.provider import Deployment, Provider, TimeoutChanges
from proxy.routing.config import Hedge
from stages.route import Fallback, Route, RouteConfig
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import House, house
from tests.support.passing import Answer, Came, Endpoint, endpoint, upstream
from tests.support.scripted import HELLO, ScriptedProvider, body, chunk, text_of

SSE = {"content-type": "text/event-stream"}
STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])


def says(*pieces: bytes | float, status: int = 200, kind: str = "text/event-stream") -> Answer:
    """Returns an upstream that sends pieces, pauses of so many seconds between them, and cuts at a pause below 0."""

    async def answer(request: web.BaseRequest, came: Came) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"content-type": kind})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
            elif piece < 0:
                assert request.transport is not None
                request.transport.abort()
            else:
                await asyncio.sleep(piece)
        return response

    return answer


async def good(request: web.BaseRequest, came: Came) -> web.StreamResponse:
    if b'"stream":true' in came.body.replace(b" ", b""):
        return web.Response(body=b"".join(HELLO), headers=SSE)
    message = {"role": "assistant", "content": "Hello"}
    return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


async def mute(request: web.BaseRequest, came: Came) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


def patient() -> StreamTranslate:
    """Returns a stage that lets a failure be an HTTP status, however late it comes."""
    return StreamTranslate(StreamTranslateConfig(commit_after=Duration(60)))


@asynccontextmanager
async def routed(*ups: Provider, **config: Any) -> AsyncIterator[House]:
    """Runs a server whose model `m` is the first of the upstreams, and `spare` are the others."""
    models = {"m": [Deployment(ups[0], "x")], "spare": [Deployment(one, "x") for one in ups[1:]]}
    route = Route(RouteConfig(fallbacks=(Fallback(from_="m", to=("spare",)),), **config))
    async with house(*ups, models=models, route=route, translate=patient()) as home:
        yield home


def timed(one: Endpoint, **seconds: float | None) -> Provider:
    limits = {name: None if said is None else Duration(said) for name, said in seconds.items()}
    return upstream(one, timeouts=TimeoutSettings(**limits))


# --- 5.8 timeouts


@pytest.mark.parametrize(
    ("answer", "limits", "phase"),
    [
        (mute, {"first_byte": 0.2}, "did not begin to answer"),
        (mute, {"first_token": 0.2}, "did not begin to answer"),
        (says(b": thinking\n\n", 60.0), {"first_token": 0.3}, "no token"),
        (says(b": thinking\n\n", 60.0), {"idle": 0.2}, "sent nothing"),
        (says(*[b": thinking\n\n", 0.05] * 400), {"total": 0.4}, "did not finish"),
        (says(chunk(role="assistant", content=""), 60.0), {"first_token": 0.3}, "no token"),
    ],
    ids=["first-byte", "first-token-without-a-head", "first-token", "idle", "total", "first-token-after-a-role"],
)
async def test_5_8_each_timeout_fires_by_itself_and_leads_to_a_fallback(
    answer: Answer, limits: dict[str, float], phase: str
) -> None:
    async with endpoint(answer) as slow, endpoint(good) as quick:
        async with routed(timed(slow, **limits), upstream(quick, "b")) as home:
            status, headers, data = await home.ask(stream=True)
            exchange = await home.settled()
    assert (status, headers["x-penstock-upstream"], text_of(data)) == (200, "b", "Hello")
    assert exchange.attempts[0].error == "timeout"
    async with endpoint(answer) as slow, house(timed(slow, **limits), route=alone(), translate=patient()) as home:
        status, _, data = await home.ask(stream=True)
    assert status == 504
    assert phase in json.loads(data)["error"]["message"]


def alone() -> Route:
    return Route(RouteConfig(retries=0))


async def test_5_8_thinking_before_the_first_token_is_no_silence_between_chunks() -> None:
    thinks = says(chunk(role="assistant", content=""), 0.6, *HELLO)
    async with endpoint(thinks) as slow, house(timed(slow, idle=0.2, first_token=30), route=alone()) as home:
        _, _, data = await home.ask(stream=True)
        assert text_of(data) == "Hello"
    stops = says(chunk(content="Hel"), 60.0)
    async with endpoint(stops) as slow, house(timed(slow, idle=0.2, first_token=30), route=alone()) as home:
        _, _, data = await home.ask(stream=True)
    assert (text_of(data), b'"response.failed"' in data, b"sent nothing for 0.2 s" in data) == ("Hel", True, True)


async def test_5_8_limits_may_be_those_of_a_route_or_a_deployment() -> None:
    own = TimeoutChanges(first_token=Duration(0.2))
    async with endpoint(says(60.0)) as slow:
        for route, deployment in ((RouteConfig(retries=0, timeouts=own), None), (RouteConfig(retries=0), own)):
            up = upstream(slow)
            models = {"m": [Deployment(up, "x", timeouts=deployment)]}
            async with house(up, models=models, route=Route(route), translate=patient()) as home:
                assert (await home.ask(stream=True))[0] == 504


# --- 6.7 retries


@STREAMED
async def test_6_7_one_request_has_one_budget_of_attempts(streamed: bool) -> None:
    ups = [ScriptedProvider(name, body(b'{"error":{"message":"busy"}}', 503)) for name in "abcd"]
    async with routed(*ups, retries=2, hedge=Hedge(after=Duration(30))) as home:
        status, headers, _ = await home.ask(stream=streamed)
        exchange = await home.settled()
    assert (status, headers["x-penstock-attempts"]) == (503, "3")
    assert sum(len(one.client.requests) for one in ups) == len(exchange.attempts) == 3


# --- 7.1, 7.2 streams


REFUSED = "nobody listens there"
BROKEN: dict[str, Answer | str] = {
    "refused": REFUSED,
    "401": says(b'{"error":{"message":"Incorrect API key"}}', status=401, kind="application/json"),
    "429": says(b'{"error":{"message":"slow down"}}', status=429, kind="application/json"),
    "500": says(b"oops", status=500, kind="text/plain"),
    "200-with-an-error": says(b'{"error":{"message":"loading","code":503}}', kind="application/json"),
    "error-first": says(b'data: {"error":{"message":"Worker limit reached","code":502}}\n\n'),
    "cut-at-once": says(-1.0),
    "cut-before-the-first-token": says(chunk(role="assistant", content=""), -1.0),
    "empty": says(),
    "html": says(b"<html>hello</html>", kind="text/html"),
    "silent": says(60.0),
}


ONLY_STREAMS = ("error-first", "cut-before-the-first-token", "empty")


@pytest.mark.parametrize(
    ("how", "streamed"),
    [(how, streamed) for how in BROKEN for streamed in (True, False) if streamed or how not in ONLY_STREAMS],
)
async def test_7_1_whatever_fails_before_the_first_token_leads_on(how: str, streamed: bool) -> None:
    answer = BROKEN[how]
    async with endpoint(good if isinstance(answer, str) else answer) as bad, endpoint(good) as fine:
        first = timed(bad, first_token=0.5, first_byte=0.5, idle=0.5)
        if answer == REFUSED:
            async with endpoint(good) as gone:
                first = upstream(gone)
        async with routed(first, upstream(fine, "b")) as home:
            status, headers, data = await home.ask(stream=streamed)
            exchange = await home.settled()
    assert (status, headers["x-penstock-upstream"], headers["x-penstock-attempts"]) == (200, "b", "2")
    assert b"Hello" in data if not streamed else text_of(data) == "Hello"
    assert exchange.attempts[0].error is not None
    if streamed:
        assert data.count(b'"type":"response.created"') == 1


@STREAMED
@pytest.mark.parametrize(
    ("message", "spare"),
    [("maximum context length is 8192 tokens", "long"), ("blocked by our content policy", "lax"), ("busy", "any")],
)
async def test_7_2_fallbacks_of_a_model_hold_for_streams_as_for_whole_answers(
    message: str, spare: str, streamed: bool
) -> None:
    status = 503 if message == "busy" else 400
    code = {"long": "context_length_exceeded", "lax": "content_filter"}.get(spare)
    said = json.dumps({"error": {"message": message, "code": code}}).encode()
    bad = says(said, status=status, kind="application/json")
    async with endpoint(bad) as first, endpoint(good) as fine:
        ups = [upstream(first), *(upstream(fine, name) for name in ("long", "lax", "any"))]
        models = {one.name if index else "m": [Deployment(one, "x")] for index, one in enumerate(ups)}
        fallbacks = (
            Fallback(from_="m", to=("any",)),
            Fallback(from_="m", to=("long",), errors=("context_window",)),
            Fallback(from_="m", to=("lax",), errors=("content_policy",)),
        )
        route = Route(RouteConfig(fallbacks=fallbacks))
        async with house(*ups, models=models, route=route, translate=patient()) as home:
            told, headers, _ = await home.ask(stream=streamed)
    assert (told, headers["x-penstock-upstream"]) == (200, spare)


# --- 7.3, 7.4 cooling down (also tests/routing/test_plan.py, with a clock of its own)


@STREAMED
async def test_7_3_a_clients_mistake_and_our_own_refusal_cool_nobody_down(streamed: bool) -> None:
    wrong = ScriptedProvider("a", body(b'{"error":{"message":"temperature is too high"}}', 400))
    route = Route(RouteConfig(cooldown_after=1))
    async with house(wrong, ScriptedProvider("b", body(b"{}", 400)), route=route) as home:
        for count in range(6):
            assert (await home.ask(stream=streamed))[0] == 400
            await home.settled(count + 1)
        assert (await home.ask(model="missing"))[0] == 400
    assert {one.state for one in route.board.standings()} == {"up"}
    assert sum(one.attempts for one in route.board.standings()) == 6


@STREAMED
async def test_7_4_while_all_members_rest_the_client_is_told_for_how_long(streamed: bool) -> None:
    async def busy(request: web.BaseRequest, came: Came) -> web.StreamResponse:
        return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "90"})

    async with endpoint(busy) as one, endpoint(busy) as other:
        ups = [upstream(one, "a"), upstream(other, "b")]
        async with house(*ups, models={"m": [Deployment(up, "x") for up in ups]}) as home:
            for asked in (2, 2):  # the second request asks nobody
                status, headers, _ = await home.ask(stream=streamed)
                assert (status, 80 < int(headers["retry-after"]) <= 90) == (429, True)
                assert len(one.came) + len(other.came) == asked


async def test_a_deployment_that_is_refused_connections_leaves_and_returns() -> None:
    async with endpoint(good) as fine:
        async with endpoint(good) as gone:
            dead = upstream(gone, "a")
        route = Route(RouteConfig(cooldown_after=1, cooldown=Duration(0.2)))
        models = {"m": [Deployment(dead, "x", 1e6), Deployment(upstream(fine, "b"), "x")]}
        async with house(dead, models=models, route=route) as home:
            attempts = [(await home.ask())[1].get("x-penstock-attempts") for _ in range(3)]
            assert attempts == ["2", None, None]
            async with asyncio.timeout(20):
                while next(one.state for one in route.board.standings() if one.deployment == "a/x") != "probing":
                    await asyncio.sleep(0.02)
            assert (await home.ask())[1]["x-penstock-attempts"] == "2"
