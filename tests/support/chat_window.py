"""A chat server with a window: it refuses what is too long, writes summaries when it is asked to, and counts tokens."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from proxy.compaction.prompt import PROMPT
from proxy.config.loader import load_text
from proxy.exchange import Exchange
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.sealing import Sealing
from proxy.stage import Stage
from proxy.stores.memory import MemoryStore
from tests.support.hostile import HostileUpstream, Peer, chunked, fixed
from tests.support.house import House, house
from tests.support.scripted import chunk, finish
from tests.support.talking import JSON, SSE, Says

USAGE = {"prompt_tokens": 70, "completion_tokens": 7, "total_tokens": 77}


class ChatWindow(HostileUpstream):
    """Answers with `answer 1`, `answer 2`..., or with `summary` when a summary is what it is asked for.

    Over `limit` tokens, a quarter of the length of the messages' JSON, it answers 400, with `figures` or without.
    """

    def __init__(self, limit: int = 10**9, *, figures: bool = True, summary: str | None = "All that was said.") -> None:
        super().__init__(self._serve)
        self.limit = limit
        self.figures = figures
        self.summary = summary
        self.reason = "stop"
        self.counts = True
        self._go = asyncio.Event()
        self._go.set()
        self.requests: list[dict[str, Any]] = []
        self.counted: list[dict[str, Any]] = []

    async def _serve(self, peer: Peer) -> None:
        while True:
            head, _, body = (await peer.request()).partition(b"\r\n\r\n")
            request = json.loads(body)
            if head.startswith(b"POST /tokenize "):
                await peer.send(self._count(request))
                continue
            self.requests.append(request)
            await self._go.wait()
            if (tokens := tokens_of(request)) > self.limit:
                await peer.send(fixed(self._too_long(tokens), status=400, headers=JSON))
            elif request.get("stream"):
                said = [chunk(content=word) for word in re.findall(r"\S*\s*", self._says(request)) if word]
                usage = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"
                await peer.send(chunked(*said, usage, finish(self.reason), headers=SSE))
            else:
                message = {"role": "assistant", "content": self._says(request)}
                choice = {"index": 0, "message": message, "finish_reason": self.reason}
                await peer.send(fixed(json.dumps({"choices": [choice], "usage": USAGE}).encode(), headers=JSON))

    def hold(self) -> asyncio.Event:
        """Holds all answers back until the event is set."""
        self._go = asyncio.Event()
        return self._go

    def _says(self, request: dict[str, Any]) -> str:
        if is_for_a_summary(request) and self.summary is not None:
            return self.summary
        return f"answer {len(self.requests)}"

    def _count(self, request: dict[str, Any]) -> bytes:
        if not self.counts:
            return fixed(b'{"detail":"Not Found"}', status=404, headers=JSON)
        self.counted.append(request)
        count = tokens_of(request)
        answer = {"count": count, "max_model_len": self.limit, "tokens": list(range(count))}
        return fixed(json.dumps(answer).encode(), headers=JSON)

    def _too_long(self, tokens: int) -> bytes:
        message = "Your input exceeds the context window of this model."
        if self.figures:
            message = f"This model's maximum context length is {self.limit} tokens, you requested {tokens} tokens."
        return json.dumps({"error": {"message": message, "code": "context_length_exceeded"}}).encode()


def tokens_of(request: dict[str, Any]) -> int:
    """Returns how many tokens the server takes a chat request for."""
    return len(json.dumps(request["messages"])) // 4


def is_for_a_summary(request: dict[str, Any]) -> bool:
    """Tells whether a chat request asks for a summary."""
    return bool(request["messages"][-1]["content"] == PROMPT)


@asynccontextmanager
async def chat_window(
    upstream: ChatWindow, *stages: Stage, sealing: Sealing | None = None, profile: str = "{}"
) -> AsyncIterator[House]:
    """Runs a server with stores in front of a chat server; `profile` is that of the file, in YAML."""
    async with upstream:
        text = f"""\
upstreams: {{u: {{kind: openai-compatible, base_url: "{upstream.origin}/v1", profile: {profile}}}}}
models: {{m: [u/up]}}
pipeline: [route, stream-translate]
"""
        config = load_text(text, "test").upstreams["u"]
        provider = OpenAICompatible("u", config.config)  # type: ignore[arg-type]
        async with house(provider, stages=[Says(), *stages], store=MemoryStore(), sealing=sealing) as home:
            yield home


class Refuses(Stage):
    """Lets no compaction through that is an exchange of its own."""

    name = "refuses"

    async def on_request(self, exchange: Exchange) -> None:
        if exchange.id.endswith("-compaction"):
            raise ValueError("a bug in a stage")
