"""An upstream in memory: answers with scripted steps, and notes what was done to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proxy.chunks import frame
from proxy.errors import UpstreamError, UpstreamRefused
from proxy.exchange import Exchange
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.provider import Provider, UpstreamConfig
from proxy.upstream.client import OnData, OnEnd, Taker, Timeouts, UpstreamRequest

Step = bytes | UpstreamError | asyncio.Event | None
"""Bytes to deliver; an error to end with; an event to wait for; None for the good end."""


def chunk(**delta: Any) -> bytes:
    """Returns one chat chunk with a delta."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def finish(reason: str = "stop") -> bytes:
    """Returns the chunk with a finish reason and the end marker."""
    return b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"%b"}]}\n\ndata: [DONE]\n\n' % reason.encode()


HELLO = (chunk(content="Hel"), chunk(content="lo"), finish())
"""A stream that says "Hello"."""

WHOLE = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
).encode()
"""An answer that says it at once."""


class ScriptedResponse:
    """One scripted answer."""

    def __init__(self, status: int, headers: dict[str, str], steps: Sequence[Step]) -> None:
        self.status = status
        self.headers = headers
        self.steps = list(steps)
        self.closed = asyncio.Event()
        self.released = False
        self.paused = False
        self.pauses = 0
        self.was_paused = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._go = asyncio.Event()
        self._go.set()
        self._shortcut: Taker | None = None

    def offer_to(self, shortcut: Taker) -> None:
        self._shortcut = shortcut

    def stream(self, on_data: OnData, on_end: OnEnd) -> None:
        self._running = asyncio.get_running_loop().create_task(self._run(on_data, on_end))

    async def _run(self, on_data: OnData, on_end: OnEnd) -> None:
        for step in self.steps:
            await self._go.wait()
            if self.closed.is_set() or self.released:
                return
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, bytes):
                if self._shortcut is None or not self._shortcut.take(frame(step)):
                    on_data(step)
                await asyncio.sleep(0)
            else:
                on_end(step)
                return

    def at_hand(self, max_bytes: int) -> bytes | None:
        return None

    async def read(self, max_bytes: int) -> bytes:
        pieces = []
        for step in self.steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, bytes):
                pieces.append(step)
            elif step is not None:
                raise step
        return b"".join(pieces)

    def pause(self) -> None:
        self.paused = True
        self.pauses += 1
        self.was_paused.set()
        self._go.clear()

    def resume(self) -> None:
        self.paused = False
        self._go.set()

    def limit_idle(self, seconds: float | None) -> None:
        self.idle_s = seconds

    def release(self) -> None:
        self.released = True
        self._shortcut = None

    def close(self) -> None:
        self._shortcut = None
        self.closed.set()
        self._go.set()
        if self._running is not None and self._running is not asyncio.current_task():
            self._running.cancel()


Script = Callable[[UpstreamRequest], ScriptedResponse | UpstreamError]


class ScriptedClient:
    """Answers each request by the next script; the last one goes on for ever."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.requests: list[UpstreamRequest] = []
        self.responses: list[ScriptedResponse] = []
        self.answered = asyncio.Event()

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> ScriptedResponse:
        self.requests.append(request)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        answer = script(request)
        if isinstance(answer, UpstreamError):
            raise answer
        self.responses.append(answer)
        self.answered.set()
        return answer

    async def close(self) -> None:
        return None


def stream(*steps: Step) -> Script:
    """Returns a script that answers 200 with an event stream."""
    return lambda request: ScriptedResponse(200, {"content-type": "text/event-stream"}, steps)


def body(data: bytes, status: int = 200) -> Script:
    """Returns a script that answers with a JSON body."""
    return lambda request: ScriptedResponse(status, {"content-type": "application/json"}, [data, None])


def fails(error: UpstreamError) -> Script:
    """Returns a script that gives no answer at all."""
    return lambda request: error


class ScriptedProvider(Provider):
    """A chat provider whose client follows scripts."""

    kind = "scripted"
    dialects = frozenset({"chat"})
    Config = UpstreamConfig

    def __init__(self, name: str, *scripts: Script, timeouts: Timeouts | None = None) -> None:
        super().__init__(name, None)
        self.client = ScriptedClient(*scripts)
        self.timeouts = timeouts or Timeouts()

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        return UpstreamRequest(method="POST", url="http://scripted/chat/completions", headers={}, body=b"{}")

    passthrough = build

    def decoder(self, exchange: Exchange) -> ChatDecoder:
        return ChatDecoder()

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        error = UpstreamRefused(f"status {status}", status=status)
        error.retry_same = status >= 500
        error.fail_over = status >= 429
        return error


def events_of(data: bytes) -> list[tuple[str, Any]]:
    """Returns the events of an SSE body as (type, object)."""
    found: list[tuple[str, Any]] = []
    for block in data.split(b"\n\n"):
        for line in block.split(b"\n"):
            if line.startswith(b"data: "):
                value = line[6:]
                obj = value.decode() if value == b"[DONE]" else json.loads(value)
                found.append((obj["type"] if isinstance(obj, dict) and "type" in obj else "", obj))
    return found


def kinds(data: bytes) -> list[str]:
    """Returns the types of the events of a body."""
    return [kind for kind, _ in events_of(data)]


def text_of(data: bytes) -> str:
    """Returns the joined text deltas of a body."""
    return "".join(obj["delta"] for kind, obj in events_of(data) if kind == "response.output_text.delta")
