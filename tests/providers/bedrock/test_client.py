"""SigningClient: signs what is sent, and sends again what other keys or another clock may mend."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.errors import UpstreamRefused, UpstreamUnreachable
from proxy.providers.bedrock.client import SigningClient
from proxy.providers.bedrock.credentials import Keys, NoKeys
from proxy.providers.bedrock.signing import signed
from proxy.upstream.client import Timeouts, UpstreamRequest
from tests.support.scripted import Script, ScriptedClient, ScriptedResponse, fails

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
HTTP_NOW = "Sat, 21 Nov 2026 12:00:00 GMT"
HTTP_LATER = "Sat, 21 Nov 2026 13:00:00 GMT"
REQUEST = UpstreamRequest(
    method="POST",
    url="https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
    headers={"content-type": "application/json"},
    body=b"{}",
)


class Source:
    """Gives the keys of a list, one after the other when they are refused."""

    def __init__(self, *names: str, error: NoKeys | None = None) -> None:
        self.names = list(names)
        self.error = error
        self.renewed = 0
        self.closed = False

    async def keys(self) -> Keys:
        if self.error is not None:
            raise self.error
        return Keys(self.names[0], "SK")

    async def renew(self, refused: Keys) -> bool:
        self.renewed += 1
        if len(self.names) == 1:
            return False
        self.names.pop(0)
        return True

    async def close(self) -> None:
        self.closed = True


def answers(status: int, kind: str = "", date: str = HTTP_NOW) -> Script:
    """Returns a script that answers with a status and a type."""
    headers = {"date": date, **({"x-amzn-errortype": kind} if kind else {})}
    return lambda request: ScriptedResponse(status, headers, [b"{}", None])


def made(source: Source, *scripts: Script) -> tuple[SigningClient, ScriptedClient]:
    """Returns a client over scripted answers, at noon."""
    inner = ScriptedClient(*scripts)
    return SigningClient("up", inner, source, "eu-west-1", now=lambda: NOW), inner


async def sent(source: Source, *scripts: Script) -> tuple[int, list[UpstreamRequest], ScriptedClient]:
    """Returns the last status, and all requests that were made."""
    client, inner = made(source, *scripts)
    response = await client.send(REQUEST, Timeouts())
    return response.status, inner.requests, inner


async def test_what_is_sent_is_signed_for_the_region_of_its_host() -> None:
    status, requests, _ = await sent(Source("AK"), answers(200))
    assert status == 200
    assert requests == [signed(REQUEST, Keys("AK", "SK"), "us-east-1", NOW)]
    assert "/20261121/us-east-1/bedrock/" in requests[0].headers["authorization"]


async def test_a_host_without_a_region_has_the_upstreams() -> None:
    client, inner = made(Source("AK"), answers(200))
    local = UpstreamRequest(method="POST", url="http://127.0.0.1:1/model/m/converse", headers={}, body=b"{}")
    await client.send(local, Timeouts())
    assert "/eu-west-1/bedrock/" in inner.requests[0].headers["authorization"]


@pytest.mark.parametrize("kind", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"])
async def test_refused_keys_are_looked_for_again(kind: str) -> None:
    status, requests, inner = await sent(Source("OLD", "NEW"), answers(403, kind), answers(200))
    assert status == 200
    assert ["Credential=OLD/" in requests[0].headers["authorization"],
            "Credential=NEW/" in requests[1].headers["authorization"]] == [True, True]  # fmt: skip
    assert inner.responses[0].closed.is_set()
    assert not inner.responses[1].closed.is_set()


async def test_without_others_the_refusal_stands() -> None:
    source = Source("AK")
    status, requests, inner = await sent(source, answers(403, "ExpiredTokenException"))
    assert (status, len(requests), source.renewed) == (403, 1, 1)
    assert not inner.responses[0].closed.is_set()


async def test_it_is_sent_twice_at_most() -> None:
    status, requests, _ = await sent(Source("A", "B", "C"), answers(403, "ExpiredTokenException"))
    assert (status, len(requests)) == (403, 2)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, "AccessDeniedException"), (400, "ValidationException"), (429, "ThrottlingException"), (500, ""), (403, "")],
)
async def test_other_refusals_are_left_as_they_are(status: int, kind: str) -> None:
    source = Source("A", "B")
    answered, requests, _ = await sent(source, answers(status, kind))
    assert (answered, len(requests), source.renewed) == (status, 1, 0)


async def test_a_wrong_clock_is_set_by_the_refusal(caplog: pytest.LogCaptureFixture) -> None:
    source = Source("AK")
    client, inner = made(source, answers(403, "InvalidSignatureException", HTTP_LATER), answers(200))
    with caplog.at_level(logging.WARNING, "penstock"):
        assert (await client.send(REQUEST, Timeouts())).status == 200
        assert (await client.send(REQUEST, Timeouts())).status == 200
    dates = [request.headers["x-amz-date"] for request in inner.requests]
    assert dates == ["20261121T120000Z", "20261121T130000Z", "20261121T130000Z"]
    assert source.renewed == 0
    assert caplog.text.count("3600 s off") == 1


@pytest.mark.parametrize("date", ["", "soon", "Sat, 21 Nov 2026 12:03:00 GMT"])
async def test_a_clock_that_is_right_enough_is_left_alone(date: str) -> None:
    source = Source("OLD", "NEW")
    status, requests, _ = await sent(source, answers(403, "InvalidSignatureException", date), answers(200))
    assert (status, source.renewed) == (200, 1)
    assert requests[1].headers["x-amz-date"] == "20261121T120000Z"


async def test_without_keys_nothing_is_sent_and_nothing_told(caplog: pytest.LogCaptureFixture) -> None:
    client, inner = made(Source(error=NoKeys("User arn:aws:iam::1:user/x may not")), answers(200))
    with pytest.raises(UpstreamRefused) as caught:
        await client.send(REQUEST, Timeouts())
    assert inner.requests == []
    error = caught.value
    assert (error.code, error.status, error.fail_over, error.upstream) == ("upstream_auth", 502, True, "up")
    assert "arn" not in error.message
    assert "arn:aws:iam" in caplog.text


async def test_a_refusal_is_closed_when_looking_for_others_is_broken_off() -> None:
    class Broken(Source):
        async def renew(self, refused: Keys) -> bool:
            raise KeyboardInterrupt

    client, inner = made(Broken("AK"), answers(403, "ExpiredTokenException"))
    with pytest.raises(KeyboardInterrupt):
        await client.send(REQUEST, Timeouts())
    assert inner.responses[0].closed.is_set()


async def test_keys_that_cannot_be_renewed_leave_the_refusal() -> None:
    class Broken(Source):
        async def renew(self, refused: Keys) -> bool:
            raise NoKeys("gone")

    assert (await sent(Broken("AK"), answers(403, "ExpiredTokenException")))[0] == 403


async def test_what_the_client_raises_comes_through() -> None:
    with pytest.raises(UpstreamUnreachable):
        await sent(Source("AK"), fails(UpstreamUnreachable("no route")))


async def test_a_lookup_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Source):
        async def keys(self) -> Keys:
            raise TimeoutError

    client, _ = made(Slow("AK"), answers(200))
    with pytest.raises(Exception, match="no credentials of AWS were found within") as caught:
        await client.send(REQUEST, Timeouts())
    phase: Any = caught.value
    assert phase.phase == "connect"


async def test_closing_closes_both() -> None:
    source = Source("AK")
    client, _ = made(source, answers(200))
    await client.close()
    assert source.closed
