"""A client that gives every request a token of a cloud, the moment before it is sent."""

from __future__ import annotations

import asyncio

import msgspec

from ..errors import UpstreamRefused, UpstreamTimeout
from ..upstream.client import Timeouts, UpstreamClient, UpstreamRequest, UpstreamResponse
from .access_tokens import NoCredentials, Token, Tokens

_LOOKUP_S = 40.0


class TokenClient:
    """Sends requests with tokens; one that is refused with 401 is sent once more, with another token.

    `name` is the upstream's.
    """

    def __init__(self, name: str, client: UpstreamClient, tokens: Tokens) -> None:
        self._name = name
        self._client = client
        self._tokens = tokens

    def prepare(self) -> None:
        """Begins to look for the first token, without waiting for it."""
        self._tokens.prepare()

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Sends a request; raises UpstreamRefused without credentials, and what the client raises."""
        token = await self._token(None)
        response = await self._client.send(self.signed(request, token), timeouts)
        if response.status != 401 or request.upload is not None:
            return response  # an upload is gone by now
        try:
            token = await self._token(token)
        except (UpstreamRefused, UpstreamTimeout):
            return response  # the refusal says more
        except BaseException:
            response.close()
            raise
        response.close()
        return await self._client.send(self.signed(request, token), timeouts)

    async def close(self) -> None:
        """Closes all connections."""
        await self._tokens.close()
        await self._client.close()

    def signed(self, request: UpstreamRequest, token: Token) -> UpstreamRequest:
        """Returns the request with a token."""
        headers = {**request.headers, "authorization": f"Bearer {token.text}"}
        return msgspec.structs.replace(request, headers=headers)

    def without(self, reason: str) -> UpstreamRefused:
        """Returns the error of a request that cannot be sent for want of credentials."""
        refused = UpstreamRefused(f'upstream "{self._name}": {reason}', code="upstream_auth")
        refused.upstream = self._name
        refused.fail_over = True
        return refused

    async def _token(self, refused: Token | None) -> Token:
        try:
            async with asyncio.timeout(_LOOKUP_S):
                return await (self._tokens.token() if refused is None else self._tokens.renew(refused))
        except NoCredentials as error:
            raise self.without(f"no credentials of {self._tokens.of}: {error}") from None
        except TimeoutError:
            message = f'upstream "{self._name}": no token of {self._tokens.of} within {_LOOKUP_S:g} s'
            raise UpstreamTimeout(message, phase="connect") from None
