"""A client of WebSocket mode, over a real socket: sends messages, reads the events of a turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from tests.support.house import House

LAST = ("response.completed", "response.incomplete", "response.failed", "error")
WAIT_S = 5.0


class Wire:
    """One connection. Messages that were read for another lane than the one asked for are kept for theirs."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self._kept: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        """Sends a message."""
        await self.ws.send_str(json.dumps(message))

    async def create(self, **fields: Any) -> None:
        """Asks for a response (model `m`, input `hi` unless said otherwise)."""
        await self.send(**{"type": "response.create", "model": "m", "input": "hi", **fields})

    async def receive(self) -> dict[str, Any]:
        """Returns the next message."""
        async with asyncio.timeout(WAIT_S):
            message = await self.ws.receive()
        assert message.type is WSMsgType.TEXT, message
        found: dict[str, Any] = json.loads(message.data)
        return found

    async def turn(self, lane: str | None = None) -> list[dict[str, Any]]:
        """Returns the events of a lane up to the last of a response, or an error."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] not in LAST:
            mine = next((one for one in self._kept if one.get("stream_id") == lane), None)
            if mine is not None:
                self._kept.remove(mine)
                events.append(mine)
            else:
                self._kept.append(await self.receive())
        return events

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Asks for a response; returns the last message: its final event, or an error."""
        await self.create(**fields)
        return (await self.turn(fields.get("stream_id")))[-1]

    async def closed(self) -> int | None:
        """Waits until the server closes, whatever it still says; returns the code of its close frame."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = await self.ws.receive()
                if message.type is WSMsgType.CLOSE:
                    return int(message.data)
                if message.type in (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                    return self.ws.close_code


@asynccontextmanager
async def wired(home: House, path: str = "/v1/responses", **options: Any) -> AsyncIterator[Wire]:
    """Opens a connection to a running server."""
    url = f"http://127.0.0.1:{home.port}{path}"
    timeout = aiohttp.ClientWSTimeout(ws_close=2)
    async with home.session.ws_connect(url, timeout=timeout, max_msg_size=0, **options) as ws:
        yield Wire(ws)
