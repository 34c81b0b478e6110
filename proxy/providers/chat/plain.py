"""Reads a whole chat completion that is one text and nothing else, without the decoder's machinery.

Most answers that come in one piece are that. Any that might be something else, however slightly, is left to the
decoder; `tests/providers/chat/test_plain.py` holds the one against the other.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ...events import PlainAnswer
from .finish import FAILED_FINISH, FINISH
from .usage import usage_from_chat

_NoText = Annotated[str, Meta(max_length=0)] | None
_NoList = Annotated[list[Any], Meta(max_length=0)] | None


class _Message(msgspec.Struct, gc=False):
    """A message of one text. What may stand beside it, by the names that the decoder reads, is there and empty."""

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


class _Logprobs(msgspec.Struct, gc=False):
    content: _NoList = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message
    finish_reason: str
    index: Annotated[int, Meta(ge=0, le=0)] | None = None
    logprobs: _Logprobs | None = None
    delta: None = None
    error: None = None


class _Whole(msgspec.Struct, gc=False):
    """A completion that holds one such message, and nothing that the decoder would tell of but usage and tier."""

    choices: tuple[_Choice]
    usage: dict[str, Any] | None = None
    service_tier: str | None = None
    error: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None


_decode = msgspec.json.Decoder(_Whole).decode
_reasons = {"stop": "stop", **FINISH}.get


def plain_answer(body: bytes) -> PlainAnswer | None:
    """Returns the answer of a body that holds nothing but a text; None for every other body, whatever is the matter.

    For upstreams that do not put their thinking into the text. Hot: once an answer that is not streamed.
    """
    try:
        answer = _decode(body)  # the types say what may be in it
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    choice = answer.choices[0]
    text, finish, told = choice.message.content, choice.finish_reason, answer.usage
    reason = _reasons(finish)
    if reason is None:
        finish = finish.lower()
        if not finish or finish in FAILED_FINISH:
            return None
        reason = FINISH.get(finish, "stop")
    if not text or text.isspace():
        return None
    return PlainAnswer(text, reason, usage_from_chat(told) if told else None, answer.service_tier or None)
