"""How exchanges end: by an error, by a client that leaves, by a server that stops."""

from __future__ import annotations

import asyncio
import gc

import pytest

from proxy import ending, pipeline
from proxy.api.responses.request import ResponsesRequest
from proxy.client_side import ClientSide
from proxy.errors import UpstreamCut, UpstreamError
from proxy.exchange import Client, Exchange
from proxy.following import Nobody
from proxy.models import ModelTable
from proxy.providers.provider import Deployment
from proxy.run import Run
from proxy.stage import ResponseFilter, Stage
from proxy.stores.memory import MemoryStore
from stages.route import Route, RouteConfig
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import house
from tests.support.scripted import (
    HELLO,
    WHOLE,
    ScriptedProvider,
    body,
    chunk,
    stream,
    text_of,
)


async def test_a_bug_in_a_stage_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Stage):
        name = "broken"

        async def on_request(self, exchange: Exchange) -> None:
            raise RuntimeError("secret detail")

    async with house(ScriptedProvider("a", stream(*HELLO)), stages=[Broken()]) as home:
        status, _, data = await home.ask()
        await home.settled()
    assert status == 500
    assert b"secret" not in data
    assert "secret detail" in caplog.text


async def test_a_plain_answer_waits_for_no_collector() -> None:
    """A body of many megabytes would be kept until the collector finds it."""
    async with house(ScriptedProvider("a", body(WHOLE))) as home:
        gc.collect()
        gc.disable()
        try:
            await home.ask()
            await home.settled()
            async with asyncio.timeout(5):
                while any(type(one) in (Run, ClientSide) for one in gc.get_objects()):
                    await asyncio.sleep(0)  # the server's own task is about to end
        finally:
            gc.enable()


async def test_filters_that_wait_for_nothing_are_told_in_the_clients_own_task(caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[str, object]] = []

    class Quick(ResponseFilter):
        ends_at_once = True

        def __init__(self, name: str) -> None:
            self._name = name

        async def on_end(self, exchange: Exchange) -> None:
            told.append((self._name, asyncio.current_task()))
            if self._name == "lower":
                raise RuntimeError("its bug")

    class Ends(Stage):
        async def on_request(self, exchange: Exchange) -> Quick:
            return Quick(self.config)

    provider = ScriptedProvider("a", body(WHOLE))
    stages = [Ends("upper"), Ends("lower"), Route(), StreamTranslate()]
    home = pipeline.Pipeline(stages, ModelTable({"m": [Deployment(provider, "up")]}), {"a": provider})
    exchange = Exchange("req_1", Client("", {}), ResponsesRequest.parse(b'{"model":"m","input":"Hi"}'))
    reply = await home.serve(exchange, Nobody())
    assert reply is not None
    assert reply.status == 200
    assert told == [("lower", asyncio.current_task()), ("upper", asyncio.current_task())]
    assert "its bug" in caplog.text


async def test_a_failure_after_opening_without_output_goes_into_the_stream() -> None:
    gate = asyncio.Event()
    slow = ScriptedProvider("a", stream(gate, UpstreamCut("the end")))
    translate = StreamTranslate(StreamTranslateConfig(commit_after=0.01))  # type: ignore[arg-type]
    async with house(slow, translate=translate, route=Route(RouteConfig(retries=0))) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b"response.in_progress")
            gate.set()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
        exchange = await home.settled()
    assert b"event: response.failed" in rest
    assert exchange.outcome == "failed"


async def test_a_chat_stream_that_is_cut_ends_in_an_error() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), UpstreamCut("the upstream has gone")))
    async with house(provider) as home:
        status, _, data = await home.ask("/chat/completions", stream=True)
        exchange = await home.settled()
    assert status == 200
    assert b'"error"' in data
    assert exchange.outcome == "failed"


async def test_a_client_that_leaves_closes_the_upstream_in_mid_stream() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), asyncio.Event()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta":"Hel"')
            writer.close()
            await provider.client.responses[0].closed.wait()
        exchange = await home.settled()
    assert exchange.outcome == "cancelled"
    assert len(home.watcher.ended) == 1
    assert exchange.usage is not None
    assert exchange.usage.estimated


async def test_a_client_that_leaves_a_passed_through_stream_is_counted_too() -> None:
    provider = ScriptedProvider("a", stream(*[chunk(content="word ")] * 3, asyncio.Event()))
    async with house(provider) as home:
        messages = [{"role": "user", "content": "x"}]
        reader, writer = await home.connect("/v1/chat/completions", messages=messages)
        async with asyncio.timeout(5):
            for _ in range(3):
                await reader.readuntil(b'"word ')
        writer.close()
        exchange = await home.settled()
    assert exchange.usage is not None
    assert (exchange.usage.output_tokens, exchange.usage.estimated) == (3, True)


async def test_running_answers_are_ended_with_an_error_when_the_server_stops() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), asyncio.Event()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta":"Hel"')
            home.app.cut_off()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
    assert b"event: response.failed" in rest
    assert b"shutting down" in rest


@pytest.mark.parametrize("stream_asked", [True, False])
async def test_requests_that_wait_for_their_upstream_are_answered_when_the_server_stops(stream_asked: bool) -> None:
    provider = ScriptedProvider("a", stream(asyncio.Event()))
    async with house(provider) as home:
        asking = asyncio.ensure_future(home.ask(stream=stream_asked))
        async with asyncio.timeout(5):
            await provider.client.answered.wait()
            home.app.cut_off()
            status, headers, data = await asking
        exchange = await home.settled()
    assert status == 503
    assert "retry-after" in headers
    assert b"shutting down" in data
    assert exchange.outcome == "failed"
    assert provider.client.responses[0].closed.is_set()


class Hangs(Stage):
    """Never gets done with the end."""

    name = "hangs"

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Hanging()


class _Hanging(ResponseFilter):
    async def on_end(self, exchange: Exchange) -> None:
        await asyncio.Event().wait()


async def test_a_filter_that_hangs_at_the_end_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ending, "_ON_END_S", 0.01)
    async with house(ScriptedProvider("a", stream(*HELLO)), stages=[Hangs()]) as home:
        await home.ask(stream=True)
        async with asyncio.timeout(20):
            await home.settled()  # the observer is told last
            await home.pipeline.idle()
        assert not home.pipeline.running
    assert "on_end of _Hanging failed" in caplog.text


class Muses(Stage):
    """Never gets done with what an upstream has failed with."""

    name = "muses"

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Musing()


class _Musing(ResponseFilter):
    async def on_error(self, exchange: Exchange, error: UpstreamError) -> None:
        await asyncio.Event().wait()


async def test_a_filter_that_hangs_over_a_failure_lets_nobody_know_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ending, "_ON_ERROR_S", 0.01)
    async with house(ScriptedProvider("a", body(b"", status=400)), stages=[Muses()]) as home:
        async with asyncio.timeout(20):
            status, _, data = await home.ask()
            exchange = await home.settled()
    assert (status, exchange.outcome) == (500, "failed")
    assert b"Penstock failed" in data  # and not what the upstream said, which the filter might have masked
    assert b"status 400" not in data
    assert "on_error" in caplog.text


class Waits(Stage):
    """Takes its time for the end."""

    name = "waits"

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Waiting(self.gate)


class _Waiting(ResponseFilter):
    def __init__(self, gate: asyncio.Event) -> None:
        self.gate = gate

    async def on_end(self, exchange: Exchange) -> None:
        await self.gate.wait()


async def test_an_answer_does_not_wait_for_who_takes_long_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_SETTLED_WITHIN_S", 0.01)
    waits = Waits()
    async with house(ScriptedProvider("a", body(WHOLE)), stages=[waits]) as home:
        async with asyncio.timeout(20):
            status, _, _ = await home.ask()
            assert (status, len(home.pipeline.running), home.watcher.ended) == (200, 1, [])
            waits.gate.set()
            assert (await home.settled()).outcome == "completed"


async def test_a_client_is_let_go_of_although_its_exchange_cannot_be_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A price list with a bug, say."""

    def breaks(exchange: Exchange) -> None:
        raise ZeroDivisionError

    gate = asyncio.Event()
    async with house(ScriptedProvider("a", stream(gate, *HELLO)), store=MemoryStore()) as home:
        monkeypatch.setattr(home.pipeline.prices, "charge", breaks)
        asking = asyncio.ensure_future(home.ask(stream=True))
        async with asyncio.timeout(20):
            while not home.pipeline.running:
                await asyncio.sleep(0)
            [run] = home.pipeline.running
            gate.set()
            status, _, data = await asking
            await home.settled()
    assert (status, text_of(data), run._side.finished) == (200, "Hello", True)
    assert "could not be closed" in caplog.text
