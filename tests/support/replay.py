"""Serves given bytes as an event stream over a real socket, and reads them with the `openai` SDK's accumulator."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
from aiohttp import web
from aiohttp.test_utils import TestServer


@asynccontextmanager
async def replay(raw: bytes, seed: int) -> AsyncIterator[Any]:
    """Gives the SDK's `responses.stream()` of a server that sends the bytes in pieces of random size."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        dice = random.Random(seed)
        start = 0
        while start < len(raw):
            size = dice.choice((1, 7, 300, 5000, 50_000))
            await response.write(raw[start : start + size])
            start += size
        return response

    app = web.Application()
    app.router.add_post("/v1/responses", answer)
    async with TestServer(app) as server:
        client = openai.AsyncOpenAI(base_url=str(server.make_url("/v1")), api_key="k", max_retries=0)
        async with client, client.responses.stream(model="m", input="hi") as stream:
            yield stream


async def collect(stream: Any, seen: list[str]) -> Any:
    """Adds the types of the stream's events to `seen` while they come; returns the last event."""
    async for event in stream:
        seen.append(event.type)
    return event


def without_parsed(value: Any) -> Any:
    """Removes what the SDK adds to a Response."""
    if isinstance(value, dict):
        return {key: without_parsed(entry) for key, entry in value.items() if key not in ("parsed", "parsed_arguments")}
    if isinstance(value, list):
        return [without_parsed(entry) for entry in value]
    return value
