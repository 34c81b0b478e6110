import asyncio
import base64
import json
import subprocess
import sys
import threading

import pytest

from proxy.providers.vertex.credentials import NoCredentials, Token, Tokens, fetcher
from tests.support.fixtures import ROOT
from tests.support.google_accounts import GRANT, TokenServer
from tests.support.hostile import until


class Bank:
    """Makes tokens that last for an hour of a clock that stands until it is moved; may be told to wait or to fail."""

    def __init__(self):
        self.time = 1000.0
        self.made = 0
        self.error = None
        self.gate = threading.Event()
        self.gate.set()
        self.tokens = Tokens(self.fetch, lambda: self.time)

    def fetch(self):
        assert self.gate.wait(5)
        if self.error is not None:
            raise NoCredentials(self.error)
        self.made += 1
        return Token(f"token-{self.made}", self.time + 3600)

    async def ask(self):
        return (await self.tokens.token()).text


async def test_one_token_serves_until_shortly_before_its_end():
    bank = Bank()
    assert [await bank.ask(), await bank.ask()] == ["token-1", "token-1"]
    bank.time += 3300
    assert await bank.ask() == "token-1"
    assert bank.made == 1


async def test_the_first_token_may_be_looked_for_before_anybody_asks():
    bank = Bank()
    bank.tokens.prepare()
    bank.tokens.prepare()
    assert await bank.ask() == "token-1"
    bank.tokens.prepare()
    assert bank.made == 1


async def test_a_first_token_that_is_not_there_is_told_to_the_log(caplog):
    bank = Bank()
    bank.error = "no key of that name"
    bank.tokens.prepare()
    await until(lambda: bank.tokens._work is None)
    assert "no key of that name" in caplog.text
    bank.error = None
    assert await bank.ask() == "token-1"


async def test_many_that_ask_at_once_wait_for_one_look_up():
    bank = Bank()
    bank.gate.clear()
    asking = [asyncio.create_task(bank.ask()) for _ in range(20)]
    await asyncio.sleep(0)
    bank.gate.set()
    assert set(await asyncio.gather(*asking)) == {"token-1"}
    assert bank.made == 1


async def test_a_token_is_renewed_ahead_of_its_end_and_nobody_waits():
    bank = Bank()
    await bank.ask()
    bank.time += 3400
    bank.gate.clear()
    assert [await bank.ask(), await bank.ask()] == ["token-1", "token-1"]
    bank.gate.set()
    await until(lambda: bank.made == 2)
    await until(lambda: bank.tokens._work is None)
    assert await bank.ask() == "token-2"


async def test_a_token_at_its_end_is_used_no_more():
    bank = Bank()
    await bank.ask()
    bank.time += 3590
    assert await bank.ask() == "token-2"


async def test_a_renewal_that_fails_ahead_of_time_is_tried_again_later(caplog):
    bank = Bank()
    await bank.ask()
    bank.time += 3400
    bank.error = "the server of tokens is away"
    assert await bank.ask() == "token-1"
    await until(lambda: bank.tokens._work is None)
    assert "the server of tokens is away" in caplog.text
    bank.error = None
    assert await bank.ask() == "token-1"
    assert bank.tokens._work is None
    bank.time += 31
    await bank.ask()
    await until(lambda: bank.made == 2)


async def test_without_a_token_the_failure_is_told_and_the_next_one_asks_again():
    bank = Bank()
    bank.error = "no"
    with pytest.raises(NoCredentials, match="no"):
        await bank.ask()
    bank.error = None
    assert await bank.ask() == "token-1"


async def test_a_refused_token_is_renewed_once_for_all():
    bank = Bank()
    refused = await bank.tokens.token()
    renewed = await asyncio.gather(*(bank.tokens.renew(refused) for _ in range(5)))
    assert {token.text for token in renewed} == {"token-2"}
    assert (await bank.tokens.renew(refused)).text == "token-2"
    assert bank.made == 2


async def test_who_stops_waiting_stops_nobody_else():
    bank = Bank()
    bank.gate.clear()
    first, second = asyncio.create_task(bank.ask()), asyncio.create_task(bank.ask())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    bank.gate.set()
    assert await second == "token-1"


async def test_closing_ends_what_is_under_way():
    bank = Bank()
    bank.gate.clear()
    asking = asyncio.create_task(bank.ask())
    await asyncio.sleep(0)
    await bank.tokens.close()
    bank.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await Tokens(bank.fetch).close()


async def test_a_service_account_gets_its_tokens_off_the_loop():
    async with TokenServer() as server:
        token = await Tokens(fetcher(server.account())).token()
    assert (token.text, token.project) == ("token-1", "my-project")
    (form,) = server.asked
    assert form["grant_type"] == [GRANT]
    claims = form["assertion"][0].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert said["iss"] == "me@my-project.iam.gserviceaccount.com"


async def test_tokens_end_when_the_server_says_so():
    async with TokenServer(expires_in=100) as server:
        tokens = Tokens(fetcher(server.account()))
        assert (await tokens.token()).text == "token-1"
        assert (await tokens.token()).text == "token-1"
        await until(lambda: len(server.asked) == 2)


async def test_application_default_credentials(monkeypatch, tmp_path):
    async with TokenServer() as server:
        path = tmp_path / "adc.json"
        path.write_text(server.account("of-the-file"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        token = await Tokens(fetcher(None)).token()
    assert (token.text, token.project) == ("token-1", "of-the-file")


async def test_a_server_that_refuses():
    async with TokenServer(refuses=True) as server:
        with pytest.raises(NoCredentials, match="invalid_grant"):
            await Tokens(fetcher(server.account())).token()


@pytest.mark.parametrize("account", ['{"type":"service_account"}', '{"type":"nonsense"}'])
async def test_credentials_that_cannot_be_used(account):
    with pytest.raises(NoCredentials):
        await Tokens(fetcher(account)).token()


async def test_a_file_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(NoCredentials, match=r"none\.json"):
        await Tokens(fetcher(None)).token()


async def test_without_the_library_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.auth.transport.requests", None)
    with pytest.raises(NoCredentials, match="pip install"):
        await Tokens(fetcher(None)).token()


def test_nothing_of_googles_is_imported_until_a_token_is_needed():
    code = "import sys, proxy.providers.registry; sys.exit(any(name.startswith('google') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
