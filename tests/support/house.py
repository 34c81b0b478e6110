"""A whole Penstock in process: stages, scripted upstreams, and the real server on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from proxy.exchange import Exchange
from proxy.models import ModelTable
from proxy.pipeline import Pipeline, Settings
from proxy.providers.provider import Deployment, Provider
from proxy.sealing import Sealing
from proxy.server.app import App
from proxy.server.connection import Server
from proxy.stage import Head, ResponseFilter, Stage
from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.conversations import ConversationStore
from proxy.stores.store import ResponseStore
from stages.route import Route
from stages.stream_translate import StreamTranslate


class Watcher(Stage):
    """An observer that notes every exchange, and how often each was ended."""

    name = "watcher"
    observer = True

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[Exchange] = []
        self.began = 0
        self.event = asyncio.Event()

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        self.began += 1
        return _Watch(self)


class _Watch(ResponseFilter):
    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        head.headers["x-watched"] = "yes"

    async def on_end(self, exchange: Exchange) -> None:
        self.watcher.ended.append(exchange)
        self.watcher.event.set()


class House:
    """A running server. `url` is its address with `/v1`; `watcher` saw every exchange."""

    def __init__(
        self, pipeline: Pipeline, app: App, port: int, watcher: Watcher, session: aiohttp.ClientSession
    ) -> None:
        self.pipeline = pipeline
        self.app = app
        self.port = port
        self.watcher = watcher
        self.session = session
        self.url = f"http://127.0.0.1:{port}/v1"
        self.server: Server | None = None

    async def ask(self, path: str = "/responses", **fields: Any) -> tuple[int, dict[str, str], bytes]:
        """Sends a request (model `m`, input `hi` unless said otherwise); returns status, headers, body."""
        body: dict[str, Any] = {"model": "m"}
        body.update({"messages": [{"role": "user", "content": "hi"}]} if "chat" in path else {"input": "hi"})
        body.update(fields)
        async with self.session.post(self.url + path, json=body) as response:
            return (
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
            )

    async def connect(
        self, path: str = "/v1/responses", **fields: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Sends a streamed request over a raw socket, to be dropped or left unread."""
        body = msgspec.json.encode({"model": "m", "input": "hi", "stream": True, **fields})
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)
        writer.write(
            b"POST %b HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), len(body), body)
        )
        await writer.drain()
        return reader, writer

    async def settled(self, count: int = 1) -> Exchange:
        """Waits until so many exchanges have ended; returns the last."""
        async with asyncio.timeout(5):
            while len(self.watcher.ended) < count:
                self.watcher.event.clear()
                await self.watcher.event.wait()
        return self.watcher.ended[-1]


@asynccontextmanager
async def house(
    *providers: Provider,
    stages: Sequence[Stage] = (),
    below: Sequence[Stage] = (),
    route: Route | None = None,
    translate: Stage | None = None,
    models: dict[str, list[Deployment]] | None = None,
    keepalive_s: float = 15.0,
    stalled_s: float = 120.0,
    store: ResponseStore | None = None,
    conversations: ConversationStore | None = None,
    sealing: Sealing | None = None,
    settings: Settings | None = None,
    **options: Any,
) -> AsyncIterator[House]:
    """Runs a server whose model `m` is served by all providers in turn, behind `stages`, route and stream-translate."""
    watcher = Watcher()
    table = models or {"m": [Deployment(one, "up", 1000.0**-at) for at, one in enumerate(providers)]}
    pipeline = Pipeline(
        [watcher, *stages, route or Route(), translate or StreamTranslate(), *below],
        ModelTable(table),
        {one.name: one for one in providers},
        store=store,
        sealing=sealing,
        conversations=conversations or (MemoryConversations() if store is not None else None),
        settings=msgspec.structs.replace(settings or Settings(), keepalive_s=keepalive_s),
    )
    await pipeline.start()
    app = App(pipeline, max_body=options.pop("max_body", 1 << 20), **options)
    server = Server(app.handle, access_log=None, auto_decompress=False, stalled_s=stalled_s)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            home = House(pipeline, app, port, watcher, session)
            home.server = server
            yield home
    finally:
        listening.close()
        await server.shutdown(1.0)
        await app.close()
        await pipeline.close()
