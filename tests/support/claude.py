"""A fake Claude on a real socket: checks every request strictly, and says its turns in order, streamed or whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from proxy.config.loader import load_text
from proxy.providers.anthropic.provider import Anthropic
from proxy.providers.provider import Deployment
from proxy.stores.memory import MemoryStore
from stages.route import Route, RouteConfig
from tests.support import messages as wire
from tests.support.hostile import HostileUpstream, Peer, Script, chunked, fixed
from tests.support.house import House, house
from tests.support.strict_messages import check

SSE = "content-type: text/event-stream\r\n"
JSON = "content-type: application/json\r\n"

Turn = list[dict[str, Any]] | tuple[int, dict[str, Any], str]
"""Content blocks to answer with, or an error: status, error object, more headers."""


class Claude(HostileUpstream):
    """Answers with its turns in order, the last one again and again, and keeps the requests it got."""

    def __init__(self, *turns: Turn) -> None:
        super().__init__(self._talk)
        self.turns = list(turns)
        self.requests: list[dict[str, Any]] = []
        self.heads: list[bytes] = []

    async def _talk(self, peer: Peer) -> None:
        while True:
            head, _, body = (await peer.request()).partition(b"\r\n\r\n")
            assert head.startswith(b"POST /v1/messages HTTP/1.1"), head
            self.heads.append(head.lower())
            self.requests.append(check(body))
            turn = self.turns[min(len(self.requests), len(self.turns)) - 1]
            if isinstance(turn, tuple):
                status, error, headers = turn
                said = json.dumps({"type": "error", "error": error, "request_id": "r"}).encode()
                await peer.send(fixed(said, status=status, headers=JSON + headers))
            elif self.requests[-1].get("stream"):
                await peer.send(chunked(*streamed(turn), headers=SSE))
            else:
                await peer.send(fixed(wire.answer(*turn, reason=reason(turn)), headers=JSON))


def reason(turn: list[dict[str, Any]]) -> str:
    """Returns why a turn ends."""
    return "tool_use" if any(block["type"] == "tool_use" for block in turn) else "end_turn"


def streamed(turn: list[dict[str, Any]]) -> list[bytes]:
    """Returns the events of a turn, in pieces as they would be read."""
    parts = [wire.start()]
    for index, block in enumerate(turn):
        if block["type"] == "text":
            half = len(block["text"]) // 2
            parts.append(wire.text(index, block["text"][:half], block["text"][half:]))
        elif block["type"] == "thinking":
            parts.append(wire.thinking(index, block["thinking"], signature=block["signature"]))
        elif block["type"] == "tool_use":
            arguments = json.dumps(block["input"])
            parts.append(wire.tool(index, block["id"], block["name"], arguments[:3], arguments[3:]))
        else:
            parts.append(wire.opened(index, **block) + wire.closed(index))
    return [*parts, wire.end(reason(turn))]


@asynccontextmanager
async def behind(
    *scripts: Script, retries: int = 0, model: str = "claude-opus-5", settings: str = "", kept: bool = False
) -> AsyncIterator[tuple[House, list[HostileUpstream]]]:
    """Runs a server in front of scripted upstreams `u0`, `u1`... whose model is the same."""
    async with _started([HostileUpstream(script) for script in scripts], retries, model, settings, kept) as running:
        yield running


@asynccontextmanager
async def claude(
    *turns: Turn, retries: int = 0, model: str = "claude-opus-5", settings: str = "", kept: bool = False
) -> AsyncIterator[tuple[House, Claude]]:
    """Runs a server, with a store if it keeps responses, in front of a fake Claude."""
    upstream = Claude(*turns)
    async with _started([upstream], retries, model, settings, kept) as (home, _):
        yield home, upstream


@asynccontextmanager
async def _started(
    upstreams: list[Any], retries: int, model: str, settings: str, kept: bool
) -> AsyncIterator[tuple[House, list[Any]]]:
    for upstream in upstreams:
        await upstream.__aenter__()
    try:
        providers = [_provider(f"u{at}", upstream.origin, model, settings) for at, upstream in enumerate(upstreams)]
        store = MemoryStore() if kept else None
        table = _models(providers, model)
        async with house(*providers, route=Route(RouteConfig(retries=retries)), models=table, store=store) as home:
            yield home, upstreams
    finally:
        for upstream in upstreams:
            await upstream.__aexit__()


def _provider(name: str, origin: str, model: str, settings: str) -> Anthropic:
    file = f"upstreams: {{{name}: {{kind: anthropic, base_url: {origin}, api_key: sk-ant-planted123456{settings}}}}}\n"
    config = load_text(f"{file}models: {{m: [{name}/{model}]}}\npipeline: [route, stream-translate]\n", "test")
    return Anthropic(name, config.upstreams[name].config)  # type: ignore[arg-type]


def _models(providers: list[Anthropic], model: str) -> dict[str, Any]:
    return {"m": [Deployment(one, model, 1000.0**-at) for at, one in enumerate(providers)]}
