"""What a request is expected to use, before anybody is asked: tokens of input and output."""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING

import msgspec

from ..api.responses.request import ResponsesRequest
from ..counters.limits import NANO
from ..errors import BadRequest
from ..tokens import IMAGE_TOKENS, request_tokens, text_tokens

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..request import ModelRequest

_MARK = "expected usage"
_CHAT_LIMITS = ("max_completion_tokens", "max_tokens")
_MESSAGE_TOKENS = 4
_NANO = Decimal(NANO)  # which is multiplied faster
_BYTES_A_TOKEN = 4
_PICTURES = (".image_url", ".image_url.url")
"""Where addresses of pictures stand: one that holds an SVG is a text to those who search texts."""


class Expected(msgspec.Struct):
    """Tokens of a request: of its input, estimated, and the most that its output may be, None when it does not say.

    `answers` is how many answers it asks for, each of which may be so long. What only counts tokens, or prepares a
    context, uses none.
    """

    input_tokens: int = 0
    most_output: int | None = None
    answers: int = 1
    uses: bool = True

    def output(self, otherwise: int) -> int:
        """Returns the tokens of output to reckon with; `otherwise` where the request sets no limit to an answer."""
        return self.answers * (otherwise if self.most_output is None else self.most_output) if self.uses else 0


def expected(exchange: Exchange) -> Expected:
    """Returns what an exchange is expected to use, reckoned once. What cannot be read is for validation to refuse.

    Earlier turns that the request only refers to are not in it.
    """
    known: Expected | None = exchange.marks.get(_MARK)
    if known is None:
        known = exchange.marks[_MARK] = _expected(exchange)
    return known


def nano_dollars(cost: Decimal | None) -> int:
    """Returns an amount of dollars as counters have it, rounded up."""
    return ceil(cost * _NANO) if cost else 0


def _expected(exchange: Exchange) -> Expected:
    request = exchange.request
    if request is None or exchange.counting or not exchange.generate:
        return Expected(uses=False)
    if isinstance(request, ResponsesRequest):
        return Expected(request_tokens(request), request.max_output_tokens)
    tokens, limits = 0, _CHAT_LIMITS
    for text in request.texts():
        if text.path.endswith(_PICTURES):
            tokens += IMAGE_TOKENS if request.dialect == "raw" else 0  # those of messages are counted below
        else:
            tokens += text_tokens(text.text) + _MESSAGE_TOKENS
    for name in ("tools", "functions", "response_format"):
        raw = request.fields.get(name)
        tokens += 0 if raw is None else len(raw) // _BYTES_A_TOKEN
    if request.dialect == "chat":
        messages = request.fields.get("messages")
        tokens += 0 if messages is None else bytes(messages).count(b'"image_url":') * IMAGE_TOKENS
        return Expected(tokens, _whole(request, *limits), _whole(request, "n") or 1)
    # other endpoints have an output of tokens only where they can be told how long it may be
    return Expected(tokens, _whole(request, *limits) or 0, _whole(request, "n") or 1)


def _whole(request: ModelRequest, *names: str) -> int | None:
    """Returns the first of some fields that is a number of things."""
    for name in names:
        try:
            value = request.get(name)
        except BadRequest:
            continue
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40:
            return value
    return None
