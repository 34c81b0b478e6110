import asyncio

import pytest

from proxy.errors import UpstreamRefused, UpstreamTimeout
from proxy.providers.vertex import client as module
from proxy.providers.vertex.address import UNKNOWN_PROJECT
from proxy.providers.vertex.client import TokenClient
from proxy.providers.vertex.credentials import NoCredentials, Token, Tokens
from proxy.upstream.client import Timeouts, UpstreamRequest
from tests.support.scripted import ScriptedResponse

LIMITS = Timeouts()
URL = f"https://x.example/v1/projects/{UNKNOWN_PROJECT}/locations/global"


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

    return Tokens(fetch)


async def sent(inner, tokens):
    request = UpstreamRequest(method="POST", url=URL, headers={"x": "1"}, body=b"{}")
    response = await TokenClient("v", inner, tokens).send(request, LIMITS)
    assert request.headers == {"x": "1"}
    return response.status, [one.headers["authorization"] for one in inner.requests]


async def test_every_request_has_a_token_and_a_project():
    inner = Inner(200)
    assert await sent(inner, bank()) == (200, ["Bearer token-1"])
    assert inner.requests[0].url == "https://x.example/v1/projects/p-1/locations/global"
    assert inner.requests[0].body == b"{}"


async def test_a_token_that_is_refused_is_renewed_once():
    inner = Inner(401, 200)
    assert await sent(inner, bank()) == (200, ["Bearer token-1", "Bearer token-2"])
    assert inner.responses[0].closed.is_set()
    assert await sent(Inner(401, 401), bank()) == (401, ["Bearer token-1", "Bearer token-2"])


async def test_a_refusal_stands_where_there_is_no_other_token():
    inner = Inner(401)
    assert await sent(inner, bank(fails_after=1)) == (401, ["Bearer token-1"])
    assert not inner.responses[0].closed.is_set()


async def test_without_credentials_the_upstream_is_not_asked():
    inner = Inner()
    with pytest.raises(UpstreamRefused) as caught:
        await sent(inner, bank(fails_after=0))
    error = caught.value
    assert error.message == 'upstream "v": no credentials of Google Cloud: they are away'
    assert (error.status, error.code, error.fail_over, error.retry_same) == (502, "upstream_auth", True, False)


async def test_without_a_project_one_is_told_to_set_it():
    with pytest.raises(UpstreamRefused, match="set project"):
        await sent(Inner(200), bank(project=None))


async def test_a_look_up_has_an_end(monkeypatch):
    class Never(Tokens):
        async def token(self):
            await asyncio.Event().wait()

    monkeypatch.setattr(module, "_LOOKUP_S", 0.01)
    with pytest.raises(UpstreamTimeout, match="no token of Google Cloud"):
        await sent(Inner(), Never(lambda: None))


async def test_who_is_cancelled_while_a_token_is_renewed_leaves_nothing_open():
    class Stuck(Tokens):
        async def renew(self, refused):
            reached.set()
            await asyncio.Event().wait()

    reached = asyncio.Event()
    inner = Inner(401)
    tokens = Stuck(lambda: Token("t", 4e9, "p"))
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
