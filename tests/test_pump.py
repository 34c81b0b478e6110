"""Bytes from the upstream to the client: filters between them, flow control, the limit of the first token."""

from __future__ import annotations

import asyncio
import json

import pytest

from proxy.errors import ResponseCancelled
from proxy.events import Event, Finish, TextDelta
from proxy.exchange import Exchange
from proxy.stage import ResponseFilter, Stage
from proxy.stores.memory import MemoryStore
from proxy.upstream.client import Timeouts
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, body, chunk, events_of, finish, stream

HELLO = (chunk(content="Hel"), chunk(content="lo"), finish())
WHOLE = json.dumps(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
).encode()


def kinds(data: bytes) -> list[str]:
    """Returns the types of the events of a body."""
    return [kind for kind, _ in events_of(data)]


def text_of(data: bytes) -> str:
    """Returns the joined text deltas of a body."""
    return "".join(obj["delta"] for kind, obj in events_of(data) if kind == "response.output_text.delta")


async def test_a_client_that_does_not_read_pauses_the_upstream() -> None:
    provider = ScriptedProvider("a", stream(*[chunk(content="x" * 20_000)] * 2000, finish()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(10):
            await reader.readuntil(b"response.in_progress")
            await provider.client.answered.wait()
            await provider.client.responses[0].was_paused.wait()
            data = b""
            while b"[DONE]" not in data[-200:]:
                data = data[-200:] + await reader.read(1 << 20)
        writer.close()
    assert provider.client.responses[0].pauses >= 1


async def test_the_first_token_has_a_limit_of_its_own() -> None:
    provider = ScriptedProvider(
        "a", stream(chunk(role="assistant"), asyncio.Event()), timeouts=Timeouts(first_token=0.02)
    )
    async with house(provider, ScriptedProvider("b", stream(*HELLO))) as home:
        status, headers, data = await home.ask(stream=True)
    assert (status, headers["x-penstock-upstream"], text_of(data)) == (200, "b", "Hello")


class Shouts(Stage):
    """Filters events: text in capitals; `waits` makes its filter one that must be awaited."""

    name = "shouts"

    def __init__(
        self, *, waits: bool = False, breaks: bool = False, stops: bool = False, swallows: bool = False
    ) -> None:
        super().__init__()
        self.waits, self.breaks, self.stops, self.swallows = waits, breaks, stops, swallows

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _AsyncShout(self) if self.waits else _Shout(self)


class _Shout(ResponseFilter):
    def __init__(self, stage: Shouts) -> None:
        self.stage = stage

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        if self.stage.breaks:
            raise RuntimeError("bug")
        if self.stage.swallows:
            return [one for one in events if not isinstance(one, Finish)]
        if self.stage.stops:
            return [TextDelta("stopped"), Finish("content_filter")]
        return [TextDelta(one.text.upper()) if isinstance(one, TextDelta) else one for one in events]


class _AsyncShout(_Shout):
    async def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().on_events(exchange, events)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("streamed", [True, False])
async def test_filters_change_events(waits: bool, streamed: bool) -> None:
    provider = ScriptedProvider("a", stream(*HELLO) if streamed else body(WHOLE))
    async with house(provider, stages=[Shouts(waits=waits)]) as home:
        _, _, data = await home.ask(stream=streamed)
        _, _, chat = await home.ask("/chat/completions", stream=streamed)
    assert (text_of(data) == "HELLO") if streamed else b"HELLO" in data
    if streamed:
        pieces = [obj["choices"][0]["delta"].get("content") or "" for _, obj in events_of(chat)[:-1] if obj["choices"]]
        assert "".join(pieces) == "HELLO"
    else:
        assert json.loads(chat)["choices"][0]["message"]["content"] == "HELLO"


@pytest.mark.parametrize("waits", [False, True])
async def test_a_filter_can_end_the_answer(waits: bool) -> None:
    provider = ScriptedProvider("a", stream(chunk(content="one"), asyncio.Event()))
    async with house(provider, stages=[Shouts(waits=waits, stops=True)]) as home:
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert text_of(data) == "stopped"
    assert kinds(data)[-2] == "response.incomplete"
    assert exchange.outcome == "incomplete"
    assert provider.client.responses[0].released or provider.client.responses[0].closed.is_set()


@pytest.mark.parametrize("waits", [False, True])
async def test_a_bug_in_a_filter_fails_the_answer_not_the_server(waits: bool) -> None:
    async with house(ScriptedProvider("a", stream(*HELLO)), stages=[Shouts(waits=waits, breaks=True)]) as home:
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
        assert kinds(data)[-2] == "response.failed"
        assert exchange.outcome == "failed"
        assert (await home.ask(stream=True))[0] == 200


@pytest.mark.parametrize("waits", [False, True])
async def test_a_filter_that_swallows_the_end_does_not_leave_the_client_without_one(waits: bool) -> None:
    async with house(ScriptedProvider("a", stream(*HELLO, None)), stages=[Shouts(waits=waits, swallows=True)]) as home:
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert kinds(data)[-2:] == ["response.failed", ""]
    assert text_of(data) == "Hello"
    assert exchange.outcome == "failed"


class Waits(Stage):
    """Lets each batch wait until it may go on."""

    name = "waits"

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Waits(self)


class _Waits(ResponseFilter):
    def __init__(self, stage: Waits) -> None:
        self.stage = stage

    async def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        self.stage.reached.set()
        await self.stage.go.wait()
        return events


async def test_what_a_filter_lets_go_in_the_turn_of_a_cancel_is_not_told() -> None:
    waits = Waits()
    steps = chunk(content="everything") + finish()
    async with house(ScriptedProvider("a", stream(steps)), stages=[waits], store=MemoryStore()) as home:
        asked = asyncio.create_task(home.ask(stream=True))
        await asyncio.wait_for(waits.reached.wait(), 5)
        (run,) = home.pipeline.running
        waits.go.set()
        run.abort(ResponseCancelled("enough"))
        data = (await asked)[2]
        exchange = await home.settled()
    assert events_of(data)[-2][1]["response"]["status"] == exchange.outcome == "cancelled"
    assert b"everything" not in data


class Later(Stage):
    """Keeps texts, and with `waits` the end too, until it is told to let them go."""

    name = "later"

    def __init__(self, *, waits: bool) -> None:
        super().__init__()
        self.waits = waits
        self.held = asyncio.Event()
        self.nudge: list[object] = []

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _AsyncLater(self, exchange) if self.waits else _Later(self, exchange)


class _Later(ResponseFilter):
    def __init__(self, stage: Later, exchange: Exchange) -> None:
        self.stage, self.exchange = stage, exchange
        self.kept: list[Event] = []

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        if not events:
            self.ends_later = False
            kept, self.kept = self.kept, []
            return kept
        self.kept += events
        if isinstance(events[-1], Finish) and not self.stage.waits:
            return self.kept
        self.ends_later = isinstance(events[-1], Finish)
        if not self.stage.waits or self.ends_later:
            self.stage.held.set()
        return []

    def let_go(self) -> None:
        self.wants_turn = True
        assert self.exchange.nudge is not None
        self.exchange.nudge()


class _AsyncLater(_Later):
    async def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:  # type: ignore[override]
        return super().on_events(exchange, events)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_filter_gets_a_turn_without_the_upstream_and_an_awaited_one_may_keep_the_end_for_it(
    waits: bool,
) -> None:
    later, gate = Later(waits=waits), asyncio.Event()
    steps = stream(*HELLO, None) if waits else stream(HELLO[0], gate, *HELLO[1:])
    async with house(ScriptedProvider("a", steps), stages=[later, Shouts(waits=waits)]) as home:
        reader, writer = await home.connect()
        await asyncio.wait_for(later.held.wait(), 10)
        (run,) = home.pipeline.running
        (filter_,) = [one for one in run._ending.filters if isinstance(one, _Later)]
        filter_.let_go()
        data = await asyncio.wait_for(reader.readuntil(b'"delta":"LO"' if waits else b'"delta":"HEL"'), 10)
        gate.set()
        data += await asyncio.wait_for(reader.readuntil(b"[DONE]"), 10)
        writer.close()
        exchange = await home.settled()
    assert exchange.outcome == "completed"
    assert exchange.nudge is None
    assert b"response.completed" in data
