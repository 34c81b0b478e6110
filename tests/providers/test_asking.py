"""Short questions to an upstream."""

from __future__ import annotations

import pytest

from proxy.errors import UpstreamRefused, UpstreamUnreachable
from proxy.providers.asking import ask
from proxy.upstream.client import UpstreamRequest
from tests.support.scripted import ScriptedProvider, body, fails

QUESTION = UpstreamRequest(method="GET", url="http://scripted/models", headers={})


async def test_the_body_is_what_was_asked_for() -> None:
    assert await ask(ScriptedProvider("up", body(b'{"data":[]}')), QUESTION) == b'{"data":[]}'


async def test_an_error_is_raised_as_the_provider_maps_it() -> None:
    with pytest.raises(UpstreamRefused, match="status 403"):
        await ask(ScriptedProvider("up", body(b"no", status=403)), QUESTION)
    failure = UpstreamUnreachable("nobody there")
    with pytest.raises(UpstreamUnreachable, match="nobody there"):
        await ask(ScriptedProvider("up", fails(failure)), QUESTION)
