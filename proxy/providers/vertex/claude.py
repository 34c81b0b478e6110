"""Claude on Vertex AI: the Messages API in the body of rawPredict, without the model and with a version of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ...api.responses.request import ResponsesRequest
from ...errors import UpstreamRefused
from ...sealing import Sealing
from ..anthropic.asked import asked, keeps_state
from ..anthropic.build import Built, Target, build_body
from ..anthropic.decoder import MessagesDecoder
from ..anthropic.errors import refused as messages_refused
from ..anthropic.profile import MessagesProfile
from ..anthropic.traits import traits_of
from ..chat.surrogates import load
from ..gemini.errors import refused as google_refused

if TYPE_CHECKING:
    from ...exchange import Exchange

VERSION = "vertex-2023-10-16"
COUNTER = "count-tokens"
"""The model, so to speak, that counts tokens for all others."""

_BY_TOOL = "answers_by_tool"
_SOURCES = "web_search_call.action.sources"
_LONG_ANSWER = 21_333
"""Tokens of an answer from which it is streamed in any case: whole, it may come after ten minutes of silence."""
_COUNTED = ("system", "messages", "tools", "tool_choice", "thinking")


def built(exchange: Exchange, upstream: str, model: str, profile: MessagesProfile, sealing: Sealing) -> Built:
    """Returns the request of the Messages API for the exchange's; what was refused a moment ago is left out of it.

    Raises BadRequest.
    """
    said = asked(exchange, upstream, model)
    target = Target(
        model=model,
        traits=traits_of(model),
        profile=profile,
        thoughts=said.thoughts,
        strict=said.strict,
        show_thinking=said.show_thinking,
    )
    made = build_body(said.request, target, said.options, exchange.ignore, sealing)
    exchange.marks[_BY_TOOL] = made.answers_by_tool
    return made


def is_streamed(exchange: Exchange, made: Built) -> bool:
    """Tells whether an answer is to be streamed: when the client wants it, or it may be very long."""
    return exchange.request.stream or made.body["max_tokens"] > _LONG_ANSWER


def predict_body(made: Built, *, stream: bool) -> bytes:
    """Returns the body of a rawPredict request: the model stands in the address."""
    body: dict[str, Any] = {"anthropic_version": VERSION, **made.body}
    del body["model"]
    if stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def count_body(made: Built, model: str) -> bytes:
    """Returns the body of a request that counts tokens: here the model stands in it."""
    counted = {name: made.body[name] for name in _COUNTED if name in made.body}
    return msgspec.json.encode({"model": model, **counted})


def decoder_for(exchange: Exchange) -> MessagesDecoder:
    """Returns a decoder for one answer."""
    request = exchange.request
    sources = isinstance(request, ResponsesRequest) and request.wants(_SOURCES)
    return MessagesDecoder(
        answers_by_tool=exchange.marks.get(_BY_TOOL) is True, sources=sources, keeps=keeps_state(exchange)
    )


def refused(upstream: str, status: int, headers: Mapping[str, str], body: bytes, advice: str) -> UpstreamRefused:
    """Maps an error answer to the tree of errors: some are Anthropic's, some Google's own."""
    said = load(body.strip())
    said = said[0] if isinstance(said, list) and said else said
    error = said.get("error") if isinstance(said, dict) else None
    if isinstance(error, dict) and isinstance(error.get("type"), str):
        return messages_refused(upstream, status, headers, body, advice=advice)
    return google_refused(upstream, status, headers, body, advice=advice, address="check its location")
