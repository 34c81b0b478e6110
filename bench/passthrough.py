"""What Penstock is measured against: aiohttp's server in front of aiohttp's client, passing bytes on. Its own process.

`python -m bench.passthrough URL` listens on a free port of 127.0.0.1, prints `port N`, and passes every POST to
`URL/chat/completions`. It parses nothing, logs nothing, limits nothing: the least that aiohttp can do.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web

from .ends import until_told

_HEADERS = {"content-type": "application/json"}


class PassThrough:
    """Handles requests by asking one URL."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Passes one request on, and its answer back: a stream read by read, anything else whole."""
        body = await request.read()
        async with self._session.post(self._url, data=body, headers=_HEADERS) as answer:
            kind = answer.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                return web.Response(status=answer.status, body=await answer.read(), headers={"content-type": kind})
            response = web.StreamResponse(status=answer.status, headers={"content-type": kind})
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
            await response.write_eof()
            return response


async def serve(url: str) -> None:
    """Serves until the input is closed."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", PassThrough(session, f"{url}/chat/completions").handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        assert runner.server is not None
        server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0, backlog=4096)
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await until_told()
        server.close()
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
