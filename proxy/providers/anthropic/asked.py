"""What an exchange asks of a model that is not asked over a client's own API: one request, and how to write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...api.chat.request import ChatRequest
from ...api.responses.request import ResponsesRequest
from ..provider import TranslateOptions
from .chat_request import responses_request
from .errors import INVALID_STRICT, INVALID_THINKING

if TYPE_CHECKING:
    from ...exchange import Exchange


_ENCRYPTED = "reasoning.encrypted_content"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's request as one of the Responses API.

    `thoughts` and `strict` are off when the upstream has refused them a moment ago. `show_thinking`: somebody wants to
    read what the model thinks.
    """

    request: ResponsesRequest
    options: TranslateOptions
    thoughts: bool
    strict: bool
    show_thinking: bool


def asked(exchange: Exchange, upstream: str, model: str) -> Asked:
    """Returns what is asked of a model of an upstream; raises BadRequest for what no request can say."""
    options = exchange.translate or TranslateOptions()
    failures = {one.error for one in exchange.attempts if one.upstream == upstream}
    request = exchange.request
    chat = isinstance(request, ChatRequest)
    if isinstance(request, ChatRequest):
        request = responses_request(request, model, options, exchange.ignore)
    assert isinstance(request, ResponsesRequest)
    return Asked(
        request=request,
        options=options,
        thoughts=INVALID_THINKING not in failures,
        strict=INVALID_STRICT not in failures,
        show_thinking=options.reasoning != "drop" and (chat or options.reasoning in ("content", "summary")),
    )


def keeps_state(exchange: Exchange) -> bool:
    """Tells whether what the model wants back with the next turn is kept: by the client, who asked for it, or here."""
    request = exchange.request
    return isinstance(request, ResponsesRequest) and (request.wants(_ENCRYPTED) or exchange.is_remembered)
