"""Where keys come from: given, found in a thread, renewed ahead of their end, looked for once however many wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from proxy.providers.bedrock.credentials import FoundKeys, GivenKeys, Keys, NoKeys, find_keys
from tests.support.hostile import HostileUpstream, Peer, fixed, until

START = datetime(2026, 11, 21, tzinfo=UTC)
GIVEN = Keys("AK", "SK", "T")
VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)  # fmt: skip


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def go(self, **more: float) -> None:
        """Lets time pass."""
        self.time += timedelta(**more)


class Issuer:
    """Issues keys `AK1`, `AK2`... that are good for an hour of its clock; fails while `error` is set."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.issued = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[int] = set()

    def issue(self) -> dict[str, Any]:
        """Returns fresh keys."""
        self.threads.add(threading.get_ident())
        assert self.gate.wait(5)
        if self.error is not None:
            raise self.error
        self.issued += 1
        ends = (self.clock.time + timedelta(hours=1)).isoformat()
        number = self.issued
        return {"access_key": f"AK{number}", "secret_key": "SK", "token": f"T{number}", "expiry_time": ends}

    def find(self) -> RefreshableCredentials:
        """Returns credentials as botocore's chain does."""
        first = self.issue()
        ends = datetime.fromisoformat(first["expiry_time"])
        found: RefreshableCredentials = RefreshableCredentials(
            first["access_key"], first["secret_key"], first["token"], ends, self.issue, "test", time_fetcher=self.clock
        )
        return found


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_given_keys_are_all_there_is() -> None:
    source = GivenKeys(GIVEN)
    assert await source.keys() == GIVEN
    assert await source.renew(GIVEN) is False
    await source.close()


async def test_keys_are_found_once_and_not_on_the_loop(issuer: Issuer) -> None:
    source = FoundKeys(issuer.find)
    found = await asyncio.gather(*(source.keys() for _ in range(20)))
    assert set(found) == {Keys("AK1", "SK", "T1")}
    assert issuer.issued == 1
    assert threading.get_ident() not in issuer.threads


async def test_the_loop_goes_on_while_keys_are_looked_for(issuer: Issuer) -> None:
    issuer.gate.clear()
    source = FoundKeys(issuer.find)
    waiting = asyncio.create_task(source.keys())
    await until(lambda: issuer.threads)
    assert not waiting.done()
    issuer.gate.set()
    assert (await waiting).access_key == "AK1"


async def test_a_waiter_that_leaves_takes_nothing_from_the_others(issuer: Issuer) -> None:
    issuer.gate.clear()
    source = FoundKeys(issuer.find)
    first, second = asyncio.create_task(source.keys()), asyncio.create_task(source.keys())
    await until(lambda: issuer.threads)
    first.cancel()
    await asyncio.sleep(0)
    issuer.gate.set()
    assert (await second).access_key == "AK1"
    assert first.cancelled()


async def test_keys_are_renewed_ahead_of_their_end_while_the_old_ones_serve(issuer: Issuer) -> None:
    source = FoundKeys(issuer.find)
    await source.keys()
    issuer.clock.go(minutes=44)
    assert (await source.keys()).access_key == "AK1"
    assert issuer.issued == 1
    issuer.clock.go(minutes=2)
    issuer.gate.clear()
    assert (await source.keys()).access_key == "AK1"  # at once, though new ones are being fetched
    issuer.gate.set()
    await until(lambda: issuer.issued == 2)
    await until(lambda: source._work is None)
    assert (await source.keys()).access_key == "AK2"


async def test_keys_at_their_end_are_waited_for(issuer: Issuer) -> None:
    source = FoundKeys(issuer.find)
    await source.keys()
    issuer.clock.go(minutes=59, seconds=30)
    assert (await source.keys()).access_key == "AK2"


async def test_a_failed_renewal_costs_nothing_while_the_old_keys_are_good(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    source = FoundKeys(issuer.find)
    await source.keys()
    issuer.clock.go(minutes=55)
    issuer.error = CredentialRetrievalError(provider="test", error_msg="gone")
    assert (await source.keys()).access_key == "AK1"
    await until(lambda: "could not be renewed" in caplog.text)
    for _ in range(5):
        assert (await source.keys()).access_key == "AK1"
    assert source._work is None  # it is not tried again with each request
    issuer.clock.go(minutes=6)
    with pytest.raises(NoKeys, match="gone"):
        await source.keys()
    issuer.error = None
    assert (await source.keys()).access_key == "AK2"


async def test_refused_keys_are_looked_for_again_once(issuer: Issuer) -> None:
    source = FoundKeys(issuer.find)
    refused = await source.keys()
    assert await asyncio.gather(*(source.renew(refused) for _ in range(5))) == [True] * 5
    assert issuer.issued == 2
    assert (await source.keys()).access_key == "AK2"
    assert await source.renew(refused) is True  # found meanwhile
    assert issuer.issued == 2


async def test_the_same_keys_again_are_no_others() -> None:
    source = FoundKeys(lambda: Credentials("AK", "SK"))
    assert await source.renew(await source.keys()) is False


async def test_no_credentials_at_all() -> None:
    with pytest.raises(NoKeys, match="no credentials were found"):
        await FoundKeys(lambda: None).keys()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hides this machine's credentials of AWS; returns where its shared files would be."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def found(given: Keys | None = None, profile: str | None = None, role: dict[str, str] | None = None) -> FoundKeys:
    """Returns the source for those settings."""
    return FoundKeys(find_keys(given, profile=profile, role=role, region="us-east-1"))


async def test_the_chain_finds_the_environment(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVAK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ENVSK")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "ENVT")
    assert await found().keys() == Keys("ENVAK", "ENVSK", "ENVT")


async def test_the_chain_finds_profiles_and_sees_new_keys_in_them(alone: Path) -> None:
    file = alone / "credentials"
    file.write_text("[work]\naws_access_key_id = PAK\naws_secret_access_key = PSK\n")
    source = found(profile="work")
    first = await source.keys()
    assert first == Keys("PAK", "PSK")
    assert await source.renew(first) is False
    file.write_text("[work]\naws_access_key_id = PAK2\naws_secret_access_key = PSK\n")
    assert await source.renew(first) is True
    assert (await source.keys()).access_key == "PAK2"


async def test_what_is_missing_is_said(alone: Path) -> None:
    with pytest.raises(NoKeys, match="no credentials were found"):
        await found().keys()
    with pytest.raises(NoKeys, match="work"):
        await found(profile="work").keys()


def sts(answer: Callable[[bytes], bytes]) -> Any:
    """Returns a script that answers as STS does."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.send(answer(await peer.request()))

    return script


ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ROLEAK</AccessKeyId><SecretAccessKey>ROLESK</SecretAccessKey><SessionToken>ROLET</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:p</AssumedRoleId>
<Arn>arn:aws:sts::123456789012:assumed-role/r/p</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"""
ROLE = {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "penstock", "ExternalId": "them"}


async def test_a_role_is_taken_on(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return fixed(ASSUMED.encode(), headers="content-type: text/xml\r\n")

    async with HostileUpstream(sts(answer)) as upstream:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", upstream.origin)
        assert await found(GIVEN, role=ROLE).keys() == Keys("ROLEAK", "ROLESK", "ROLET")
    assert b"Credential=AK/" in asked[0]
    assert b"/us-east-1/sts/aws4_request" in asked[0]
    for part in (b"Action=AssumeRole", b"RoleSessionName=penstock", b"ExternalId=them"):
        assert part in asked[0]


async def test_a_role_that_is_refused(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>may not assume</Message></Error></ErrorResponse>"
    refusal = fixed(body, status=403, headers="content-type: text/xml\r\n")
    async with HostileUpstream(sts(lambda _: refusal)) as upstream:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", upstream.origin)
        with pytest.raises(NoKeys, match="may not assume"):
            await found(GIVEN, role=ROLE).keys()


async def test_closing_ends_a_lookup(issuer: Issuer) -> None:
    issuer.gate.clear()
    source = FoundKeys(issuer.find)
    waiting = asyncio.create_task(source.keys())
    await until(lambda: issuer.threads)
    await source.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    issuer.gate.set()
