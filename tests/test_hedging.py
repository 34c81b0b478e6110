"""Two attempts at a time: the first to show something is the answer, the other is closed and settled."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from proxy.config.types import Duration
from proxy.errors import UpstreamCut, UpstreamUnreachable
from proxy.events import Event
from proxy.exchange import Exchange
from proxy.hedging import SLOWER, HeldResponse
from proxy.pipeline import Settings
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.routing.config import Hedge
from proxy.stage import ResponseFilter, Stage
from proxy.upstream.client import Timeouts, UpstreamRequest
from stages.rate_limit import RateLimit, RateLimitConfig
from stages.route import Route, RouteConfig
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import House, house
from tests.support.scripted import (
    HELLO,
    WHOLE,
    ScriptedProvider,
    ScriptedResponse,
    Step,
    body,
    fails,
    kinds,
    stream,
    text_of,
)

USED = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":0}}\n\n'


def hedged(
    *ups: ScriptedProvider, retries: int = 2, after: float = 0.02, **options: Any
) -> AbstractAsyncContextManager[House]:
    """Runs a server that soon asks a second upstream; an input token costs a dollar, an output token two."""
    route = Route(RouteConfig(hedge=Hedge(after=Duration(after)), retries=retries))
    card = rate_card({"input": 10**12, "output": 2 * 10**12})
    settings = Settings(prices=PriceBook([OwnPrice("all", 1, card, ("*",))]))
    patient = StreamTranslate(StreamTranslateConfig(commit_after=Duration(60)))
    return house(*ups, route=route, settings=settings, translate=patient, **options)


class Notes(Stage):
    """A stage below `route` that notes what each attempt's filter saw, and how often it was ended."""

    name = "notes"

    def __init__(self) -> None:
        super().__init__()
        self.left: list[_Note] = []

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        assert exchange.deployment is not None
        self.left.append(_Note(exchange.deployment.provider.name))
        return self.left[-1]


class _Note(ResponseFilter):
    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.events = 0
        self.ends = 0

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        self.events += len(events)
        return events

    async def on_end(self, exchange: Exchange) -> None:
        self.ends += 1


def silent(*before: Step) -> tuple[asyncio.Event, Any]:
    """Returns what lets it speak, and the script of an upstream that says nothing until then."""
    speak = asyncio.Event()
    return speak, stream(*before, speak, *HELLO)


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
@pytest.mark.parametrize("noted", [False, True], ids=["plain", "with-a-filter"])
async def test_the_second_answers_when_the_first_says_nothing(path: str, noted: bool) -> None:
    _, script = silent(USED % (9, 1)) if noted else silent()
    first, second = ScriptedProvider("a", script), ScriptedProvider("b", stream(*HELLO[:2], USED % (7, 3), HELLO[2]))
    notes = Notes()
    async with hedged(first, second, below=[notes] if noted else []) as home:
        status, headers, data = await home.ask(path, stream=True)
        exchange = await home.settled()
        await asyncio.wait_for(first.client.responses[0].closed.wait(), 10)
    assert (status, headers["x-penstock-upstream"], headers["x-penstock-attempts"]) == (200, "b", "2")
    if path == "/responses":
        assert text_of(data) == "Hello"
        assert [kind for kind in kinds(data) if kind in ("response.created", "response.completed")] == [
            "response.created",
            "response.completed",
        ]
    else:
        assert (data.count(b'"Hel"'), data.count(b'"lo"')) == (1, 1)
    assert [(one.upstream, one.error) for one in exchange.attempts] == [("a", SLOWER), ("b", None)]
    assert exchange.attempts[1].cost == 13
    assert exchange.attempts[0].usage is not None
    assert exchange.attempts[0].usage.estimated is not noted
    assert exchange.cost == 13 + exchange.attempts[0].cost  # type: ignore[operator]
    if noted:
        assert exchange.attempts[0].cost == 11
        assert [(one.upstream, one.ends, one.events > 0) for one in notes.left] == [("a", 1, False), ("b", 1, True)]


async def test_the_first_answers_when_it_speaks_before_the_second() -> None:
    speak, script = silent()
    _, never = silent(USED % (5, 0))
    first, second = ScriptedProvider("a", script), ScriptedProvider("b", never)
    notes = Notes()
    async with hedged(first, second, below=[notes]) as home:
        asking = asyncio.create_task(home.ask(stream=True))
        await asyncio.wait_for(second.client.answered.wait(), 10)
        speak.set()
        _, headers, data = await asking
        exchange = await home.settled()
        assert second.client.responses[0].closed.is_set()
    assert (headers["x-penstock-upstream"], text_of(data)) == ("a", "Hello")
    assert [(one.upstream, one.error) for one in exchange.attempts] == [("b", SLOWER), ("a", None)]
    assert exchange.attempts[0].cost == 5
    assert [(one.upstream, one.ends) for one in notes.left] == [("a", 1), ("b", 1)]
    assert [one.in_flight for one in home.pipeline.stages[1].board.standings()] == [0, 0]  # type: ignore[attr-defined]


async def test_no_second_is_asked_while_the_first_is_quick_or_nothing_is_streamed() -> None:
    first, second = ScriptedProvider("a", stream(*HELLO), body(WHOLE)), ScriptedProvider("b", body(WHOLE))
    async with hedged(first, second, after=30) as home:
        assert text_of((await home.ask(stream=True))[2]) == "Hello"
        assert (await home.ask())[0] == 200
    assert second.client.requests == []


@pytest.mark.parametrize("error", [UpstreamCut("cut"), b'data: {"error":{"message":"busy","code":503}}\n\n'])
async def test_the_second_goes_on_when_the_first_fails_meanwhile(error: Step) -> None:
    fail, speak = asyncio.Event(), asyncio.Event()
    first = ScriptedProvider("a", stream(fail, error))
    second = ScriptedProvider("b", stream(speak, *HELLO))
    async with hedged(first, second) as home:
        asking = asyncio.create_task(home.ask(stream=True))
        await asyncio.wait_for(second.client.answered.wait(), 10)
        fail.set()
        await asyncio.wait_for(first.client.responses[0].closed.wait(), 10)
        speak.set()
        _, headers, data = await asking
        exchange = await home.settled()
    assert (headers["x-penstock-upstream"], text_of(data)) == ("b", "Hello")
    assert [one.upstream for one in exchange.attempts] == ["a", "b"]
    assert exchange.attempts[0].error not in (None, SLOWER)


@pytest.mark.parametrize(
    "script",
    [
        fails(UpstreamUnreachable("refused")),
        body(b"{}", 503),
        stream(UpstreamCut("cut")),
        stream(None),
        stream(b'data: {"error":{"message":"busy","code":503}}\n\n'),
        body(b'{"error":{"message":"loading","code":503}}'),
    ],
    ids=["unreachable", "503", "cut", "empty", "error-first", "error-in-json"],
)
async def test_the_first_goes_on_when_the_second_fails(script: Any) -> None:
    speak, slow = silent()
    first, second = ScriptedProvider("a", slow), ScriptedProvider("b", script)
    async with hedged(first, second) as home:
        asking = asyncio.create_task(home.ask(stream=True))
        async with asyncio.timeout(10):
            while not second.client.requests:
                await asyncio.sleep(0.005)
        speak.set()
        _, headers, data = await asking
        exchange = await home.settled()
    assert (headers["x-penstock-upstream"], text_of(data)) == ("a", "Hello")
    assert [one.upstream for one in exchange.attempts] == ["b", "a"]
    assert exchange.attempts[0].error is not None


async def test_when_both_fail_the_next_one_is_asked() -> None:
    fail = asyncio.Event()
    first, second = (ScriptedProvider(name, stream(fail, UpstreamCut("cut"))) for name in "ab")
    third = ScriptedProvider("c", stream(*HELLO))
    async with hedged(first, second, third, retries=2) as home:
        asking = asyncio.create_task(home.ask(stream=True))
        await asyncio.wait_for(second.client.answered.wait(), 10)
        fail.set()
        _, headers, data = await asking
        exchange = await home.settled()
    assert (headers["x-penstock-upstream"], text_of(data)) == ("c", "Hello")
    assert sorted(one.upstream for one in exchange.attempts) == ["a", "b", "c"]


async def test_an_answer_of_the_second_that_comes_whole_is_streamed() -> None:
    first, second = ScriptedProvider("a", silent()[1]), ScriptedProvider("b", body(WHOLE))
    async with hedged(first, second) as home:
        _, headers, data = await home.ask(stream=True)
    assert (headers["x-penstock-upstream"], text_of(data)) == ("b", "Hello")


class _Deaf(ScriptedProvider):
    """An upstream that takes requests and gives no head."""

    def __init__(self, name: str) -> None:
        super().__init__(name, stream(None))
        self.asked, self.left = asyncio.Event(), asyncio.Event()
        self.client.send = self._send  # type: ignore[method-assign]

    async def _send(self, request: UpstreamRequest, timeouts: Timeouts) -> ScriptedResponse:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError


async def test_a_first_that_gives_no_head_is_left() -> None:
    deaf, second = _Deaf("a"), ScriptedProvider("b", stream(*HELLO))
    async with hedged(deaf, second) as home:
        _, headers, data = await home.ask(stream=True)
        exchange = await home.settled()
        assert deaf.left.is_set()
    assert (headers["x-penstock-upstream"], text_of(data)) == ("b", "Hello")
    assert (exchange.attempts[0].usage, exchange.attempts[0].error) == (None, SLOWER)


@pytest.mark.parametrize("deaf", [False, True], ids=["silent", "without-a-head"])
async def test_both_are_closed_when_the_client_leaves(deaf: bool) -> None:
    first: Any = _Deaf("a") if deaf else ScriptedProvider("a", silent()[1])
    second = ScriptedProvider("b", silent()[1])
    notes = Notes()
    async with hedged(first, second, below=[notes]) as home:
        _, writer = await home.connect()
        async with asyncio.timeout(10):
            await second.client.answered.wait()
            writer.close()
            await second.client.responses[0].closed.wait()
            await (first.left if deaf else first.client.responses[0].closed).wait()
        exchange = await home.settled()
        assert [one.in_flight for one in home.pipeline.stages[1].board.standings()] == [0, 0]  # type: ignore[attr-defined]
        assert [one.failed for one in home.pipeline.stages[1].board.standings()] == [0, 0]  # type: ignore[attr-defined]
    assert exchange.outcome == "cancelled"
    assert [one.ends for one in notes.left] == [1, 1]


class _Lingers(_Deaf):
    """One whose connection takes its time to close."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.may_go = asyncio.Event()

    async def _send(self, request: UpstreamRequest, timeouts: Timeouts) -> ScriptedResponse:
        try:
            return await super()._send(request, timeouts)
        finally:
            await self.may_go.wait()


async def test_8_3_both_are_settled_when_all_is_cut_off_while_they_are_being_closed() -> None:
    first, second = _Lingers("a"), ScriptedProvider("b", silent()[1])
    limit = RateLimit(RateLimitConfig(parallel=5))
    async with hedged(first, second, below=[limit]) as home:
        _, writer = await home.connect()
        async with asyncio.timeout(10):
            await second.client.answered.wait()
            writer.close()
            await first.left.wait()
            home.app.cut_off()
            await asyncio.sleep(0)
            first.may_go.set()
        await home.settled()
        (counter,) = await limit.counters.snapshot()
    assert (counter.unit, counter.held) == ("parallel", 0)


async def test_what_is_aborted_asks_nobody_else() -> None:
    first, second = (ScriptedProvider(name, silent()[1]) for name in "ab")
    async with hedged(first, second) as home:
        asking = asyncio.create_task(home.ask(stream=True))
        await asyncio.wait_for(second.client.answered.wait(), 10)
        home.app.cut_off()
        status, _, _ = await asking
        await home.settled()
        assert first.client.responses[0].closed.is_set()
        assert second.client.responses[0].closed.is_set()
    assert status == 503


async def test_a_held_answer_is_delivered_from_its_beginning() -> None:
    more = asyncio.Event()
    response = ScriptedResponse(200, {}, [b"one", b"two", more, b"three", None])
    held, seen, got = HeldResponse(response), list[bytes](), list[Any]()
    held.begin(seen.append, got.append)
    async with asyncio.timeout(10):
        while len(seen) < 2:
            await asyncio.sleep(0)
    held.hold()
    assert held.body == b"onetwo"
    held.stream(got.append, got.append)
    assert got == [b"one", b"two"]
    more.set()
    async with asyncio.timeout(10):
        while len(got) < 4:
            await asyncio.sleep(0)
    assert got == [b"one", b"two", b"three", None]


async def test_a_limit_below_settles_each_attempt_with_what_that_has_used() -> None:
    first = ScriptedProvider("a", silent(USED % (9, 1))[1])
    second = ScriptedProvider("b", stream(*HELLO[:2], USED % (7, 3), HELLO[2]))
    limit = RateLimit(RateLimitConfig(tokens_per_minute=100_000))
    async with hedged(first, second, below=[limit]) as home:
        _, headers, _ = await home.ask(stream=True)
        await home.settled()
        (counter,) = await limit.counters.snapshot()
    assert headers["x-penstock-upstream"] == "b"
    assert (counter.used, counter.held) == (20, 0)
