"""The dialects that clients speak, and what each needs: its request, its encoder, its relay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from ..events import PlainAnswer
from ..request import Dialect, ModelRequest
from ..translation import Encoder
from .chat.answer import chat_encoder, chat_relay
from .chat.relay import ChatRelay
from .chat.request import ChatRequest
from .responses.answer import plain_response, responses_encoder
from .responses.request import ResponsesRequest

if TYPE_CHECKING:
    from ..exchange import Exchange


MakePlain = Callable[["Exchange", ModelRequest, PlainAnswer], Encoder]
"""Makes the answer to an exchange of a plain one, telling of a request."""


class ClientDialect(msgspec.Struct, frozen=True):
    """One dialect: how its requests are read, how answers are made for it, and passed on where upstreams speak it.

    An answer may tell of another request than the exchange's, which an attempt may have changed. One that is `plain`,
    and of which nobody hears before it is whole, may be made without an encoder.
    """

    request: type[ModelRequest]
    encoder: Callable[[Exchange, ModelRequest | None], Encoder]
    plain: MakePlain | None = None
    relay: Callable[[Exchange], ChatRelay] | None = None


DIALECTS: Mapping[Dialect, ClientDialect] = {
    "responses": ClientDialect(ResponsesRequest, responses_encoder, plain=plain_response),
    "chat": ClientDialect(ChatRequest, chat_encoder, relay=chat_relay),
}
