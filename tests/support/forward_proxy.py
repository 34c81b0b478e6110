"""A tiny forward proxy: CONNECT for https, the absolute form for http, and Basic authentication if wanted."""

from __future__ import annotations

import asyncio
import base64
from typing import Self


class ForwardProxy:
    """Listens on the loopback; `lines` are the request lines it got, `gone` counts clients that closed."""

    def __init__(self, *, user: str | None = None, password: str = "", answer: bytes | None = None) -> None:
        self.lines: list[str] = []
        self.heads: list[bytes] = []
        self.port = 0
        self._answer = answer
        self._wanted = None if user is None else base64.b64encode(f"{user}:{password}".encode()).decode()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        try:
            await self._forward(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        line = head.partition(b"\r\n")[0].decode()
        self.lines.append(line)
        if self._answer is not None:
            writer.write(self._answer)
            await writer.drain()
            return
        if self._wanted is not None and f"basic {self._wanted}".lower().encode() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return
        method, target, _ = line.split(" ")
        address = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = address.rpartition(":")
        up_reader, up_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        self._writers.append(up_writer)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            up_writer.write(head.replace(target.encode(), ("/" + target.split("/", 3)[3]).encode(), 1))
        await asyncio.gather(_copy(reader, up_writer), _copy(up_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes bytes on, and the end of the connection, whichever way it comes."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.transport.abort() if not writer.transport.get_write_buffer_size() else writer.close()
