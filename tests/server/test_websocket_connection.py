"""One WebSocket: exchanges, errors, flow, pings, limits, and the end from either side."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType

from proxy.errors import UpstreamRefused
from proxy.exchange import Exchange
from proxy.reply import Reply
from proxy.server.websocket_frames import Frames
from proxy.stage import ResponseFilter, Stage
from tests.support.hostile import until
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, chunk, events_of, fails, finish, stream
from tests.support.sockets import WAIT_S, wired

HELLO = (chunk(content="Hel"), chunk(content="lo"), finish())


class Answers(Stage):
    """Answers by itself: the reply it was given."""

    name = "answers"

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply

    async def on_request(self, exchange: Exchange) -> ResponseFilter | Reply | None:
        return self.reply


def hello() -> ScriptedProvider:
    """Returns an upstream that says Hello."""
    return ScriptedProvider("a", stream(*HELLO))


@asynccontextmanager
async def bare(home: House) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Opens a WebSocket over a raw socket, to be silent on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
    writer.write(
        b"GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with asyncio.timeout(WAIT_S):
        await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
    writer.close()


async def test_the_messages_are_the_events_of_the_stream_and_no_marker() -> None:
    async with house(hello()) as home, wired(home) as wire:
        _, _, body = await home.ask(stream=True)
        over_http = [json.loads(json.dumps(value)) for _, value in events_of(body)[:-1]]
        await wire.create()
        over_socket = await wire.turn()
    assert [event["type"] for event in over_socket] == [event["type"] for event in over_http]
    assert [event["sequence_number"] for event in over_socket] == list(range(len(over_socket)))
    assert [set(event) for event in over_socket] == [set(event) for event in over_http]
    assert over_socket[-1]["response"]["output"][0]["content"][0]["text"] == "Hello"


async def test_each_message_is_a_request_of_its_own() -> None:
    headers = {"user-agent": "me/1", "x-request-id": "mine"}
    async with house(hello()) as home, wired(home, headers=headers) as wire:
        await wire.ask()
        await wire.ask(model="none")
        first, second = home.watcher.ended[0], await home.settled(2)
    assert first.id != second.id
    assert (first.outcome, second.outcome) == ("completed", "rejected")
    for exchange in (first, second):
        assert exchange.client.headers["user-agent"] == "me/1"
        assert not {"upgrade", "connection", "sec-websocket-key"} & set(exchange.client.headers)
        assert (exchange.client.method, exchange.client.path) == ("POST", "/v1/responses")
    assert first.request.stream is True


async def test_requests_of_one_lane_are_answered_in_their_order_and_lanes_side_by_side() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), gate, finish()), stream(*HELLO))
    async with house(provider) as home, wired(home) as wire:
        await wire.create(metadata={"n": "1"})
        await wire.create(metadata={"n": "2"})
        await until(lambda: len(provider.client.requests) == 1)
        await wire.create(stream_id="b", metadata={"n": "3"})
        assert (await wire.turn("b"))[-1]["response"]["metadata"]["n"] == "3"
        assert len(provider.client.requests) == 2
        gate.set()
        assert [(await wire.turn())[-1]["response"]["metadata"]["n"] for _ in range(2)] == ["1", "2"]


async def test_every_event_of_a_lane_names_it() -> None:
    async with house(hello()) as home, wired(home) as wire:
        await wire.create(stream_id="a.1")
        for event in await wire.turn("a.1"):
            assert event["stream_id"] == "a.1"
        assert (await wire.ask(stream_id="a.1", model="none"))["stream_id"] == "a.1"
        await wire.create()
        assert all("stream_id" not in event for event in await wire.turn())


@pytest.mark.parametrize(
    ("text", "code"), [("{", "invalid_json"), ('{"type":"x"}', "invalid_value"), ("[]", "invalid_json")]
)
async def test_what_cannot_be_read_is_an_error_and_the_connection_goes_on(text: str, code: str) -> None:
    async with house(hello()) as home, wired(home) as wire:
        await wire.ws.send_str(text)
        error = await wire.receive()
        assert (error["type"], error["status"], error["error"]["code"]) == ("error", 400, code)
        await wire.ws.send_bytes(b"{}")
        assert (await wire.receive())["error"]["code"] == "invalid_message"
        await wire.ws.send_frame(b'{"type":"\xff"}', WSMsgType.TEXT)
        assert (await wire.receive())["error"]["code"] == "invalid_json"
        assert (await wire.ask())["type"] == "response.completed"
        assert [one.outcome for one in home.watcher.ended[:3]] == ["rejected"] * 3


async def test_an_error_waits_for_its_turn_in_the_lane() -> None:
    gate = asyncio.Event()
    async with house(ScriptedProvider("a", stream(gate, *HELLO))) as home, wired(home) as wire:
        await wire.create()
        await wire.ws.send_str("{")
        gate.set()
        assert (await wire.turn())[-1]["type"] == "response.completed"
        assert (await wire.turn())[-1]["type"] == "error"


@pytest.mark.parametrize("status", [400, 429, 503])
async def test_a_failure_before_the_stream_has_its_status(status: int) -> None:
    error = UpstreamRefused("no", status=status, retry_after_s=3)
    async with house(ScriptedProvider("a", fails(error))) as home, wired(home) as wire:
        told = await wire.ask()
        assert (told["type"], told["status"]) == ("error", status)
        assert told["error"]["headers"]["retry-after"] == "3"


async def test_a_failure_in_the_stream_is_one_last_event() -> None:
    bad = b'data: {"error":{"message":"Worker limit reached","code":502}}\n\n'
    async with house(ScriptedProvider("a", stream(chunk(content="x"), bad), stream(*HELLO))) as home:
        async with wired(home) as wire:
            await wire.create()
            kinds = [event["type"] for event in await wire.turn()]
            assert kinds[-1] == "response.failed"
            assert "error" not in kinds
            assert (await wire.ask())["type"] == "response.completed"


async def test_a_stage_may_answer_by_itself() -> None:
    reply = Reply.json({"id": "resp_1", "object": "response", "status": "completed"})
    async with house(hello(), stages=[Answers(reply)]) as home, wired(home) as wire:
        assert (await wire.ask())["response"]["id"] == "resp_1"


async def test_steering_is_refused_at_once() -> None:
    gate = asyncio.Event()
    async with house(ScriptedProvider("a", stream(gate, *HELLO))) as home, wired(home) as wire:
        await wire.create()
        await wire.send(type="response.steer", previous_response_id="resp_1", input="more")
        assert (await wire.receive())["type"] == "response.steer.failed"
        gate.set()
        assert (await wire.turn())[-1]["type"] == "response.completed"


async def test_a_warm_up_asks_no_upstream() -> None:
    provider = hello()
    async with house(provider) as home, wired(home) as wire:
        last = await wire.ask(generate=False)
        assert (last["type"], last["response"]["output"]) == ("response.completed", [])
        assert last["response"]["id"].startswith("resp_")
        assert provider.client.requests == []


async def test_more_requests_than_the_server_takes_are_refused() -> None:
    gate = asyncio.Event()
    async with house(ScriptedProvider("a", stream(gate, *HELLO)), max_requests=1) as home, wired(home) as wire:
        await wire.create()
        assert (await wire.ask(stream_id="b"))["status"] == 503
        gate.set()
        await wire.turn()


async def test_too_much_that_waits_is_refused() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(gate, *HELLO))
    async with house(provider) as home, wired(home) as wire:
        await wire.create()
        await until(lambda: provider.client.requests)
        for _ in range(65):
            await wire.create()
        assert (await wire.turn())[-1]["status"] == 429
        for number in range(31):
            await wire.create(stream_id=str(number))
        await wire.create(stream_id="one-more")
        assert (await wire.turn("one-more"))[-1]["status"] == 429


# --- size and compression


@pytest.mark.parametrize("compress", [0, 15])
async def test_a_message_that_is_too_large_is_told_and_the_connection_closed(compress: int) -> None:
    async with house(hello(), max_body=100_000) as home, wired(home, compress=compress) as wire:
        await wire.create(input="x" * 90_000)
        assert (await wire.turn())[-1]["type"] == "response.completed"
        await wire.create(input=os.urandom(2_000_000).hex())
        error = await wire.receive()
        assert (error["status"], error["error"]["code"]) == (413, "request_too_large")
        assert await wire.closed() == 1009


async def test_a_message_that_grows_too_large_when_it_is_unpacked_is_refused() -> None:
    async with house(hello(), max_body=100_000) as home, wired(home, compress=15) as wire:
        await wire.create(input="x" * 10_000_000)
        assert (await wire.receive())["status"] == 413
        assert await wire.closed() == 1009


@pytest.mark.parametrize("compress", [0, 15])
async def test_large_events_are_compressed_where_the_client_can_undo_it(compress: int) -> None:
    async with house(ScriptedProvider("a", stream(chunk(content="river " * 2000), finish()))) as home:
        async with wired(home, compress=compress) as wire:
            deflater = next(iter(home.app._websockets._connections))._frames._deflater
            assert (deflater is not None) == bool(compress)
            for _ in range(3):
                last = await wire.ask()
                assert last["response"]["output"][0]["content"][0]["text"] == "river " * 2000
            assert deflater is None or deflater._stream is not None


# --- flow


async def test_a_delta_leaves_in_the_turn_in_which_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstream's bytes go in by callback; the client's frames are with the kernel when the callback returns."""
    written: list[int] = []
    plain = Frames.texts
    monkeypatch.setattr(Frames, "texts", lambda self, messages: (written.append(1), plain(self, messages))[1])
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(gate, chunk(content="a"), chunk(content="b"), finish()))
    async with house(provider) as home, wired(home) as wire:
        await wire.create()
        async with asyncio.timeout(WAIT_S):
            await provider.client.answered.wait()
        run = next(iter(home.pipeline.running))
        await until(lambda: run._attempts.pump is not None)
        pump = run._attempts.pump
        assert pump is not None
        for data in (chunk(content="a"), chunk(content="b")):
            before = len(written)
            pump._on_data(data)
            assert len(written) > before
        gate.set()
        await wire.turn()


async def test_a_client_that_does_not_read_pauses_every_lane_and_later_gets_all() -> None:
    pieces = [chunk(content="x" * 5000)] * 1000
    provider = ScriptedProvider("a", stream(*pieces, finish()))
    async with house(provider) as home, wired(home) as wire:
        wire.ws._reader._protocol.pause_reading()
        await wire.create(stream_id="a")
        await wire.create(stream_id="b")
        await until(lambda: len(provider.client.responses) == 2 and all(r.paused for r in provider.client.responses))
        wire.ws._reader._protocol.resume_reading()
        for lane in ("a", "b"):
            events = await wire.turn(lane)
            assert sum(len(e["delta"]) for e in events if e["type"] == "response.output_text.delta") == 5_000_000


async def test_what_is_asked_by_a_client_that_does_not_read_waits() -> None:
    """Each bad message is answered; the answers that nobody reads must not fill the memory."""
    async with house(hello()) as home, bare(home) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        connection = next(iter(home.app._websockets._connections))
        writer.write(b"\x81\x81\0\0\0\0{" * 200_000)
        await until(lambda: connection._frames.paused)
        told = -1
        while told != len(home.watcher.ended):  # what had been read before is still answered
            told = len(home.watcher.ended)
            await asyncio.sleep(0.02)
        assert told < 100_000
        transport = connection._connection.transport
        assert transport is not None
        assert transport.get_write_buffer_size() < 200_000


# --- pings


async def test_a_client_that_answers_no_ping_is_dropped() -> None:
    async with house(hello(), keepalive_s=0.01) as home, bare(home) as (reader, _):
        assert await reader.read() == b"\x89\x00" * 8


async def test_a_client_that_answers_pings_stays_and_so_does_one_that_only_sends() -> None:
    async with house(hello(), keepalive_s=0.01) as home:
        async with wired(home) as wire:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await wire.ws.receive()
            assert (await wire.ask())["type"] == "response.completed"
        async with bare(home) as (reader, writer):
            pings = 0
            while pings < 20:
                data = await reader.read(100)
                assert data
                pings += data.count(b"\x89\x00")
                writer.write(b"\x8a\x80\0\0\0\0")


async def test_without_a_keep_alive_there_are_no_pings() -> None:
    async with house(hello(), keepalive_s=0) as home, bare(home) as (reader, writer):
        writer.write(b"\x89\x81\0\0\0\0x")
        assert await reader.readexactly(3) == b"\x8a\x01x"
        assert next(iter(home.app._websockets._connections))._beats is None


# --- the end


async def test_a_connection_has_its_time() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="x"), gate))
    async with house(provider, websocket_s=0.15) as home, wired(home) as wire:
        await wire.create()
        error = (await wire.turn())[-1]
        assert (error["type"], error["status"]) == ("error", 400)
        assert error["error"]["code"] == "websocket_connection_limit_reached"
        assert await wire.closed() == 1001
        assert (await home.settled()).outcome == "cancelled"
        assert provider.client.responses[0].closed.is_set()
        await home.app._websockets.closed()


@pytest.mark.parametrize("how", ["close frame", "reset", "no close frame"])
async def test_a_client_that_leaves_ends_what_runs(how: str) -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="x"), gate))
    async with house(provider) as home, wired(home) as wire:
        for lane in ("a", "b"):
            await wire.create(stream_id=lane)
        await wire.create(stream_id="b")
        await until(lambda: len(provider.client.responses) == 2)
        connection = wire.ws._response.connection
        assert connection is not None
        assert connection.transport is not None
        if how == "close frame":
            await wire.ws.close()
        elif how == "reset":
            connection.transport.abort()
        else:
            connection.transport.close()
        await home.settled(2)
        assert [one.outcome for one in home.watcher.ended] == ["cancelled"] * 2
        assert all(response.closed.is_set() for response in provider.client.responses)
        async with asyncio.timeout(WAIT_S):
            await home.app._websockets.closed()
        assert home.pipeline.running == set()
        assert home.app._running.count == 0
        assert home.app._websockets._room.bytes == 0


async def test_a_frame_that_is_none_ends_the_connection() -> None:
    async with house(hello()) as home, bare(home) as (reader, writer):
        writer.write(b"\x83\x80\0\0\0\0")  # an opcode that does not exist
        assert (await reader.read())[:4] == b"\x88\x02" + (1002).to_bytes(2, "big")
        await home.app._websockets.closed()


async def test_a_client_may_send_right_behind_its_upgrade() -> None:
    async with house(hello()) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        message = json.dumps({"type": "response.create", "model": "m", "input": "hi"}).encode()
        assert len(message) < 126
        writer.write(
            b"GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            + bytes((0x81, 0x80 | len(message)))
            + b"\0\0\0\0"
            + message
        )
        async with asyncio.timeout(WAIT_S):
            await reader.readuntil(b"response.completed")
        writer.close()


async def test_compression_is_agreed_on_as_the_client_offers_it() -> None:
    async with house(ScriptedProvider("a", stream(chunk(content="river " * 2000), finish()))) as home:
        url = f"http://127.0.0.1:{home.port}/v1/responses"
        offer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10"
        async with home.session.ws_connect(url, headers={"sec-websocket-extensions": offer}) as ws:
            agreed = ws._response.headers["sec-websocket-extensions"]
            assert "server_no_context_takeover" in agreed
            frames = next(iter(home.app._websockets._connections))._frames
            assert frames._deflater is not None
            packed = frames._deflater.pack(b"river " * 500)
            assert zlib.decompressobj(-10).decompress(packed + b"\0\0\xff\xff") == b"river " * 500
