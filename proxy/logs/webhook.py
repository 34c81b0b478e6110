"""The way to a server that takes batches by POST."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

import aiohttp

from ..redact import redact
from .delivery import DeliveryFailed

_LATER = (401, 403, 404, 407, 408, 409, 423, 425, 429)
"""Refusals that may pass, or that somebody will mend."""
SIGNATURE = "x-penstock-signature"


class WebhookSender:
    """Posts batches. `idempotency-key` is the batch's name: the same at every try.

    A batch that is refused as wrong (another 4xx than those above) is not posted again.
    """

    def __init__(self, url: str, content_type: str, headers: Mapping[str, str], secret: str | None = None) -> None:
        self.where = redact(url.partition("?")[0])
        self._url = url
        self._headers = {**headers, "content-type": content_type}
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Makes the session; connections come with the first batch."""
        self._session = aiohttp.ClientSession(auto_decompress=True)

    async def send(self, name: str, body: bytes) -> None:
        """Posts a batch; raises DeliveryFailed."""
        assert self._session is not None
        headers = {**self._headers, "idempotency-key": name}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body, int(time.time()))
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
                await answer.content.read(64 * 1024)  # so that the connection can be used again
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryFailed(str(error) or type(error).__name__) from error
        if status >= 300:
            raise DeliveryFailed(f"it answered {status}", refused=400 <= status < 500 and status not in _LATER)

    async def close(self) -> None:
        """Closes connections."""
        if self._session is not None:
            await self._session.close()


def signature(secret: str, body: bytes, seconds: int) -> str:
    """Returns the signature of a body sent at a Unix time: `t=SECONDS,v1=HEX`."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"
