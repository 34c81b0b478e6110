"""From one deployment to the next: what leads on, and what does not."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from proxy.config.types import Duration
from proxy.errors import UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from proxy.events import Event, Usage
from proxy.exchange import Exchange
from proxy.pipeline import Settings
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.stage import ResponseFilter, Stage
from proxy.upstream.client import UpstreamRequest
from stages.route import Route, RouteConfig
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import House, house
from tests.support.scripted import (
    HELLO,
    WHOLE,
    ScriptedProvider,
    body,
    chunk,
    events_of,
    fails,
    finish,
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


async def test_behind_the_first_output_what_another_attempt_would_need_is_let_go_of() -> None:
    go_on = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), go_on, chunk(content="lo"), finish()))
    asked = UpstreamRequest(method="POST", url="http://a/", headers={"x": "1"}, body=b"x" * 400)
    provider.build = lambda exchange, model: asked  # type: ignore[method-assign]
    async with house(provider) as home:
        reader, writer = await home.connect()
        await asyncio.wait_for(reader.readuntil(b'"delta":"Hel"'), 5)
        (run,) = home.pipeline.running
        exchange = run.exchange
        assert exchange.upstream_request is not None
        assert (exchange.upstream_request.body, exchange.upstream_request.headers) == (b"", {})
        go_on.set()
        await asyncio.wait_for(reader.readuntil(b"response.completed"), 5)
        writer.close()
        usage = (await home.settled()).usage
    assert usage is not None
    assert (usage.estimated, usage.input_tokens) == (True, 100)  # by the length of what was sent


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


USED = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":0}}\n\n'


def priced(**options: Any) -> AbstractAsyncContextManager[House]:
    """Runs a server whose upstreams take a dollar for an input token and two for an output token."""
    card = rate_card({"input": 10**12, "output": 2 * 10**12})
    settings = Settings(prices=PriceBook([OwnPrice("all", 1, card, ("*",))]))
    return house(*options.pop("providers"), settings=settings, **options)


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
async def test_what_a_failed_attempt_has_used_is_paid_but_not_told(path: str) -> None:
    bad = ScriptedProvider("a", stream(USED % (50, 1), UpstreamCut("cut")))
    good = ScriptedProvider("b", stream(chunk(content="Hello"), USED % (7, 3), finish()))
    asked = {"stream_options": {"include_usage": True}} if "chat" in path else {}
    async with priced(providers=[bad, good]) as home:
        _, _, data = await home.ask(path, stream=True, **asked)
        exchange = await home.settled()
    first, second = exchange.attempts
    assert (first.usage, first.cost) == (Usage(50, 1, total_tokens=51), 52)
    assert (second.usage, second.cost) == (exchange.usage, 13)
    assert exchange.cost == 65
    assert b'_tokens":7' in data
    assert b'_tokens":50' not in data


async def test_an_exchange_that_fails_has_cost_what_its_attempts_did() -> None:
    bad = ScriptedProvider("a", stream(USED % (50, 1), ERROR), stream(USED % (8, 0), UpstreamCut("cut")))
    async with priced(providers=[bad], route=Route(RouteConfig(retries=1))) as home:
        status, headers, _ = await home.ask(stream=True)
        exchange = await home.settled()
    assert status >= 500
    assert [one.cost for one in exchange.attempts] == [52, 8]
    assert (headers["x-penstock-cost"], exchange.cost) == ("60", 60)


async def test_what_was_used_before_the_client_left_is_paid() -> None:
    provider = ScriptedProvider("a", stream(USED % (50, 1), asyncio.Event()))
    async with priced(providers=[provider]) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(20):
            await reader.readuntil(b"response.in_progress")
            writer.close()
            await provider.client.responses[0].closed.wait()
        exchange = await home.settled()
    assert (exchange.outcome, exchange.cost) == ("cancelled", 52)
    assert exchange.usage == exchange.attempts[0].usage


class _Silence(asyncio.Event):
    """A step that never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    async def wait(self) -> Any:
        self.begun.set()
        await super().wait()


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_9_1_who_leaves_before_the_first_word_pays_for_what_was_read(path: str) -> None:
    silence = _Silence()
    provider = ScriptedProvider("a", stream(silence))
    async with priced(providers=[provider]) as home:
        _, writer = await home.connect(path, messages=[{"role": "user", "content": "hi"}])
        async with asyncio.timeout(20):
            await silence.begun.wait()
            writer.close()
            await provider.client.responses[0].closed.wait()
        exchange = await home.settled()
    assert exchange.outcome == "cancelled"
    assert exchange.usage is not None
    assert (exchange.usage.estimated, exchange.usage.output_tokens) == (True, 0)
    assert exchange.attempts[0].usage is exchange.usage


class _Seen(Stage):
    """A stage below `route` whose filters count the events of their attempt."""

    name = "seen"

    def __init__(self) -> None:
        super().__init__()
        self.left: list[_Counting] = []

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        self.left.append(_Counting())
        return self.left[-1]


class _Counting(ResponseFilter):
    def __init__(self) -> None:
        self.events = self.ends = 0

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        self.events += len(events)
        return events

    async def on_end(self, exchange: Exchange) -> None:
        self.ends += 1


async def test_a_filter_of_one_attempt_sees_nothing_of_another_and_yet_the_end() -> None:
    seen = _Seen()
    bad, good = ScriptedProvider("a", stream(UpstreamCut("cut"))), ScriptedProvider("b", stream(*HELLO))
    async with house(bad, good, below=[seen]) as home:
        await home.ask(stream=True)
        await home.settled()
    assert [(one.events, one.ends) for one in seen.left] == [(0, 1), (3, 1)]
