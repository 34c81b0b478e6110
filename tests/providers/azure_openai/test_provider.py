"""How OpenAI's models on Azure are asked: addresses, keys and tokens, what each deployment takes."""

from __future__ import annotations

import json

import pytest

from proxy.config.types import Secret
from proxy.errors import UpstreamRefused
from proxy.exchange import Attempt, Client, Exchange
from proxy.providers.azure_openai.config import AzureOpenAIConfig
from proxy.providers.azure_openai.entra import Entra
from proxy.providers.azure_openai.provider import AzureOpenAI
from proxy.providers.provider import Deployment
from tests.support import strict_chat
from tests.support.asked import request
from tests.support.azure import Azure, Identity, said
from tests.support.drive import chatting
from tests.support.hostile import until

HOME = "https://eu.openai.azure.com"


def upstream(**settings):
    return AzureOpenAI("az", AzureOpenAIConfig(**{"base_url": HOME, "api_key": Secret("k1"), **settings}))


def exchange(made=None):
    return Exchange("ex_1", Client("127.0.0.1", {}), made or request())


def asked(made, model="gpt-4o", **settings):
    up, one = upstream(**settings), exchange(made)
    return (up.passthrough if up.speaks(one.request.dialect, model) else up.build)(one, model)


def test_the_key_has_a_header_of_its_own():
    headers = asked(request()).headers
    assert headers["api-key"] == "k1"
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("api", "version", "made", "model", "path"),
    [
        ("auto", None, request(), "gpt-4o", "/openai/v1/responses"),
        ("auto", None, chatting("hi"), "gpt-4o", "/openai/v1/chat/completions"),
        ("auto", None, chatting("hi"), "gpt-5-codex", "/openai/v1/responses"),
        ("chat", None, request(), "gpt-4o", "/openai/v1/chat/completions"),
        ("auto", "2025-04-01-preview", request(), "gpt-4o", "/openai/responses?api-version=2025-04-01-preview"),
        ("chat", "2024-10-21", request(), "g", "/openai/deployments/g/chat/completions?api-version=2024-10-21"),
        ("responses", None, chatting("hi"), "gpt-4o", "/openai/v1/responses"),
    ],
)
def test_which_api_at_which_address(api, version, made, model, path):
    sent = asked(made, model, api=api, api_version=version)
    assert sent.url == HOME + path
    assert json.loads(sent.body)["model"] == model


def test_a_deployment_takes_what_its_model_takes():
    mine = {"base_models": {"fast": "gpt-5-mini", "code": "gpt-5-codex", "deep": "DeepSeek-V3.1"}}
    body = strict_chat.check(
        asked(request(instructions="x", max_output_tokens=50), "fast", api="chat", **mine).body, keys=strict_chat.OPENAI
    )
    assert body["messages"][0]["role"] == "developer"
    assert (body["model"], body["max_completion_tokens"]) == ("fast", 50)
    assert asked(chatting("hi"), "code", **mine).url.endswith("/responses")
    other = json.loads(asked(request(instructions="x", max_output_tokens=50), "deep", api="chat", **mine).body)
    assert (other["messages"][0]["role"], other["max_tokens"]) == ("system", 50)


def test_what_older_versions_do_not_know_is_not_sent():
    body = json.loads(asked(request(safety_identifier="u-1"), api="chat").body)
    assert (body["user"], "safety_identifier" in body) == ("u-1", False)
    streamed = request(stream=True)
    assert json.loads(asked(streamed).body)["stream_options"] == {"include_obfuscation": False}
    assert "stream_options" not in json.loads(asked(streamed, api_version="2025-04-01-preview").body)


def test_reasoning_of_another_resource_is_left_out_once_it_was_refused():
    up = upstream()
    error = up.error(400, {}, b'{"error":{"code":"invalid_encrypted_content","message":"It could not be verified."}}')
    assert (error.code, error.retry_same) == ("invalid_encrypted_content", True)
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    one = exchange(request(input=[thought, {"role": "user", "content": "and?"}]))
    one.attempts.append(Attempt("az", "gpt-5", 0.0, 400, error.code))
    assert json.loads(up.build(one, "gpt-5").body)["input"] == [{"role": "user", "content": "and?"}]


async def test_wrong_credentials_are_told_by_where_they_are_from():
    refusal = said({"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}, 401)
    async with Azure(refusal) as azure:
        up = upstream(base_url=azure.origin, api_key=Secret("k1", "env:AZURE_KEY"))
        with pytest.raises(UpstreamRefused) as caught:
            await up.models()
        await up.close()
    assert caught.value.message == 'upstream "az" answered 401: check its api_key (env:AZURE_KEY)'


async def test_models_that_could_be_deployed_are_not_listed():
    async with Azure(said({"data": [{"id": "gpt-4"}]})) as azure:
        up = upstream(base_url=azure.origin)
        assert await up.models() == []
        await up.close()
    assert azure.asked[0].path == "/openai/v1/models"


async def test_tokens_of_entra(monkeypatch):
    async with Identity() as identity, Azure(said({}, 401), said({"ok": True})) as azure:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        up = upstream(base_url=azure.origin, api_key=None, entra=Entra(use="managed-identity"))
        await up.start()
        await until(lambda: identity.count == 1)
        one = exchange()
        one.deployment = Deployment(up, "gpt-4o")
        response = await up.client.send(up.build(one, "gpt-4o"), up.timeouts)
        assert json.loads(await response.read(1000)) == {"ok": True}
        await up.close()
    assert [each.headers["authorization"] for each in azure.asked] == ["Bearer token-1", "Bearer token-2"]
    assert not [each for each in azure.asked if "api-key" in each.headers]


async def test_without_credentials_the_error_says_so(monkeypatch):
    async with Identity(refuses=True) as identity:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        up = upstream(api_key=None, entra=Entra(use="managed-identity"))
        with pytest.raises(UpstreamRefused, match='upstream "az": no credentials of Entra ID: '):
            await up.models()
        await up.close()
