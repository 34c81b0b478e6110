"""An upstream of OpenAI's wire with its other endpoints: takes bodies as they come, and notes what came."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from proxy.config.types import Secret
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.providers.provider import Deployment
from stages.route import Route, RouteConfig
from tests.support.house import House, house

PIECE = bytes(range(256)) * 256  # 64 KiB


class Came(NamedTuple):
    """One request: its method, path with query, headers, and of its body the length, the digest and the beginning."""

    method: str
    path: str
    headers: dict[str, str]
    length: int
    digest: str
    body: bytes


Answer = Callable[[web.BaseRequest, Came], Awaitable[web.StreamResponse]]


class Endpoint:
    """The upstream. `answer` is asked for each answer; `came` holds the requests; `reads` lets it take bodies."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.came: list[Came] = []
        self.begun = asyncio.Event()
        self.broken = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.origin = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Takes one request."""
        self.begun.set()
        digest, length, kept = hashlib.sha256(), 0, b""
        try:
            while data := await request.content.readany():
                await self.reads.wait()
                digest.update(data)
                length += len(data)
                kept = kept if len(kept) > 4096 else kept + data
        except (aiohttp.ClientError, asyncio.CancelledError):
            self.broken.set()
            raise
        headers = {name.lower(): value for name, value in request.headers.items()}
        came = Came(request.method, request.path_qs, headers, length, digest.hexdigest(), kept)
        self.came.append(came)
        return await self.answer(request, came)


@asynccontextmanager
async def endpoint(answer: Answer) -> AsyncIterator[Endpoint]:
    """Runs one on a free port."""
    made = Endpoint(answer)
    runner = web.ServerRunner(web.Server(made.handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def answers(*bodies: Any, status: int = 200, **headers: str) -> Answer:
    """Returns what answers with these JSON bodies (or bytes) in turn, the last one again and again."""
    left = list(bodies)

    async def answer(request: web.BaseRequest, came: Came) -> web.StreamResponse:
        body = left.pop(0) if len(left) > 1 else left[0]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            return web.Response(body=body, status=status, headers=named)
        return web.json_response(body, status=status, headers=named)

    return answer


def upstream(one: Endpoint, name: str = "up", **settings: Any) -> OpenAICompatible:
    """Returns the provider that asks an endpoint."""
    config = OpenAICompatibleConfig(
        **{"base_url": f"{one.origin}/v1", "api_key": Secret("sk-operator", "env:KEY"), **settings}
    )
    return OpenAICompatible(name, config)


@asynccontextmanager
async def passing(*ups: Endpoint, retries: int = 2, **options: Any) -> AsyncIterator[House]:
    """Runs a server whose model `m` is `up-model` of each of the upstreams in turn."""
    providers = [upstream(one, f"up{number}") for number, one in enumerate(ups)]
    models = {"m": [Deployment(one, "up-model", 1000.0**-at) for at, one in enumerate(providers)]}
    settings = options.pop("models", models)
    async with house(*providers, models=settings, route=Route(RouteConfig(retries=retries)), **options) as home:
        yield home
