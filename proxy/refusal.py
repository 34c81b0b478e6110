"""An upstream's answer that is an error, read and raised."""

from __future__ import annotations

import asyncio

from .errors import UpstreamError
from .providers.provider import Provider
from .upstream.client import UpstreamResponse

_MAX_ERROR_BODY = 256 * 1024
_ERROR_BODY_S = 10.0


async def raise_for_status(provider: Provider, response: UpstreamResponse) -> None:
    """Raises what the provider makes of an error status; returns for any other."""
    if not 200 <= response.status < 300:
        raise provider.error(response.status, response.headers, await _error_body(response))


async def _error_body(response: UpstreamResponse) -> bytes:
    """Returns what an upstream says about its error; nothing when it cannot be had, for the status says enough."""
    try:
        async with asyncio.timeout(_ERROR_BODY_S):
            return await response.read(_MAX_ERROR_BODY)
    except (UpstreamError, TimeoutError):
        return b""
