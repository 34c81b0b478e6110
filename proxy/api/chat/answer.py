"""Makes the encoder or the relay of one exchange of a chat-completions client out of its request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...transform.edited import fields_of
from .encoder import ChatEncoder
from .objects import new_completion_id
from .relay import ChatRelay
from .renaming import Renaming
from .request import ChatRequest

if TYPE_CHECKING:
    from ...exchange import Exchange
    from ...request import ModelRequest


def chat_encoder(exchange: Exchange, shown: ModelRequest | None = None) -> ChatEncoder:
    """Returns the encoder for an exchange whose client speaks chat completions; `shown` as for `responses_encoder`."""
    request = cast(ChatRequest, shown or exchange.request)
    request.check_translatable()
    translate = exchange.translate
    return ChatEncoder(
        id=_id_of(exchange),
        model=exchange.asked_model or request.model,
        created=int(exchange.timing.wall),
        include_usage=request.include_usage,
        show_reasoning=translate is None or translate.reasoning != "drop",
        changed=fields_of(exchange),
    )


def chat_relay(exchange: Exchange) -> ChatRelay:
    """Returns the machine that passes a chat answer on as it comes, but for its id and the name of its model."""
    request = cast(ChatRequest, exchange.request)
    names = Renaming(_id_of(exchange), exchange.asked_model or request.model)
    return ChatRelay(include_usage=request.include_usage, names=names)


def _id_of(exchange: Exchange) -> str:
    """Returns the id of the exchange's completion, whatever attempts it takes."""
    if exchange.response_id is None:
        exchange.response_id = new_completion_id()
    return exchange.response_id
