"""Asks an upstream over its Responses API, whatever the client speaks, and reads its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ...api.chat.request import ChatRequest
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...errors import InternalError
from ...sealing import Sealing
from ..provider import Decoder, TranslateOptions
from ..stop_sequences import StoppingDecoder, stop_sequences
from .build import ENCRYPTED, build_body
from .chat_build import build_from_chat
from .decoder import ResponsesDecoder
from .profile import ResponsesProfile
from .relay import ResponsesRelay
from .sealing import sealer

if TYPE_CHECKING:
    from ...exchange import Exchange

REFUSED_THOUGHTS = "invalid_encrypted_content"
"""What an upstream says of encrypted reasoning that another account, resource or region has made."""


def request_body(exchange: Exchange, model: str, profile: ResponsesProfile, sealing: Sealing) -> bytes:
    """Returns the JSON body for the exchange's request, and leaves the map of its tools in its marks.

    Raises BadRequest for what the upstream cannot do.
    """
    request = exchange.request
    if isinstance(request, ResponsesRequest):
        exchange.marks["tools"] = ToolMap.of(request.tools)
        return build_body(request, model, profile, sealing, exchange.ignore)
    if not isinstance(request, ChatRequest):
        raise InternalError(f"There is no way from {request.dialect} to the Responses API.")
    exchange.marks["tools"] = ToolMap()
    stop_sequences(request.get("stop"))  # which are looked for in the answer
    options = exchange.translate or TranslateOptions()
    return build_from_chat(request, model, profile, options, exchange.ignore)


def without_thoughts(body: bytes) -> bytes:
    """Returns a body without the reasoning of earlier turns, for an upstream that cannot open it."""
    fields = msgspec.json.decode(body)
    if isinstance(items := fields.get("input"), list):
        fields["input"] = [item for item in items if not _is_reasoning(item)]
    return msgspec.json.encode(fields)


def _is_reasoning(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning"


def decoder_for(exchange: Exchange) -> Decoder:
    """Returns a decoder for one answer; tools in namespaces get the names by which the client's are known.

    The API has no `stop`: what a chat client says by it is done here.
    """
    tools = exchange.marks.get("tools")
    if not isinstance(exchange.request, ResponsesRequest) or not isinstance(tools, ToolMap):
        stops = [one for one in stop_sequences(exchange.request.get("stop")) if one]
        decoder = ResponsesDecoder(one_thought=True)
        return StoppingDecoder(decoder, stops) if stops else decoder
    return ResponsesDecoder(lambda namespace, name: tools.upstream_name("function", namespace, name))


def relay_for(exchange: Exchange) -> Decoder | None:
    """Returns what passes an answer on to a client of the Responses API; None for any other client."""
    return ResponsesRelay() if isinstance(exchange.request, ResponsesRequest) else None


def sealer_for(exchange: Exchange, model: str, sealing: Sealing) -> Callable[[dict[str, Any], str], str | None] | None:
    """Returns what makes `encrypted_content`, when the client asked for it or the response is kept."""
    request = exchange.request
    if not isinstance(request, ResponsesRequest):
        return None
    return sealer(model, sealing) if request.wants(ENCRYPTED) or exchange.is_remembered else None
