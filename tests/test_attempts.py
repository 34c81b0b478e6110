"""From one deployment to the next: what leads on, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.config.types import Duration
from proxy.errors import UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from proxy.exchange import Exchange
from stages.route import Route, RouteConfig
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import house
from tests.support.scripted import (
    HELLO,
    WHOLE,
    ScriptedProvider,
    body,
    chunk,
    events_of,
    fails,
    kinds,
    stream,
    text_of,
)

ERROR = b'data: {"error":{"message":"Worker limit reached","code":502}}\n\n'


@pytest.mark.parametrize(
    "first",
    [
        fails(UpstreamUnreachable("refused")),
        fails(UpstreamTimeout("late", phase="first_byte")),
        body(b'{"error":{"message":"busy"}}', 503),
        stream(UpstreamCut("cut")),
        stream(chunk(role="assistant", content=""), UpstreamCut("cut")),
        stream(ERROR),
        stream(None),
        stream(b"data: {\n\ndata: {\n\ndata: {\n\n", None),
        body(b'{"error":{"message":"model is loading","code":503}}'),
    ],
    ids=["unreachable", "late", "503", "cut", "cut-after-role", "error-chunk", "empty", "garbage", "error-in-json"],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_failure_before_the_first_output_leads_to_the_next_deployment(first: Any, streamed: bool) -> None:
    good = stream(*HELLO) if streamed else body(WHOLE)
    patient = StreamTranslate(StreamTranslateConfig(commit_after=Duration(60)))  # on a busy machine too
    async with house(ScriptedProvider("a", first), ScriptedProvider("b", good), translate=patient) as home:
        status, headers, data = await home.ask(stream=streamed)
        exchange = await home.settled()
    assert status == 200
    assert headers["x-penstock-upstream"] == "b"
    assert headers["x-penstock-attempts"] == "2"
    assert [one.upstream for one in exchange.attempts] == ["a", "b"]
    assert exchange.attempts[0].error is not None
    assert b"Hello" in data if not streamed else text_of(data) == "Hello"
    assert data.count(b"response.created") in (0, 2)  # the event line and the type: once


async def test_nothing_is_retried_after_the_first_output() -> None:
    spare = ScriptedProvider("b", stream(*HELLO))
    async with house(ScriptedProvider("a", stream(chunk(content="Hel"), UpstreamCut("cut"))), spare) as home:
        status, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 200
    assert text_of(data) == "Hel"
    assert kinds(data)[-3:] == ["error", "response.failed", ""]
    failed = events_of(data)[-2][1]["response"]
    assert failed["output"][0]["status"] == "incomplete"
    assert exchange.outcome == "failed"
    assert spare.client.requests == []


async def test_when_all_have_failed_the_last_error_is_the_answer() -> None:
    async with house(ScriptedProvider("a", body(b"{}", 503)), route=Route(RouteConfig(retries=0))) as home:
        status, headers, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 503
    assert headers["content-type"] == "application/json"
    assert set(json.loads(data)["error"]) == {"message", "type", "param", "code"}
    assert exchange.outcome == "failed"
    assert exchange.head_status == 503


async def test_what_one_attempt_ignored_is_not_told_of_another() -> None:
    class Ignores(ScriptedProvider):
        def build(self, exchange: Exchange, model: str) -> Any:
            exchange.ignore(f"{self.name}-param")
            return super().build(exchange, model)

    bad, good = Ignores("a", fails(UpstreamUnreachable("refused"))), Ignores("b", stream(*HELLO))
    async with house(bad, good) as home:
        _, headers, _ = await home.ask(stream=True)
    assert headers["x-penstock-ignored-params"] == "b-param"
