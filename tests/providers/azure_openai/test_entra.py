"""Tokens of Entra ID: from the machine's identity and from a secret, by Azure's own library against fake servers."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from urllib.parse import parse_qs

import pytest
import trustme

from proxy.config.types import Mistake, Secret
from proxy.providers.access_tokens import NoCredentials, Tokens
from proxy.providers.azure_openai.entra import OF, SCOPE, Entra, fetcher
from tests.support.azure import Azure, Identity, said
from tests.support.fixtures import ROOT
from tests.support.hostile import HostileUpstream, until

TENANT = "11111111-2222-3333-4444-555555555555"
SECRET = {"use": "client-secret", "tenant_id": TENANT, "client_id": "app-1", "client_secret": Secret("hush")}


@pytest.fixture
def bare(monkeypatch):
    """Takes away whatever this machine says of Azure, and lets a fake identity be set."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "MSI_ENDPOINT",
                 "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_the_identity_of_the_machine(bare):
    async with Identity() as identity:
        bare.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        token = await Tokens(fetcher(Entra(use="managed-identity", client_id="id-1")), OF).token()
    assert token.text == "token-1"
    assert token.expires == pytest.approx(time.time() + 3600, abs=60)
    (asked,) = identity.azure.asked
    assert asked.query["resource"] == [SCOPE.removesuffix("/.default")]
    assert asked.query["client_id"] == ["id-1"]


async def test_a_refused_token_is_not_had_from_a_cache_again(bare):
    async with Identity() as identity:
        bare.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        tokens = Tokens(fetcher(Entra(use="managed-identity")), OF)
        assert (await tokens.renew(await tokens.token())).text == "token-2"


async def test_tokens_are_renewed_ahead_of_their_end(bare):
    async with Identity(lasts_s=100) as identity:
        bare.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        tokens = Tokens(fetcher(Entra(use="managed-identity")), OF)
        assert (await tokens.token()).text == "token-1"
        assert (await tokens.token()).text == "token-1"
        await until(lambda: identity.count == 2)
        await until(lambda: tokens._work is None)


async def test_an_identity_that_is_not_there(bare):
    async with Identity(refuses=True) as identity:
        bare.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        with pytest.raises(NoCredentials):
            await Tokens(fetcher(Entra(use="managed-identity")), OF).token()


class Authority:
    """What stands at login.microsoftonline.com, over TLS: gives tokens for the secret `hush`."""

    def __init__(self):
        self.ca = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1").configure_cert(context)
        self.azure = Azure(self.answer)
        self.azure.upstream = HostileUpstream(self.azure._script, tls=context)
        self.forms = []

    def answer(self, asked):
        if asked.path.endswith("/.well-known/openid-configuration"):
            base = f"{self.azure.origin}/{TENANT}"
            return said(
                {
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0",
                }
            )
        form = parse_qs(asked.body.decode())
        self.forms.append(form)
        if form["client_secret"] != ["hush"]:
            error = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
            return said(error, 401)
        return said({"access_token": "token-of-app", "expires_in": 3599, "token_type": "Bearer"})


async def test_the_secret_of_an_application(bare, tmp_path):
    authority = Authority()
    bundle = tmp_path / "ca.pem"
    authority.ca.cert_pem.write_to_path(str(bundle))
    bare.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    async with authority.azure as azure:
        token = await Tokens(fetcher(Entra(**SECRET, authority=azure.origin)), OF).token()
        assert token.text == "token-of-app"
        (form,) = authority.forms
        assert (form["grant_type"], form["client_id"]) == (["client_credentials"], ["app-1"])
        assert form["scope"] == [SCOPE]
        wrong = Entra(**{**SECRET, "client_secret": Secret("nonsense")}, authority=azure.origin)
        with pytest.raises(NoCredentials, match="AADSTS7000215"):
            await Tokens(fetcher(wrong), OF).token()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"use": "client-secret", "client_id": "a"}, "needs tenant_id, client_id and client_secret"),
        ({"client_secret": Secret("s")}, "takes no client_secret"),
    ],
)
def test_what_is_refused(settings, what):
    with pytest.raises(Mistake, match=what):
        Entra(**settings)


@pytest.mark.parametrize("use", ["default", "managed-identity", "azure-cli"])
async def test_without_the_library_one_is_told_what_to_install(monkeypatch, use):
    monkeypatch.setitem(sys.modules, "azure.core.exceptions", None)
    with pytest.raises(NoCredentials, match=r"pip install 'penstock\[azure\]'"):
        await Tokens(fetcher(Entra(use=use)), OF).token()


async def test_workload_identity_without_its_file(bare):
    with pytest.raises(NoCredentials):
        await Tokens(fetcher(Entra(use="workload-identity")), OF).token()


def test_nothing_of_azures_is_imported_until_a_token_is_needed():
    code = """
import sys, json
from proxy.providers.azure_openai.provider import AzureOpenAI, AzureOpenAIConfig
from proxy.providers.azure_openai.entra import Entra
AzureOpenAI("a", AzureOpenAIConfig(base_url="https://a.example", entra=Entra()))
print(json.dumps([name for name in sys.modules if name.partition(".")[0] in ("azure", "msal", "requests")]))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(run.stdout) == []
