"""Tells how many tokens a request's input is, without asking for an answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .api.responses.request import ResponsesRequest
from .errors import UpstreamError
from .providers.provider import Deployment
from .reply import Reply
from .tokens import request_tokens

if TYPE_CHECKING:
    from .exchange import Exchange

_log = logging.getLogger("penstock")


async def counted(exchange: Exchange, deployment: Deployment) -> Reply:
    """Returns the count as the deployment's tokenizer has it, else as it is estimated here; a header says which.

    Raises BadRequest for a request that the upstream could not be asked.
    """
    request = exchange.request
    assert isinstance(request, ResponsesRequest)
    tokens: int | None = None
    try:
        tokens = await deployment.provider.count_tokens(exchange, deployment.model)
    except UpstreamError as error:
        _log.warning("exchange %s: %s cannot count tokens: %s", exchange.id, deployment.name, error)
    known = tokens if tokens is not None else request_tokens(request)
    reply = Reply.json({"object": "response.input_tokens", "input_tokens": known})
    if tokens is None:
        reply.headers["x-penstock-estimated"] = "true"
    return reply
