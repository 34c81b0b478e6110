"""A chat-completions request as a Responses request, for an upstream that speaks neither.

The conversion is the one for upstreams that speak the Responses API; what that API has no word for and Claude has is
carried over here: stop sequences, `top_k`, and the thinking that chat clients give back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...api.chat.request import ChatRequest
from ...api.responses.request import ResponsesRequest
from ..provider import TranslateOptions
from ..responses.chat_build import build_from_chat
from ..responses.profile import ResponsesProfile
from .blocks import STATE_FIELD
from .sealing import blocks_of, wrapped

_PROFILE = ResponsesProfile()
_ALONGSIDE = ("stop", "top_k", "frequency_penalty", "presence_penalty")
_TYPE = "reasoning.encrypted"


def responses_request(
    request: ChatRequest, model: str, options: TranslateOptions, ignore: Callable[[str], None]
) -> ResponsesRequest:
    """Returns the request; raises BadRequest for what cannot be said. `ignore` is told of fields without effect."""
    asked = request.copy()
    alongside = {name: raw for name in _ALONGSIDE if (raw := asked.fields.pop(name, None)) is not None}
    _wrap_thinking(asked)
    made = ResponsesRequest.parse(build_from_chat(asked, model, _PROFILE, options, ignore))
    made.fields.update(alongside)
    return made


def _wrap_thinking(request: ChatRequest) -> None:
    """Puts the thinking of earlier turns where the conversion finds it."""
    if STATE_FIELD.encode() not in bytes(request.fields.get("messages", b"")):
        return
    messages: Any = request.get("messages")
    for message in messages if isinstance(messages, list) else ():
        blocks = blocks_of(message.get(STATE_FIELD)) if isinstance(message, dict) else []
        if blocks:
            message["reasoning_details"] = [{"type": _TYPE, "data": wrapped(blocks)}]
    request.fields["messages"] = msgspec.Raw(msgspec.json.encode(messages))
