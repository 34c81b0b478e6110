"""A stream that is opened before its answer is there, and everything that may still happen then: one head, one end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.errors import UpstreamCut, UpstreamGarbled
from proxy.exchange import Exchange
from proxy.reply import Reply
from proxy.stage import Head, ResponseFilter, Stage
from proxy.stores.memory import MemoryStore
from stages.route import Route, RouteConfig
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, ScriptedResponse, body, chunk, events_of, finish, stream

HELLO = (chunk(content="Hel"), chunk(content="lo"), finish())
WHOLE = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'
AT_ONCE = StreamTranslate(StreamTranslateConfig(commit_after=0.01))  # type: ignore[arg-type]


class Late(ScriptedProvider):
    """An upstream whose head comes when the gate opens."""

    def __init__(self, name: str, gate: asyncio.Event, *scripts: Any) -> None:
        super().__init__(name, *scripts)
        send = self.client.send

        async def late(*args: Any) -> Any:
            await gate.wait()
            return await send(*args)

        self.client.send = late  # type: ignore[method-assign]


class SecondTime(Stage):
    """Answers the second attempt of an exchange itself."""

    name = "second-time"

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply

    async def on_request(self, exchange: Exchange) -> Reply | None:
        return self.reply if len(exchange.attempts) > 1 else None


class Slow(Stage, ResponseFilter):
    """Takes its time over the head, and says in a header that it was asked; or fails there."""

    name = "slow"

    def __init__(self, gate: asyncio.Event, *, fails: bool = False) -> None:
        super().__init__()
        self.gate = gate
        self.fails = fails
        self.asked = 0
        self.begun = asyncio.Event()

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return self

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        self.asked += 1
        self.begun.set()
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("planted")
        head.headers["x-slow"] = "asked"


class Withholds(Stage, ResponseFilter):
    """Lets nothing through, not even the end."""

    name = "withholds"

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return self

    def on_events(self, exchange: Exchange, events: list[Any]) -> list[Any]:
        return []


async def streamed(home: House, until: bytes, gate: asyncio.Event) -> bytes:
    """Asks for a stream, opens the gate when `until` was seen, returns all bytes up to the end of the body."""
    reader, writer = await home.connect()
    async with asyncio.timeout(5):
        seen = await reader.readuntil(until)
        gate.set()
        seen += await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()
    return seen


@pytest.mark.parametrize("reply", [Reply.json({"mine": True}), Reply.from_error(UpstreamCut("refused now"))])
async def test_a_stage_that_answers_behind_the_head_fails_the_stream(reply: Reply) -> None:
    gate = asyncio.Event()
    slow = ScriptedProvider("a", stream(gate, UpstreamCut("cut")))
    async with house(slow, slow, translate=AT_ONCE, below=[SecondTime(reply)], route=Route(RouteConfig())) as home:
        data = await streamed(home, b"response.in_progress", gate)
        exchange = await home.settled()
    assert data.count(b"HTTP/1.1") == 1
    assert data.count(b"event: response.failed\n") == 1
    assert exchange.outcome == "failed"
    assert (b"refused now" in data) is (reply.error is not None)


async def test_the_head_waits_for_every_filter_whoever_opens() -> None:
    head, upstream = asyncio.Event(), asyncio.Event()
    slow = Slow(head)
    async with house(Late("a", upstream, stream(*HELLO)), stages=[slow], keepalive_s=0.02) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await slow.begun.wait()  # opened by the keep-alive, while the upstream is silent
            upstream.set()
            while not home.pipeline.providers["a"].client.responses:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)
            for _ in range(20):
                await asyncio.sleep(0)
            head.set()
            data = await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
    assert b"\r\nx-slow: asked\r\n" in data
    assert slow.asked == 1
    assert b"event: response.completed\n" in data


async def test_a_filter_that_fails_over_an_early_head_fails_the_exchange() -> None:
    head, never = asyncio.Event(), asyncio.Event()
    head.set()
    async with house(Late("a", never, stream(*HELLO)), stages=[Slow(head, fails=True)], keepalive_s=0.02) as home:
        status, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 500
    assert b"planted" not in data
    assert exchange.outcome == "failed"
    assert home.pipeline.running == set()


async def test_no_comment_follows_the_end_while_the_exchange_is_settled() -> None:
    class Settles(Stage, ResponseFilter):
        name = "settles"

        async def on_request(self, exchange: Exchange) -> ResponseFilter:
            return self

        async def on_end(self, exchange: Exchange) -> None:
            await asyncio.sleep(0.1)  # several beats of the keep-alive

    async with house(ScriptedProvider("a", stream(*HELLO)), stages=[Settles()], keepalive_s=0.02) as home:
        _, _, data = await home.ask(stream=True)
    assert data.endswith(b"data: [DONE]\n\n")


async def test_a_bug_in_what_keeps_a_response_does_not_take_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(*_args: Any) -> None:
        raise RuntimeError("planted")

    async with house(ScriptedProvider("a", stream(*HELLO)), store=MemoryStore()) as home:
        home.pipeline.keeper.keep = breaks  # type: ignore[method-assign]
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert [kind for kind, _ in events_of(data)][-2] == "response.completed"
    assert exchange.outcome == "completed"
    assert "is not kept" in caplog.text


@pytest.mark.parametrize("asked", [True, False])
async def test_a_whole_answer_whose_end_is_withheld_has_failed(asked: bool) -> None:
    async with house(ScriptedProvider("a", body(WHOLE)), stages=[Withholds()]) as home:
        status, _, data = await home.ask(stream=asked)
        exchange = await home.settled()
    assert status == (200 if asked else 500)
    assert b"withheld" in data
    assert exchange.outcome == "failed"
    if asked:
        assert [kind for kind, _ in events_of(data)][-2] == "response.failed"


@pytest.mark.parametrize(
    "script",
    [
        lambda request: ScriptedResponse(429, {}, [UpstreamGarbled("its answer is larger than 262144 bytes")]),
        lambda request: ScriptedResponse(429, {}, [UpstreamCut("cut")]),
    ],
    ids=["large", "cut"],
)
async def test_an_error_whose_body_cannot_be_had_keeps_its_status(script: Any) -> None:
    async with house(ScriptedProvider("a", script), route=Route(RouteConfig(retries=0))) as home:
        status, _, _ = await home.ask()
        exchange = await home.settled()
    assert status == 429
    assert exchange.attempts[0].status == 429


async def test_a_chat_stream_that_is_left_keeps_the_usage_it_was_told() -> None:
    told = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), told, chunk(content="lo"), asyncio.Event()))
    async with house(provider) as home:
        reader, writer = await home.connect("/v1/chat/completions", messages=[{"role": "user", "content": "hi"}])
        async with asyncio.timeout(5):
            await reader.readuntil(b'"lo"')
        writer.transport.abort()
        exchange = await home.settled()
    assert exchange.outcome == "cancelled"
    assert exchange.usage is not None
    assert exchange.usage.total_tokens == 7
