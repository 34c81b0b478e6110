"""Makes the encoder of one exchange of the Responses API out of its request."""

from __future__ import annotations

import time
from functools import lru_cache, partial
from math import floor
from typing import TYPE_CHECKING, cast

from ...transform.edited import fields_of
from .echo import says_nothing
from .encoder import ResponsesEncoder
from .encoder_options import EncoderOptions
from .fields import FIELDS
from .ids import new_response_id
from .made_ids import first_id, made_id
from .plain import PlainResponse
from .request import ResponsesRequest
from .snapshot import Shown, Snapshot

if TYPE_CHECKING:
    from ...events import PlainAnswer
    from ...exchange import Exchange
    from ...request import ModelRequest

_MOST_MODELS, _LONGEST_MODEL = 64, 256
_FORMLESS = frozenset(FIELDS) - {"include", "reasoning", "stream_options", "top_logprobs"}
"""Fields that say nothing of an answer's form."""


def responses_encoder(exchange: Exchange, shown: ModelRequest | None = None) -> ResponsesEncoder:
    """Returns the encoder for an exchange whose client speaks the Responses API.

    `shown` is the request that the Response tells of, where that is not the one at hand.
    """
    request = cast(ResponsesRequest, shown or exchange.request)
    response_id = _id_of(exchange)
    return ResponsesEncoder(
        _snapshot(exchange, request, response_id),
        item_id=partial(_item_id, response_id),
        options=_options(exchange, request),
    )


def _options(exchange: Exchange, request: ResponsesRequest) -> EncoderOptions:
    """Returns what is said about the form of an answer; most requests say nothing of it."""
    translate = exchange.translate
    reasoning = translate.reasoning if translate is not None else "auto"
    logprobs = obfuscation = show_sealed = False
    if request.says_only(_FORMLESS):
        reasoning = "content" if reasoning == "auto" else reasoning
    else:
        if reasoning == "auto":
            settings = request.reasoning
            reasoning = "summary" if settings.summary or settings.generate_summary else "content"
        stream_options = request.get("stream_options")
        logprobs = request.wants("message.output_text.logprobs") or bool(request.value("top_logprobs"))
        obfuscation = isinstance(stream_options, dict) and stream_options.get("include_obfuscation") is True
        show_sealed = request.wants("reasoning.encrypted_content")
    return EncoderOptions(
        reasoning=reasoning,
        logprobs=logprobs,
        obfuscation=obfuscation,
        done_marker=translate is None or translate.done_marker,
        show_sealed=show_sealed,
        hold_end=exchange.is_remembered,
        keep_log=exchange.keeps_log,
    )


def _item_id(response_id: str, prefix: str, number: int) -> str:
    return made_id(response_id, prefix, number) if number else first_id(response_id, prefix)


def plain_response(exchange: Exchange, shown: ModelRequest, answer: PlainAnswer) -> PlainResponse:
    """Returns the Response of a plain answer that nobody is told of while it comes, in one step."""
    said = _shown_by(exchange, cast(ResponsesRequest, shown))
    response_id = _id_of(exchange)
    begun, now = floor(exchange.timing.wall), floor(time.time())  # in a quarter of the time of int()
    return PlainResponse(answer, said, response_id, begun, now, fields_of(exchange))


def _id_of(exchange: Exchange) -> str:
    if exchange.response_id is None:
        exchange.response_id = new_response_id()
    return exchange.response_id


def _snapshot(exchange: Exchange, request: ResponsesRequest, response_id: str) -> Snapshot:
    return Snapshot.showing(
        _shown_by(exchange, request),
        response_id=response_id,
        created_at=floor(exchange.timing.wall),
        changed=fields_of(exchange),
    )


def _shown_by(exchange: Exchange, request: ResponsesRequest) -> Shown:
    """Returns what the Response shows of a request."""
    model = exchange.asked_model or request.model
    if len(model) <= _LONGEST_MODEL and says_nothing(request):
        return _kept_of_nothing(model) if exchange.keeps else _unkept_of_nothing(model)
    return _shown(request, model, keeps=exchange.keeps)


@lru_cache(maxsize=_MOST_MODELS)
def _kept_of_nothing(model: str) -> Shown:
    """Returns what is shown of requests that say nothing of all that is shown, where they are kept."""
    return _shown(ResponsesRequest({}), model, keeps=True)


@lru_cache(maxsize=_MOST_MODELS)
def _unkept_of_nothing(model: str) -> Shown:
    """Returns the same where they are not."""
    return _shown(ResponsesRequest({}), model, keeps=False)


def _shown(request: ResponsesRequest, model: str, *, keeps: bool) -> Shown:
    echo = request.echo()
    echo["store"] = echo["store"] and keeps
    return Shown.of(echo, model)
