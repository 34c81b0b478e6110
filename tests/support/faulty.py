"""An upstream that answers as the model's name says, and exchanges of every kind with it, faults and leavers too."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.house import House

_JSON = {"content-type": "application/json"}
_CHUNK = 'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
_END = (
    'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\ndata: [DONE]\n\n'
)
_WHOLE = {
    "id": "c",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "word"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


async def _answer(request: web.Request) -> web.StreamResponse:
    asked = json.loads(await request.read())
    how = asked["model"]
    if how == "refuses":  # and repeats what it was sent
        told = f"Incorrect key: {request.headers.get('authorization')}, in {request.url}"
        return web.json_response({"error": {"message": told, "type": "server_error"}}, status=500)
    if request.path.endswith("/embeddings"):
        return web.json_response({"data": [], "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    if not asked.get("stream"):
        return web.json_response(_WHOLE)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    await response.write((_CHUNK * 3).encode())
    if how == "cuts":
        assert request.transport is not None
        request.transport.abort()
    elif how == "stalls":
        await asyncio.sleep(3600)  # until the other side leaves
    else:
        await response.write(_END.encode())
    return response


@asynccontextmanager
async def faulty_upstream() -> AsyncIterator[str]:
    """Runs the upstream; its models are `ok`, `refuses`, `cuts` and `stalls`. Yields its URL with `/v1`."""
    application = web.Application()
    for path in ("/v1/chat/completions", "/v1/embeddings"):
        application.router.add_post(path, _answer)
    server = TestServer(application, handler_cancellation=True)
    await server.start_server()
    try:
        yield str(server.make_url("/v1"))
    finally:
        await server.close()


async def _leave(home: House, number: int) -> None:
    reader, writer = await home.connect(model="stalls", user=f"leaver-{number}")
    await reader.readuntil(b'"delta":"word "')
    writer.transport.abort()


async def _garbage(home: House) -> None:
    async with home.session.post(f"{home.url}/responses", data=b'{"model": ', headers=_JSON) as response:
        assert response.status == 400


async def _cut(home: House, path: str) -> None:
    with contextlib.suppress(aiohttp.ClientError):  # what is passed on as it is ends as it does upstream
        await home.ask(path, model="cuts", stream=True)


async def mixed(home: House, count: int) -> None:
    """Makes so many exchanges, eleven kinds in turn, twenty at a time."""
    kinds = [
        lambda number: home.ask(model="ok", stream=True),
        lambda number: home.ask(model="ok"),
        lambda number: home.ask("/chat/completions", model="ok", stream=True),
        lambda number: home.ask("/chat/completions", model="ok"),
        lambda number: home.ask("/embeddings", model="ok"),
        lambda number: home.ask(model="refuses"),
        lambda number: home.ask(model="no-such-model"),
        lambda number: home.ask("/embeddings", model="refuses"),
        lambda number: _cut(home, ("/responses", "/chat/completions")[number % 2]),
        lambda number: _garbage(home),
        lambda number: _leave(home, number),
    ]
    limit = asyncio.Semaphore(20)

    async def one(number: int) -> None:
        async with limit:
            await kinds[number % len(kinds)](number)

    await asyncio.gather(*map(one, range(count)))
