"""Requests get a token of Google Cloud, and the project of the credentials where none is set."""

from __future__ import annotations

import pytest

from proxy.errors import UpstreamRefused
from proxy.providers.access_tokens import Token, Tokens
from proxy.providers.vertex.address import UNKNOWN_PROJECT
from proxy.providers.vertex.client import ProjectClient
from proxy.providers.vertex.credentials import OF
from proxy.upstream.client import Timeouts, UpstreamRequest
from tests.support.scripted import ScriptedClient, body

URL = f"https://x.example/v1/projects/{UNKNOWN_PROJECT}/locations/global"


async def sent(url: str, project: str | None) -> UpstreamRequest:
    """Returns the request that goes out for one to that address."""
    inner = ScriptedClient(body(b"{}"))
    client = ProjectClient("v", inner, Tokens(lambda: Token("token-1", 4e9, project), OF))
    await client.send(UpstreamRequest(method="POST", url=url, headers={"x": "1"}, body=b"{}"), Timeouts())
    (request,) = inner.requests
    return request


async def test_every_request_has_a_token_and_a_project() -> None:
    request = await sent(URL, "p-1")
    assert request.url == "https://x.example/v1/projects/p-1/locations/global"
    assert (request.headers, request.body) == ({"x": "1", "authorization": "Bearer token-1"}, b"{}")


async def test_a_project_that_is_set_needs_none_of_the_credentials() -> None:
    assert (await sent("https://x.example/p", None)).url == "https://x.example/p"


async def test_without_a_project_one_is_told_to_set_it() -> None:
    with pytest.raises(UpstreamRefused, match="set project"):
        await sent(URL, None)
