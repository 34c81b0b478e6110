"""The objects of the chat-completions API that both its encoder and its relay write: usage, errors, ends of streams."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from ...errors import ExchangeError
from ...events import FinishReason, Usage

DONE = b"data: [DONE]\n\n"
"""The last event of a stream that came to its end."""


def new_completion_id() -> str:
    """Returns an id for a completion, in OpenAI's form."""
    return "chatcmpl-" + secrets.token_hex(12)


def usage_object(usage: Usage) -> dict[str, Any]:
    """Returns the `usage` object of a completion; all keys that the SDKs read are there."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens or usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def finish_reason(reason: FinishReason, *, calls: bool) -> str:
    """Returns the `finish_reason` of a choice; an answer with tool calls that ended by itself ended for them."""
    return "tool_calls" if calls and reason == "stop" else reason


def annotation_object(annotation: dict[str, Any]) -> dict[str, Any]:
    """Returns the nested chat form of an annotation of the Responses API; kinds that chat has no form for stay flat."""
    if annotation.get("type") != "url_citation":
        return annotation
    return {"type": "url_citation", "url_citation": {key: one for key, one in annotation.items() if key != "type"}}


def error_event(error: ExchangeError, code: str | int | None = None) -> bytes:
    """Returns the event that ends a stream in an error; `code` stands in for the error's own where it says more."""
    fields: dict[str, Any] = error.to_dict()
    if code is not None:
        fields["code"] = code
    return b'data: {"error":' + msgspec.json.encode(fields) + b"}\n\n"
