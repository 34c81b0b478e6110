"""A fake upstream that says and does exactly what a test tells it to, byte by byte.

A script is a coroutine over one connection (a `Peer`): it waits for the request, sends raw bytes, stalls, resets. The
upstream keeps all its peers, so that a test can ask afterwards what each one got and whether it was closed.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self

from proxy.upstream.client import Timeouts, UpstreamRequest

Script = Callable[["Peer"], Awaitable[None]]

SOON = 1.0
"""Seconds within which a connection must be closed once nobody wants it."""

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Peer(asyncio.Protocol):
    """One connection, from the upstream's side. `gone` is set when the other side has closed it."""

    def __init__(self, upstream: HostileUpstream) -> None:
        self.received = bytearray()
        self.sent = 0
        self.lost = False
        self.gone = asyncio.Event()
        self.reached = asyncio.Event()  # for scripts to say how far they are
        self._upstream = upstream
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._cue = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._upstream.peers.append(self)
        self._upstream.arrived.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._upstream.script(self)
        except (ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:
            self._upstream.faults.append(error)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._more.set()

    def eof_received(self) -> bool:
        self._left()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._left()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _left(self) -> None:
        self.gone.set()
        self._more.set()
        self._writable.set()
        self._cue.set()

    async def request(self) -> bytes:
        """Waits for one whole request, takes it out of `received` and returns it."""
        while (size := self._request_size()) is None:
            await self._wait()
        request = bytes(self.received[:size])
        del self.received[:size]
        return request

    async def head(self) -> bytes:
        """Waits for the head of a request alone."""
        while b"\r\n\r\n" not in self.received:
            await self._wait()
        return bytes(self.received.partition(b"\r\n\r\n")[0])

    async def _wait(self) -> None:
        if self.gone.is_set():
            raise ConnectionResetError("the other side has gone")
        self._more.clear()
        await self._more.wait()

    def _request_size(self) -> int | None:
        head, mark, body = self.received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        size = int(length[1]) if length else 0
        return len(head) + 4 + size if mark and len(body) >= size else None

    async def send(self, data: bytes) -> None:
        """Sends and waits until the other side takes it; raises ConnectionResetError when it has gone."""
        if self.gone.is_set():
            raise ConnectionResetError("the other side has gone")
        self.transport.write(data)
        self.sent += len(data)
        await self._writable.wait()

    async def trickle(self, data: bytes) -> None:
        """Sends one byte at a time, each in a packet and a turn of its own."""
        for i in range(len(data)):
            await self.send(data[i : i + 1])
            await asyncio.sleep(0)

    async def send_forever(self, data: bytes) -> None:
        """Sends the same again and again until the other side has gone."""
        while True:
            await self.send(data)
            await asyncio.sleep(0)

    async def cue(self) -> None:
        """Waits until the test says `go`."""
        await self._cue.wait()
        self._cue.clear()

    def go(self) -> None:
        """Lets the script go on that waits for its cue."""
        self._cue.set()

    @property
    def blocked(self) -> bool:
        """Whether the other side does not take what is sent."""
        return not self._writable.is_set()

    async def stall(self) -> None:
        """Does nothing until the other side has gone."""
        await self.gone.wait()

    def stop_reading(self) -> None:
        """Takes no more of the request."""
        self.transport.pause_reading()

    def close(self) -> None:
        """Closes in order, after what was sent."""
        self.transport.close()

    def end(self) -> None:
        """Says that no more is sent, and keeps the connection."""
        self.transport.write_eof()

    def reset(self) -> None:
        """Cuts the connection by RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def was_closed(self) -> bool:
        """Returns whether the other side closed the connection within a second."""
        try:
            await asyncio.wait_for(self.gone.wait(), SOON)
        except TimeoutError:
            return False
        return True


class HostileUpstream:
    """A server on the loopback whose every connection runs the script; use it with `async with`."""

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        send_buffer: int | None = None,
    ) -> None:
        self.script = script
        self.peers: list[Peer] = []
        self.arrived = asyncio.Event()
        self.faults: list[Exception] = []
        self.port = 0
        self.host = host
        self._tls = tls
        self._send_buffer = send_buffer

    async def __aenter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # With the protocol named, the event loop turns Nagle's algorithm off on accepted connections.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._send_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        sock.bind((self.host, self.port))
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Peer(self), sock=sock, ssl=self._tls)
        self.port = sock.getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for peer in self.peers:
            if not peer.lost:  # a transport that has ended cannot be aborted any more
                peer.transport.abort()
            if peer._task is not None:
                peer._task.cancel()
        await asyncio.sleep(0)
        assert not self.faults, self.faults

    @property
    def origin(self) -> str:
        """`scheme://host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def url(self, host: str | None = None) -> str:
        """The address to ask, by another name of the host if one is given."""
        origin = self.origin if host is None else self.origin.replace(self.host, host)
        return origin + "/v1/chat/completions"

    async def peer(self, index: int = 0) -> Peer:
        """Waits for the connection of that number."""
        async with asyncio.timeout(5):
            while len(self.peers) <= index:
                self.arrived.clear()
                await self.arrived.wait()
        return self.peers[index]


def answering(*answers: bytes) -> Script:
    """A script: for each request, the next of the answers; then the connection stays open."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.request()
            await peer.send(answer)
        await peer.stall()

    return script


def closing(answer: bytes) -> Script:
    """A script: one answer, then the end of the connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        peer.close()

    return script


def fixed(body: bytes, *, status: int = 200, headers: str = "") -> bytes:
    """An answer with a Content-Length. `headers` are whole lines."""
    return f"HTTP/1.1 {status} Some\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


def chunked(*pieces: bytes, headers: str = "", end: bytes = b"0\r\n\r\n") -> bytes:
    """An answer in chunks."""
    head = f"HTTP/1.1 200 OK\r\n{headers}transfer-encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


class Sink:
    """A reader that notes what it is told: `data` in pieces, `ends` (one error or None each)."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.data: list[bytes] = []
        self.ends: list[Exception | None] = []
        self.over = asyncio.Event()
        self.came = asyncio.Event()

    def on_data(self, data: bytes) -> None:
        self.data.append(data)
        self.came.set()

    def on_end(self, error: Exception | None) -> None:
        self.ends.append(error)
        self.over.set()

    def start(self) -> Self:
        """Begins to read."""
        self.response.stream(self.on_data, self.on_end)
        return self

    async def finish(self) -> bytes:
        """Waits for the end; returns the body, or raises what it ended with."""
        async with asyncio.timeout(10):
            await self.over.wait()
        assert len(self.ends) == 1
        if self.ends[0] is not None:
            raise self.ends[0]
        return self.body

    async def first(self) -> bytes:
        """Waits until something has come."""
        async with asyncio.timeout(10):
            await self.came.wait()
        return self.body

    @property
    def body(self) -> bytes:
        """What has come so far."""
        return b"".join(self.data)


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits for a condition that no event tells of; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


def open_files() -> int:
    """Returns how many files and sockets this process has open."""
    return len(os.listdir("/proc/self/fd"))


PATIENT = Timeouts(connect=5, pool=5, first_byte=5, idle=5, total=20)
"""Limits that no test should reach."""


def post(upstream: HostileUpstream, body: bytes = b"{}", **headers: str) -> UpstreamRequest:
    """Returns a request to the upstream."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return UpstreamRequest(method="POST", url=upstream.url(), headers=named, body=body)
