"""A client that signs what it sends, the moment before it is sent.

AWS refuses keys that have run out and clocks that are wrong. Both can be mended: by looking for the keys again, and by
the time that the refusal itself bears. Then the request is sent once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ...errors import UpstreamRefused, UpstreamTimeout
from ...upstream.client import Timeouts, UpstreamClient, UpstreamRequest, UpstreamResponse
from .address import region_in
from .credentials import Keys, KeySource, NoKeys
from .errors import STALE, kind_of
from .signing import signed

_log = logging.getLogger("penstock")

_REFUSALS = (400, 401, 403)
_SKEW = timedelta(minutes=4)
"""How far a clock may be off; AWS takes five minutes."""
_LOOKUP_S = 30.0


def _now() -> datetime:
    return datetime.now(UTC)


class SigningClient:
    """Signs for the region that the host of a request names, else for `region`. `name` is the upstream's."""

    def __init__(
        self,
        name: str,
        client: UpstreamClient,
        source: KeySource,
        region: str,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._name = name
        self._client = client
        self._source = source
        self._region = region
        self._now = now
        self._ahead = timedelta()  # how far the upstream's clock is ahead of ours

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Signs and sends a request; raises UpstreamRefused without keys, and what the client raises."""
        keys = await self._keys()
        response = await self._client.send(self._signed(request, keys), timeouts)
        if response.status not in _REFUSALS or kind_of(response.headers, b"") not in STALE:
            return response
        try:
            mended = self._set_clock(response.headers) or await self._renewed(keys)
        except BaseException:
            response.close()
            raise
        if not mended:
            return response
        response.close()
        return await self._client.send(self._signed(request, await self._keys()), timeouts)

    async def close(self) -> None:
        """Closes all connections."""
        await self._source.close()
        await self._client.close()

    def _signed(self, request: UpstreamRequest, keys: Keys) -> UpstreamRequest:
        return signed(request, keys, region_in(request.url) or self._region, self._now() + self._ahead)

    async def _keys(self) -> Keys:
        try:
            async with asyncio.timeout(_LOOKUP_S):
                return await self._source.keys()
        except NoKeys as error:
            _log.warning("upstream %s: %s", self._name, error)  # it may name users and accounts
            raise self._refused() from None
        except TimeoutError:
            message = f'upstream "{self._name}": no credentials of AWS were found within {_LOOKUP_S:g} s'
            raise UpstreamTimeout(message, phase="connect") from None

    async def _renewed(self, keys: Keys) -> bool:
        try:
            async with asyncio.timeout(_LOOKUP_S):
                return await self._source.renew(keys)
        except (NoKeys, TimeoutError):
            return False  # the refusal says more

    def _set_clock(self, headers: Mapping[str, str]) -> bool:
        """Takes over the upstream's clock where ours is wrong; tells whether it was."""
        try:
            theirs = parsedate_to_datetime(headers.get("date", ""))
        except (ValueError, TypeError, IndexError, OverflowError):
            return False
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=UTC)
        ahead = theirs - self._now()
        if abs(ahead - self._ahead) < _SKEW:
            return False
        _log.warning("upstream %s: the clock here is %.0f s off; requests are signed for the time there", self._name,
                     -ahead.total_seconds())  # fmt: skip
        self._ahead = ahead
        return True

    def _refused(self) -> UpstreamRefused:
        message = f'upstream "{self._name}" has no credentials of AWS that it could use; the log says why'
        refused = UpstreamRefused(message, code="upstream_auth")
        refused.upstream = self._name
        refused.fail_over = True
        return refused
