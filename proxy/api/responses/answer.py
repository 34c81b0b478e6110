"""Makes the encoder of one exchange of the Responses API out of its request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from ...transform.edited import fields_of
from .encoder import EncoderOptions, ResponsesEncoder
from .ids import new_response_id
from .made_ids import made_id
from .request import ResponsesRequest
from .snapshot import Snapshot

if TYPE_CHECKING:
    from ...exchange import Exchange


def responses_encoder(exchange: Exchange) -> ResponsesEncoder:
    """Returns the encoder for an exchange whose client speaks the Responses API."""
    request = cast(ResponsesRequest, exchange.request)
    if exchange.response_id is None:
        exchange.response_id = new_response_id()
    echo = request.echo()
    echo["store"] = echo["store"] and exchange.keeps
    snapshot = Snapshot(
        echo,
        response_id=exchange.response_id,
        created_at=int(exchange.timing.wall),
        model=exchange.asked_model or request.model,
        changed=fields_of(exchange),
    )
    translate = exchange.translate
    reasoning = translate.reasoning if translate is not None else "auto"
    if reasoning == "auto":
        settings = request.reasoning
        reasoning = "summary" if settings.summary or settings.generate_summary else "content"
    stream_options = request.get("stream_options")
    return ResponsesEncoder(
        snapshot,
        item_id=partial(made_id, exchange.response_id),
        options=EncoderOptions(
            reasoning=reasoning,
            logprobs=request.wants("message.output_text.logprobs") or bool(request.value("top_logprobs")),
            obfuscation=isinstance(stream_options, dict) and stream_options.get("include_obfuscation") is True,
            done_marker=translate is None or translate.done_marker,
            show_sealed=request.wants("reasoning.encrypted_content"),
            hold_end=exchange.is_remembered,
            keep_log=exchange.keeps_log,
        ),
    )
