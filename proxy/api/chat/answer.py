"""Makes the encoder or the relay of one exchange of a chat-completions client out of its request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .encoder import ChatEncoder
from .objects import new_completion_id
from .relay import ChatRelay
from .request import ChatRequest

if TYPE_CHECKING:
    from ...exchange import Exchange


def chat_encoder(exchange: Exchange) -> ChatEncoder:
    """Returns the encoder for an exchange whose client speaks chat completions."""
    request = cast(ChatRequest, exchange.request)
    request.check_translatable()
    if exchange.response_id is None:
        exchange.response_id = new_completion_id()
    translate = exchange.translate
    return ChatEncoder(
        id=exchange.response_id,
        model=exchange.asked_model or request.model,
        created=int(exchange.timing.wall),
        include_usage=request.include_usage,
        show_reasoning=translate is None or translate.reasoning != "drop",
    )


def chat_relay(exchange: Exchange) -> ChatRelay:
    """Returns the machine that passes a chat answer on as it comes."""
    return ChatRelay(include_usage=cast(ChatRequest, exchange.request).include_usage)
