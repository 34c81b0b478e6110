import base64
import json
import subprocess
import sys

import pytest

from proxy.providers.access_tokens import NoCredentials, Tokens
from proxy.providers.vertex.credentials import OF, fetcher
from tests.support.fixtures import ROOT
from tests.support.google_accounts import GRANT, TokenServer
from tests.support.hostile import until


async def test_a_service_account_gets_its_tokens_off_the_loop():
    async with TokenServer() as server:
        token = await Tokens(fetcher(server.account()), OF).token()
    assert (token.text, token.project) == ("token-1", "my-project")
    (form,) = server.asked
    assert form["grant_type"] == [GRANT]
    claims = form["assertion"][0].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert said["iss"] == "me@my-project.iam.gserviceaccount.com"


async def test_tokens_end_when_the_server_says_so():
    async with TokenServer(expires_in=100) as server:
        tokens = Tokens(fetcher(server.account()), OF)
        assert (await tokens.token()).text == "token-1"
        assert (await tokens.token()).text == "token-1"
        await until(lambda: len(server.asked) == 2)


async def test_application_default_credentials(monkeypatch, tmp_path):
    async with TokenServer() as server:
        path = tmp_path / "adc.json"
        path.write_text(server.account("of-the-file"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        token = await Tokens(fetcher(None), OF).token()
    assert (token.text, token.project) == ("token-1", "of-the-file")


async def test_a_server_that_refuses():
    async with TokenServer(refuses=True) as server:
        with pytest.raises(NoCredentials, match="invalid_grant"):
            await Tokens(fetcher(server.account()), OF).token()


@pytest.mark.parametrize("account", ['{"type":"service_account"}', '{"type":"nonsense"}'])
async def test_credentials_that_cannot_be_used(account):
    with pytest.raises(NoCredentials):
        await Tokens(fetcher(account), OF).token()


async def test_a_file_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(NoCredentials, match=r"none\.json"):
        await Tokens(fetcher(None), OF).token()


async def test_without_the_library_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.auth.transport.requests", None)
    with pytest.raises(NoCredentials, match="pip install"):
        await Tokens(fetcher(None), OF).token()


def test_nothing_of_googles_is_imported_until_a_token_is_needed():
    code = "import sys, proxy.providers.registry; sys.exit(any(name.startswith('google') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
