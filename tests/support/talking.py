"""A server with a store in front of a chat server that says its turns in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

from proxy.config.loader import load_text
from proxy.exchange import Exchange, Key
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.stage import Stage
from proxy.stores.conversations import ConversationStore
from proxy.stores.memory import MemoryStore
from proxy.stores.store import ResponseStore
from tests.support.hostile import HostileUpstream, Peer, chunked, fixed
from tests.support.house import House, house
from tests.support.scripted import chunk, events_of, finish

SSE = "content-type: text/event-stream\r\n"
JSON = "content-type: application/json\r\n"


class Says(Stage):
    """Takes the key's owner from a header, for tests of who may see what."""

    name = "says"
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ("key",)

    async def on_request(self, exchange: Exchange) -> None:
        owner = exchange.client.headers.get("x-owner")
        if owner:
            exchange.key = Key(owner)


class Talks(HostileUpstream):
    """A chat server that answers with its turns in order, and keeps the requests it got.

    While there is something to `hold` its answers, they wait for it.
    """

    def __init__(self, *turns: dict[str, Any]) -> None:
        super().__init__(self._talk)
        self.turns = list(turns)
        self.requests: list[dict[str, Any]] = []
        self.hold: asyncio.Event | None = None

    async def _talk(self, peer: Peer) -> None:
        while True:
            request = json.loads((await peer.request()).partition(b"\r\n\r\n")[2])
            self.requests.append(request)
            message = self.turns[min(len(self.requests), len(self.turns)) - 1]
            if self.hold is not None:
                await self.hold.wait()
            reason = "tool_calls" if "tool_calls" in message else "stop"
            if request.get("stream"):
                await peer.send(chunked(chunk(**message), finish(reason), headers=SSE))
            else:
                choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
                await peer.send(fixed(json.dumps({"choices": [choice]}).encode(), headers=JSON))


@asynccontextmanager
async def talking(
    *turns: dict[str, Any], store: ResponseStore | None = None, conversations: ConversationStore | None = None
) -> AsyncIterator[tuple[House, Talks]]:
    """Runs a server with a store in front of a chat server."""
    async with Talks(*turns) as upstream:
        text = f"upstreams: {{u: {{kind: openai-compatible, base_url: {upstream.origin}}}}}\nmodels: {{m: [u/up]}}\n"
        config = load_text(text + "pipeline: [route, stream-translate]\n", "test").upstreams["u"]
        provider = OpenAICompatible("u", config.config)  # type: ignore[arg-type]
        async with house(provider, stages=[Says()], store=store or MemoryStore(), conversations=conversations) as home:
            yield home, upstream


async def answer(home: House, stream: bool = False, **fields: Any) -> dict[str, Any]:
    """Returns the Response to a request, however it was sent."""
    status, _, data = await home.ask(stream=stream, **fields)
    assert status == 200, data
    found: dict[str, Any] = events_of(data)[-2][1]["response"] if stream else json.loads(data)
    return found


async def call(home: House, method: str, path: str, owner: str = "") -> tuple[int, Any]:
    """Sends a request without a body; returns status and JSON."""
    headers = {"x-owner": owner} if owner else {}
    async with home.session.request(method, home.url + path, headers=headers) as response:
        return response.status, await response.json()
