"""Pipelines that are called instead of served, and the same ones over HTTP beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import openai

from proxy.inprocess.penstock import Penstock
from proxy.server.app import App
from proxy.server.connection import Server
from tests.support.hostile import HostileUpstream

Result = TypeVar("Result")

ECHO = """\
upstreams: {echo: {kind: echo}}
models: {m: [echo/echo], "echo-*": [echo/echo-*]}
stores: {responses: {kind: memory}}
pipeline: [route, stream-translate]
"""
KEYS = """\
upstreams: {echo: {kind: echo}}
models: {m: [echo/echo]}
stores: {responses: {kind: memory}}
pipeline:
  - auth: {keys: [{id: a, key: the-key-of-alice, owner: alice}, {id: b, key: the-key-of-bob, owner: bob}]}
  - route
  - stream-translate
"""


def file_of(*upstreams: HostileUpstream, retries: int = 0) -> str:
    """Returns a file whose model `m` is served by chat servers, each only when those before it have failed."""
    places = ", ".join(
        f"u{at}: {{kind: openai-compatible, base_url: {one.origin}}}" for at, one in enumerate(upstreams)
    )
    group = ", ".join(f"{{use: u{at}/up, weight: {1000.0**-at:.12f}}}" for at in range(len(upstreams)))
    return (
        f"upstreams: {{{places}}}\nmodels: {{m: [{group}]}}\nstores: {{responses: {{kind: memory}}}}\n"
        f"pipeline: [route: {{retries: {retries}}}, stream-translate]\n"
    )


@asynccontextmanager
async def over_http(penstock: Penstock, **options: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """Serves the very pipeline that the calls of this loop use, too; gives the SDK's client of it."""
    service = await penstock._services.here()
    app = App(service.pipeline, max_body=1 << 20)
    server = Server(app.handle, access_log=None, auto_decompress=False)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        async with openai.AsyncOpenAI(base_url=url, **{"api_key": "k", "max_retries": 0, **options}) as client:
            yield client
    finally:
        listening.close()
        await server.shutdown(1.0)
        await app.close()


async def soon(work: Awaitable[Result], seconds: float = 10.0) -> Result:
    """Returns what is waited for; raises TimeoutError when it takes too long."""
    return await asyncio.wait_for(work, seconds)
