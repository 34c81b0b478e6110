"""The bytes of a streamed answer on the wire."""

from __future__ import annotations

import asyncio

import pytest

from proxy.server.stream import EventStream
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream


def unchunk(data: bytes) -> list[bytes]:
    """Returns the chunks of a body in chunked coding, the last and empty one left out."""
    chunks = []
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        if length:
            chunks.append(rest[:length])
        data = rest[length + 2 :]
    return chunks


async def test_each_chunk_holds_whole_events() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="a"), chunk(content="b"), finish()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
    chunks = unchunk(body)
    assert all(one.endswith(b"\n\n") for one in chunks)
    assert all(one.startswith((b"event: ", b"data: [DONE]")) for one in chunks)
    assert b"content-length" not in head.lower()


async def test_the_headers_keep_proxies_from_holding_a_stream_back() -> None:
    async with house(ScriptedProvider("a", stream(chunk(content="a"), finish()))) as home:
        _, headers, _ = await home.ask(stream=True)
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["server"] == "penstock"
    assert "content-encoding" not in headers


async def test_a_client_that_asks_to_close_is_closed() -> None:
    async with house(ScriptedProvider("a", stream(chunk(content="a"), finish()))) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        body = b'{"model":"m","input":"hi","stream":true}'
        writer.write(
            b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        async with asyncio.timeout(5):
            data = await reader.read()
        writer.close()
    assert b"connection: close" in data
    assert data.endswith(b"0\r\n\r\n")


async def test_a_delta_leaves_in_the_turn_in_which_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstream's bytes go in by callback; the client's bytes are with the kernel when the callback returns."""
    written: list[int] = []
    plain, plain_open = EventStream.write, EventStream.open

    def write(self: EventStream, data: bytes) -> None:
        written.append(len(data))
        plain(self, data)

    def open(self: EventStream, headers: dict[str, str], events: bytes = b"") -> None:
        written.append(len(events))
        plain_open(self, headers, events)

    monkeypatch.setattr(EventStream, "write", write)
    monkeypatch.setattr(EventStream, "open", open)
    provider = ScriptedProvider("a", stream(chunk(content="a"), chunk(content="b"), finish()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        seen: list[int] = []
        async with asyncio.timeout(5):
            await provider.client.answered.wait()
            response = provider.client.responses[0]
            steps, response.steps = response.steps, []
            run = next(iter(home.pipeline.running))
            while run._attempts.pump is None:
                await asyncio.sleep(0)
            pump = run._attempts.pump
            assert pump is not None
            for step in steps:
                before = len(written)
                pump._on_data(step)  # type: ignore[arg-type]
                seen.append(len(written) - before)
            await reader.readuntil(b"[DONE]")
        writer.close()
    assert seen == [1] * len(steps)
