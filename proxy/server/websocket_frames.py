"""Writes the frames of one WebSocket, each in the turn of the loop in which its message was made.

aiohttp reads the frames, answers pings and closes; its own writing of messages is by coroutines, of which large ones
wait for a thread. Here all messages of one upstream read go out in one write (RFC 6455, section 5; RFC 7692 for the
compressed ones).
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Callable, Iterable

from ..api.responses.event_writer import payloads
from .connection import Connection
from .websocket_messages import lane_tail

_TEXT = 0x81
_COMPRESSED_TEXT = 0xC1
_ERROR = b"event: error\n"
_PING = b"\x89\x00"
_medium = struct.Struct("!BBH").pack
_large = struct.Struct("!BBQ").pack
_COMPRESS_FROM = 1024
_COMPRESS_TO = 1024 * 1024
_WINDOW_BITS = 12
_MEMORY_LEVEL = 5


class Deflater:
    """Compresses messages for a client that has said it can undo that, in 32 kB of memory.

    A smaller window than the client allows can always be read. With `takeover` a message may refer to earlier ones.
    """

    def __init__(self, window_bits: int, *, takeover: bool) -> None:
        self._window_bits = min(window_bits, _WINDOW_BITS)
        self._flush = zlib.Z_SYNC_FLUSH if takeover else zlib.Z_FULL_FLUSH
        self._stream: zlib._Compress | None = None

    def pack(self, message: bytes) -> bytes:
        """Returns a message as the payload of a compressed frame."""
        if self._stream is None:
            self._stream = zlib.compressobj(1, zlib.DEFLATED, -self._window_bits, _MEMORY_LEVEL)
        return (self._stream.compress(message) + self._stream.flush(self._flush))[:-4]


class Frames:
    """The client's side of one WebSocket. Once `closed`, or when the client has gone, what is written is dropped.

    Deltas are small and go as they are: a few bytes on the way cost less than compressing them. Very large messages
    would hold up all others of this process meanwhile.
    """

    def __init__(self, connection: Connection, deflater: Deflater | None = None) -> None:
        self._connection = connection
        self._deflater = deflater
        self._streams: set[MessageStream] = set()
        self._reads = asyncio.Event()
        self.closed = False
        connection.on_pause = self._pause
        connection.on_resume = self._resume

    @property
    def paused(self) -> bool:
        """True while the client does not read what was written."""
        return self._connection.writing_paused

    def texts(self, messages: Iterable[bytes]) -> None:
        """Sends text messages, in one write. Hot: once a read."""
        transport = self._connection.transport
        if transport is None or self.closed:
            return
        pieces: list[bytes] = []
        for message in messages:
            first = _TEXT
            if self._deflater is not None and _COMPRESS_FROM <= len(message) <= _COMPRESS_TO:
                message = self._deflater.pack(message)
                first = _COMPRESSED_TEXT
            size = len(message)
            if size < 126:
                pieces.append(bytes((first, size)))
            elif size < 65536:
                pieces.append(_medium(first, 126, size))
            else:
                pieces.append(_large(first, 127, size))
            pieces.append(message)
        if pieces:
            transport.write(b"".join(pieces))

    def ping(self) -> None:
        """Asks the client for a sign of life."""
        transport = self._connection.transport
        if transport is not None and not self.closed:
            transport.write(_PING)

    async def writable(self) -> None:
        """Waits until the client reads."""
        while self.paused:
            self._reads.clear()
            await self._reads.wait()

    def add(self, stream: MessageStream) -> None:
        """Tells a stream from now on when the client stops and starts reading."""
        self._streams.add(stream)

    def discard(self, stream: MessageStream) -> None:
        """Tells a stream nothing more."""
        self._streams.discard(stream)

    def _pause(self) -> None:
        for stream in tuple(self._streams):
            if stream.pause is not None:
                stream.pause()

    def _resume(self) -> None:
        self._reads.set()
        for stream in tuple(self._streams):
            if stream.resume is not None:
                stream.resume()


class MessageStream:
    """One response as messages of a lane. Implements the engine's ClientStream.

    It has no head: what HTTP says in headers is not told. There is no comment either, pings keep the connection alive.
    """

    __slots__ = ("_frames", "_tail", "opened", "pause", "resume")

    send: Callable[[bytes], None] | None = None

    def __init__(self, frames: Frames, lane: str | None) -> None:
        self._frames = frames
        self._tail = lane_tail(lane)
        self.opened = False
        self.pause: Callable[[], None] | None = None
        self.resume: Callable[[], None] | None = None

    @property
    def paused(self) -> bool:
        """True while the client does not read what was written."""
        return self._frames.paused

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Takes note that the answer is a stream."""
        self.opened = True
        if events:
            self.write(events)

    def write(self, data: bytes) -> None:
        """Sends whole events, each as one message, at once. Hot: once a read.

        The marker of a stream's end is no message. Neither is the error event in front of a failed end: readers take
        an error for the end of the turn, and would book what comes behind it on the next one.
        """
        messages = payloads(data)
        if _ERROR in data:
            messages = [message for message in messages if not message.startswith(b'{"type":"error",')]
        if self._tail:
            messages = [message[:-1] + self._tail for message in messages]
        self._frames.texts(messages)

    def finish(self) -> None:
        """Does nothing: the connection goes on."""

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Says what to call when the client stops and starts reading."""
        self.pause, self.resume = pause, resume
        if pause is None and resume is None:
            self._frames.discard(self)
        else:
            self._frames.add(self)


class Unsent:
    """The stream of an exchange that is answered by HTTP alone. Implements the engine's ClientStream."""

    opened = False
    paused = False

    send: Callable[[bytes], None] | None = None

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Does nothing: no stream was asked for."""

    def write(self, data: bytes) -> None:
        """Does nothing."""

    def finish(self) -> None:
        """Does nothing."""

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Does nothing."""
