"""The client of Vertex AI: every request gets a token, and where its address leaves the project open, the project."""

from __future__ import annotations

import msgspec

from ...upstream.client import UpstreamRequest
from ..access_tokens import Token
from ..token_client import TokenClient
from .address import UNKNOWN_PROJECT


class ProjectClient(TokenClient):
    """Sends requests with tokens of Google Cloud; a project that is not set is that of the credentials."""

    def signed(self, request: UpstreamRequest, token: Token) -> UpstreamRequest:
        """Returns the request with a token and a project; raises UpstreamRefused when nobody knows the project."""
        if UNKNOWN_PROJECT in request.url:
            if token.project is None:
                raise self.without("the credentials know no project: set project")
            request = msgspec.structs.replace(request, url=request.url.replace(UNKNOWN_PROJECT, token.project, 1))
        return super().signed(request, token)
