"""Requests get a token the moment before they are sent, and another one when it is refused."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import UpstreamRefused, UpstreamTimeout
from proxy.providers import token_client as module
from proxy.providers.access_tokens import NoCredentials, Token, Tokens
from proxy.providers.token_client import TokenClient
from proxy.upstream.client import Timeouts, Upload, UpstreamRequest
from tests.support.hostile import until
from tests.support.scripted import ScriptedResponse

LIMITS = Timeouts()
URL = "https://x.example/v1/chat"


class Inner:
    """Answers with these statuses in turn, and notes the requests."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.requests = []
        self.responses = []
        self.closed = False

    async def send(self, request, timeouts):
        assert timeouts is LIMITS
        self.requests.append(request)
        self.responses.append(ScriptedResponse(self.statuses.pop(0), {}, []))
        return self.responses[-1]

    async def close(self):
        self.closed = True


def bank(project="p-1", fails_after=99):
    made = []

    def fetch():
        if len(made) == fails_after:
            raise NoCredentials("they are away")
        made.append(Token(f"token-{len(made) + 1}", 4e9, project))
        return made[-1]

    return Tokens(fetch, "the bank")


async def sent(inner, tokens):
    request = UpstreamRequest(method="POST", url=URL, headers={"x": "1"}, body=b"{}")
    response = await TokenClient("v", inner, tokens).send(request, LIMITS)
    assert request.headers == {"x": "1"}
    return response.status, [one.headers["authorization"] for one in inner.requests]


async def test_every_request_has_a_token():
    inner = Inner(200)
    assert await sent(inner, bank()) == (200, ["Bearer token-1"])
    assert (inner.requests[0].url, inner.requests[0].body) == (URL, b"{}")


async def test_a_token_that_is_refused_is_renewed_once():
    inner = Inner(401, 200)
    assert await sent(inner, bank()) == (200, ["Bearer token-1", "Bearer token-2"])
    assert inner.responses[0].closed.is_set()
    assert await sent(Inner(401, 401), bank()) == (401, ["Bearer token-1", "Bearer token-2"])


async def test_an_upload_is_not_sent_twice():
    async def pieces():
        yield b"x"

    inner = Inner(401)
    request = UpstreamRequest(method="POST", url=URL, headers={}, upload=Upload(pieces()))
    assert (await TokenClient("v", inner, bank()).send(request, LIMITS)).status == 401
    assert inner.requests[0].upload is request.upload


async def test_a_refusal_stands_where_there_is_no_other_token():
    inner = Inner(401)
    assert await sent(inner, bank(fails_after=1)) == (401, ["Bearer token-1"])
    assert not inner.responses[0].closed.is_set()


async def test_without_credentials_the_upstream_is_not_asked():
    inner = Inner()
    with pytest.raises(UpstreamRefused) as caught:
        await sent(inner, bank(fails_after=0))
    error = caught.value
    assert error.message == 'upstream "v": no credentials of the bank: they are away'
    assert (error.status, error.code, error.fail_over, error.retry_same) == (502, "upstream_auth", True, False)


async def test_a_look_up_has_an_end(monkeypatch):
    class Never(Tokens):
        async def token(self):
            await asyncio.Event().wait()

    monkeypatch.setattr(module, "_LOOKUP_S", 0.01)
    with pytest.raises(UpstreamTimeout, match="no token of the bank"):
        await sent(Inner(), Never(lambda: None, "the bank"))


async def test_who_is_cancelled_while_a_token_is_renewed_leaves_nothing_open():
    class Stuck(Tokens):
        async def renew(self, refused):
            reached.set()
            await asyncio.Event().wait()

    reached = asyncio.Event()
    inner = Inner(401)
    tokens = Stuck(lambda: Token("t", 4e9, "p"), "the bank")
    sending = asyncio.create_task(sent(inner, tokens))
    await reached.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert inner.responses[0].closed.is_set()


async def test_closing_closes_the_connections():
    inner = Inner()
    await TokenClient("v", inner, bank()).close()
    assert inner.closed


async def test_the_first_token_may_be_looked_for_before_the_first_request():
    tokens = bank()
    client = TokenClient("v", Inner(200), tokens)
    client.prepare()
    await until(lambda: tokens._token is not None)
    assert (await tokens.token()).text == "token-1"
