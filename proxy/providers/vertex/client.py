"""A client that gives every request a token of Google Cloud, the moment before it is sent."""

from __future__ import annotations

import asyncio

from ...errors import UpstreamRefused, UpstreamTimeout
from ...upstream.client import Timeouts, UpstreamClient, UpstreamRequest, UpstreamResponse
from .address import UNKNOWN_PROJECT
from .credentials import NoCredentials, Token, Tokens

_LOOKUP_S = 40.0


class TokenClient:
    """Sends requests with tokens; one that is refused with 401 is sent once more, with another token.

    `name` is the upstream's. Where an address leaves the project open it is that of the credentials.
    """

    def __init__(self, name: str, client: UpstreamClient, tokens: Tokens) -> None:
        self._name = name
        self._client = client
        self._tokens = tokens

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Sends a request; raises UpstreamRefused without credentials, and what the client raises."""
        token = await self._token(None)
        response = await self._client.send(self._with(request, token), timeouts)
        if response.status != 401:
            return response
        try:
            token = await self._token(token)
        except (UpstreamRefused, UpstreamTimeout):
            return response  # the refusal says more
        except BaseException:
            response.close()
            raise
        response.close()
        return await self._client.send(self._with(request, token), timeouts)

    async def close(self) -> None:
        """Closes all connections."""
        await self._tokens.close()
        await self._client.close()

    async def _token(self, refused: Token | None) -> Token:
        try:
            async with asyncio.timeout(_LOOKUP_S):
                return await (self._tokens.token() if refused is None else self._tokens.renew(refused))
        except NoCredentials as error:
            raise self._without(f"no credentials of Google Cloud: {error}") from None
        except TimeoutError:
            message = f'upstream "{self._name}": no token of Google Cloud within {_LOOKUP_S:g} s'
            raise UpstreamTimeout(message, phase="connect") from None

    def _with(self, request: UpstreamRequest, token: Token) -> UpstreamRequest:
        url = request.url
        if UNKNOWN_PROJECT in url:
            if token.project is None:
                raise self._without("the credentials know no project: set project")
            url = url.replace(UNKNOWN_PROJECT, token.project, 1)
        headers = {**request.headers, "authorization": f"Bearer {token.text}"}
        return UpstreamRequest(method=request.method, url=url, headers=headers, body=request.body)

    def _without(self, reason: str) -> UpstreamRefused:
        refused = UpstreamRefused(f'upstream "{self._name}": {reason}', code="upstream_auth")
        refused.upstream = self._name
        refused.fail_over = True
        return refused
