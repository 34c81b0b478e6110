"""Has an upstream count the tokens of an input: vLLM's `/tokenize`, OpenAI's `/responses/input_tokens`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ...api.raw import Raw
from ...errors import UpstreamGarbled

MAX_ANSWER = 32 * 1024 * 1024
"""vLLM answers with the tokens themselves: some eight bytes each."""

_OF_CHAT = ("model", "messages", "tools", "chat_template_kwargs")
_OF_RESPONSES = (
    "input",
    "instructions",
    "model",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
)


class _Count(msgspec.Struct):
    count: int | None = None
    input_tokens: int | None = None


_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_count = msgspec.json.Decoder(_Count).decode


def tokenize_url(url: str) -> str:
    """Returns where vLLM counts tokens: beside `/v1`, not below it."""
    return url.removesuffix("/v1") + "/tokenize"


def tokenize_body(chat: bytes) -> bytes:
    """Returns what to ask vLLM for the body of a chat request."""
    return _part(chat, _OF_CHAT)


def input_tokens_body(create: bytes) -> bytes:
    """Returns what to ask OpenAI for the body of a create."""
    return _part(create, _OF_RESPONSES)


def read_count(upstream: str, body: bytes) -> int:
    """Returns the count of an answer; raises UpstreamGarbled when there is none."""
    try:
        counted = _decode_count(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        counted = _Count()
    count = counted.count if counted.count is not None else counted.input_tokens
    if count is None:
        raise UpstreamGarbled(f'upstream "{upstream}" has answered without a count of tokens')
    return count


def _part(body: bytes, names: Iterable[str]) -> bytes:
    fields = _decode_fields(body)
    return msgspec.json.encode({name: fields[name] for name in names if name in fields})
