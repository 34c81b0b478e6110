"""Frames: their bytes, compression, streams as messages, who is told that the client does not read."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

import pytest

from proxy.server.websocket_frames import Deflater, Frames, MessageStream, Unsent


class Socket:
    """A connection in memory."""

    def __init__(self) -> None:
        self.transport: Socket | None = self
        self.writes: list[bytes] = []
        self.writing_paused = False
        self.on_pause: Any = None
        self.on_resume: Any = None

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def pause(self) -> None:
        self.writing_paused = True
        self.on_pause()

    def resume(self) -> None:
        self.writing_paused = False
        self.on_resume()


def frames_on(socket: Socket, deflater: Deflater | None = None) -> Frames:
    """Returns the frames of a connection in memory."""
    return Frames(socket, deflater)  # type: ignore[arg-type]


class Reader:
    """Reads frames back as RFC 6455 has them, compressed ones as RFC 7692 does."""

    def __init__(self, *, takeover: bool = True) -> None:
        self._takeover = takeover
        self._inflater = zlib.decompressobj(-15)

    def read(self, data: bytes) -> list[bytes]:
        found = []
        while data:
            first, size, head = data[0], data[1], 2
            if size == 126:
                size, head = int.from_bytes(data[2:4]), 4
            elif size == 127:
                size, head = int.from_bytes(data[2:10]), 10
            payload, data = data[head : head + size], data[head + size :]
            assert len(payload) == size
            assert first in (0x81, 0xC1)
            found.append(self._inflate(payload) if first == 0xC1 else payload)
        return found

    def _inflate(self, payload: bytes) -> bytes:
        if not self._takeover:
            self._inflater = zlib.decompressobj(-15)
        return self._inflater.decompress(payload + b"\0\0\xff\xff")


SIZES = (0, 1, 125, 126, 127, 65535, 65536, 70000)


def test_messages_of_any_size_are_one_write() -> None:
    socket = Socket()
    messages = [b"x" * size for size in SIZES]
    frames_on(socket).texts(messages)
    assert len(socket.writes) == 1
    assert Reader().read(socket.writes[0]) == messages


def test_nothing_is_not_written() -> None:
    socket = Socket()
    frames_on(socket).texts([])
    assert socket.writes == []


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_compressed_messages_can_be_read(takeover: bool, bits: int) -> None:
    socket = Socket()
    frames = frames_on(socket, Deflater(bits, takeover=takeover))
    messages = [json.dumps({"text": f"word {n} " * 500}).encode() for n in range(20)] + [b"short", b"y" * 2_000_000]
    for message in messages:
        frames.texts([message])
    reader = Reader(takeover=takeover)
    assert [one for data in socket.writes for one in reader.read(data)] == messages
    assert sum(map(len, socket.writes[:20])) < sum(map(len, messages[:20])) / 10
    assert socket.writes[20] == b"\x81\x05short"
    assert len(socket.writes[21]) > 2_000_000


def test_with_takeover_a_message_may_refer_to_the_last() -> None:
    random_like = b"".join(zlib.crc32(b"%d" % n).to_bytes(4) for n in range(200)).hex().encode()
    sizes = []
    for takeover in (True, False):
        deflater = Deflater(15, takeover=takeover)
        deflater.pack(random_like)
        sizes.append(len(deflater.pack(random_like)))
    assert sizes[0] < sizes[1] / 4


def test_what_is_written_after_the_end_is_dropped() -> None:
    socket = Socket()
    frames = frames_on(socket)
    frames.ping()
    assert socket.writes == [b"\x89\x00"]
    frames.closed = True
    frames.texts([b"x"])
    frames.ping()
    frames.closed = False
    socket.transport = None
    frames.texts([b"x"])
    frames.ping()
    assert len(socket.writes) == 1


EVENTS = b'event: a\ndata: {"type":"a","n":1}\n\nevent: b\ndata: {"type":"b","s":"\\n\\n"}\n\n'


def test_a_stream_is_one_message_an_event_in_one_write() -> None:
    socket = Socket()
    stream = MessageStream(frames_on(socket), "lane-1")
    assert not stream.opened
    stream.open({"x": "y"})
    assert stream.opened
    stream.write(EVENTS)
    stream.finish()
    (data,) = socket.writes
    assert [json.loads(one) for one in Reader().read(data)] == [
        {"type": "a", "n": 1, "stream_id": "lane-1"},
        {"type": "b", "s": "\n\n", "stream_id": "lane-1"},
    ]


def test_without_a_lane_the_events_are_as_they_were() -> None:
    socket = Socket()
    MessageStream(frames_on(socket), None).write(EVENTS)
    assert Reader().read(socket.writes[0]) == [b'{"type":"a","n":1}', b'{"type":"b","s":"\\n\\n"}']


def test_the_marker_of_the_end_is_no_message() -> None:
    socket = Socket()
    MessageStream(frames_on(socket), None).write(EVENTS + b"data: [DONE]\n\n")
    MessageStream(frames_on(socket), None).write(b": comment\n\ndata: [DONE]\n\n")
    assert len(socket.writes) == 1
    assert b"DONE" not in socket.writes[0]


def test_the_error_in_front_of_a_failed_end_is_left_out() -> None:
    socket = Socket()
    failed = (
        b'event: error\ndata: {"type":"error","n":1}\n\nevent: response.failed\ndata: {"type":"response.failed"}\n\n'
    )
    MessageStream(frames_on(socket), None).write(failed)
    assert Reader().read(socket.writes[0]) == [b'{"type":"response.failed"}']


def test_every_stream_is_told_that_the_client_does_not_read() -> None:
    socket = Socket()
    frames = frames_on(socket)
    told: list[str] = []
    one, two = MessageStream(frames, "1"), MessageStream(frames, "2")
    one.on_flow(lambda: told.append("pause 1"), lambda: told.append("resume 1"))
    two.on_flow(lambda: told.append("pause 2"), lambda: told.append("resume 2"))
    socket.pause()
    assert one.paused
    assert frames.paused
    two.on_flow(None, None)
    socket.resume()
    assert sorted(told[:2]) == ["pause 1", "pause 2"]
    assert told[2:] == ["resume 1"]


async def test_it_waits_until_the_client_reads() -> None:
    socket = Socket()
    frames = frames_on(socket)
    async with asyncio.timeout(1):
        await frames.writable()
    socket.pause()
    waiting = asyncio.ensure_future(frames.writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    socket.resume()
    async with asyncio.timeout(1):
        await waiting


def test_where_no_stream_was_asked_for_there_is_none() -> None:
    stream = Unsent()
    stream.open({})
    stream.write(b"x")
    stream.on_flow(None, None)
    stream.finish()
    assert (stream.opened, stream.paused) == (False, False)
