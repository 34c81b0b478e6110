"""Tells how many tokens a request's input is, without asking for an answer."""

from __future__ import annotations

import asyncio
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
_PATIENCE_S = 10.0


async def counted(exchange: Exchange, deployment: Deployment, patience_s: float = _PATIENCE_S) -> Reply:
    """Returns the count as the deployment's tokenizer has it, else as it is estimated here; a header says which.

    An upstream that does not answer in time is not waited for: who counts is about to ask. Raises BadRequest for a
    request that the upstream could not be asked.
    """
    request = exchange.request
    assert isinstance(request, ResponsesRequest)
    tokens: int | None = None
    try:
        async with asyncio.timeout(patience_s):
            tokens = await deployment.provider.count_tokens(exchange, deployment.model)
    except (UpstreamError, TimeoutError) as error:
        reason = str(error) or f"it took longer than {patience_s:g} s"
        _log.warning("exchange %s: %s cannot count tokens: %s", exchange.id, deployment.name, reason)
    known = tokens if tokens is not None else request_tokens(request)
    reply = Reply.json({"object": "response.input_tokens", "input_tokens": known})
    if tokens is None:
        reply.headers["x-penstock-estimated"] = "true"
    return reply
