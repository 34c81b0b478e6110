"""Asks an upstream for something short that is no answer to an exchange: its models, a count of tokens."""

from __future__ import annotations

from ..upstream.client import UpstreamRequest
from .provider import Provider

_MAX_BODY = 8 * 1024 * 1024  # bytes


async def ask(provider: Provider, request: UpstreamRequest) -> bytes:
    """Returns the body of the answer; raises UpstreamError, also for an answer that is one."""
    response = await provider.client.send(request, provider.timeouts)
    try:
        body = await response.read(_MAX_BODY)
    finally:
        response.close()
    if not 200 <= response.status < 300:
        raise provider.error(response.status, response.headers, body)
    return body
