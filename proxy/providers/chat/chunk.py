"""The parts of a chat-completion chunk (or whole completion) that are read, and a lenient way to read bad ones.

The structs name only what the decoder uses, so that decoding skips the rest. A chunk that does not fit them (a number
where a string belongs, half a surrogate pair, NaN) is read again by `decode_leniently`, which keeps what does fit.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta


class FunctionPiece(msgspec.Struct, gc=False):
    """Name and arguments of a call, or a piece of them. Some servers send the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | list[Any] | None = None


class CustomPiece(msgspec.Struct, gc=False):
    """Name and raw input of a freeform call, or a piece of it."""

    name: str | None = None
    input: str | None = None


class ToolCallPiece(msgspec.Struct, gc=False):
    """A tool call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None
    custom: CustomPiece | None = None


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds to the message (or the whole message)."""

    content: str | list[Any] | None = None
    tool_calls: list[ToolCallPiece] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    reasoning_details: list[dict[str, Any]] | None = None
    thinking: Any = None
    thinking_blocks: list[dict[str, Any]] | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    function_call: FunctionPiece | None = None
    audio: Any = None
    images: Any = None


class Logprobs(msgspec.Struct, gc=False):
    """Log probabilities of the tokens of this chunk."""

    content: list[Any] | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers; only number 0 is read."""

    index: int | None = None
    delta: Delta | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    message: Delta | None = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """One chunk of a stream, or one whole completion."""

    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    service_tier: str | None = None
    x_groq: Any = None
    citations: Any = None
    search_results: Any = None


decode_chunk = msgspec.json.Decoder(Chunk).decode

_NoText = Annotated[str, Meta(max_length=0)] | None
_NoList = Annotated[list[Any], Meta(max_length=0)] | None


class PlainMessage(msgspec.Struct, gc=False):
    """A message of one text: all else that a `Delta` may hold is absent or empty."""

    content: str
    refusal: _NoText = None
    annotations: _NoList = None
    audio: None = None
    function_call: None = None
    tool_calls: _NoList = None
    reasoning_content: _NoText = None
    reasoning: _NoText = None
    reasoning_details: _NoList = None
    thinking: _NoText = None
    thinking_blocks: _NoList = None
    images: _NoList = None


class NoLogprobs(msgspec.Struct, gc=False):
    """Log probabilities of nothing."""

    content: _NoList = None


class PlainChoice(msgspec.Struct, gc=False):
    """The one answer of a completion, whole, if it is such a message."""

    message: PlainMessage
    finish_reason: str
    index: Annotated[int, Meta(ge=0, le=0)] | None = None
    logprobs: NoLogprobs | None = None
    delta: None = None
    error: None = None


class PlainCompletion(msgspec.Struct, gc=False):
    """A whole completion that says nothing but one text, usage and tier: what a `Chunk` may hold besides is not there.

    Its types are that narrow so that nobody has to look whether it is one.
    """

    choices: tuple[PlainChoice]
    usage: dict[str, Any] | None = None
    service_tier: str | None = None
    error: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None


decode_plain = msgspec.json.Decoder(PlainCompletion).decode


def decode_leniently(payload: bytes) -> tuple[Chunk, Any] | None:
    """Reads a payload that is JSON but does not fit the structs; returns the chunk and the plain object, or None.

    Bytes that are no UTF-8 become U+FFFD. Strings in the result may hold lone surrogates: halves of a pair that the
    upstream cut in two.
    """
    try:
        obj = json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(obj, dict):
        return None
    choices = obj.get("choices")
    chunk = Chunk(
        choices=[_choice(one) for one in choices if isinstance(one, dict)] if isinstance(choices, list) else None,
        usage=_dict(obj.get("usage")),
        error=obj.get("error"),
        service_tier=_str(obj.get("service_tier")),
        x_groq=obj.get("x_groq"),
        citations=obj.get("citations"),
        search_results=obj.get("search_results"),
    )
    return chunk, obj


def _choice(obj: dict[str, Any]) -> Choice:
    logprobs = _dict(obj.get("logprobs")) or {}
    return Choice(
        index=_int(obj.get("index")),
        delta=_delta(obj.get("delta")),
        message=_delta(obj.get("message")),
        finish_reason=_str(obj.get("finish_reason")),
        logprobs=Logprobs(_list(logprobs.get("content"))),
        error=obj.get("error"),
    )


def _delta(obj: Any) -> Delta | None:
    if not isinstance(obj, dict):
        return None
    content = obj.get("content")
    calls = obj.get("tool_calls")
    return Delta(
        content=content if isinstance(content, list) else _str(content),
        tool_calls=[_call(one) for one in calls if isinstance(one, dict)] if isinstance(calls, list) else None,
        reasoning_content=_str(obj.get("reasoning_content")),
        reasoning=obj.get("reasoning"),
        reasoning_details=_dicts(obj.get("reasoning_details")),
        thinking=obj.get("thinking"),
        thinking_blocks=_dicts(obj.get("thinking_blocks")),
        refusal=_str(obj.get("refusal")),
        annotations=_dicts(obj.get("annotations")),
        function_call=_function(obj.get("function_call")),
        audio=obj.get("audio"),
        images=obj.get("images"),
    )


def _call(obj: dict[str, Any]) -> ToolCallPiece:
    id = obj.get("id")
    custom = _dict(obj.get("custom"))
    return ToolCallPiece(
        index=_int(obj.get("index")),
        id=str(id) if isinstance(id, int) and not isinstance(id, bool) else _str(id),
        function=_function(obj.get("function")),
        custom=CustomPiece(_str(custom.get("name")), _str(custom.get("input"))) if custom else None,
    )


def _function(obj: Any) -> FunctionPiece | None:
    if not isinstance(obj, dict):
        return None
    arguments = obj.get("arguments")
    return FunctionPiece(_str(obj.get("name")), arguments if isinstance(arguments, (str, dict, list)) else None)


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _dict(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _list(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _dicts(value: Any) -> list[dict[str, Any]] | None:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else None
