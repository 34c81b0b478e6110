"""Reads chat-completions streams the way the OpenAI SDK does, and builds such streams for tests."""

from __future__ import annotations

import json
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk


def payloads(stream: bytes) -> list[bytes]:
    """Returns the data of each event; fails when the bytes are anything but single `data:` lines."""
    if not stream:
        return []
    assert stream.endswith(b"\n\n"), stream[-80:]
    blocks = stream[:-2].split(b"\n\n")
    for block in blocks:
        assert block.startswith(b"data: "), block
        assert b"\n" not in block, block
    return [block[6:] for block in blocks]


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """Returns the chunks of a stream that ended well; `[DONE]` must be there, last and once."""
    found = payloads(stream)
    assert found.pop() == b"[DONE]"
    assert b"[DONE]" not in found
    return [json.loads(data) for data in found]


def accumulate(stream: bytes) -> Any:
    """Returns what the SDK makes of a stream; fails when a chunk is not what its types say."""
    state = ChatCompletionStreamState()
    for chunk in chunks(stream):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))
    return state.current_completion_snapshot


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Returns a chunk as OpenAI sends it; without a delta, one without choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "m",
        "choices": choices,
        **more,
    }


def sse(*events: Any, done: bool = True) -> bytes:
    """Returns a stream of payloads (objects as JSON, bytes as they are)."""
    out = [one if isinstance(one, bytes) else json.dumps(one, separators=(",", ":")).encode() for one in events]
    if done:
        out.append(b"[DONE]")
    return b"".join(b"data: " + one + b"\n\n" for one in out)
