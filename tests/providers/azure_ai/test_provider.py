"""How models on Foundry are asked: addresses, keys, extra parameters, and which of them are Claude."""

from __future__ import annotations

import json

import pytest

from proxy.config.types import Secret
from proxy.errors import BadRequest, UpstreamRefused
from proxy.exchange import Attempt, Client, Exchange
from proxy.providers.anthropic.decoder import MessagesDecoder
from proxy.providers.azure_ai.config import AzureAIConfig
from proxy.providers.azure_ai.provider import AzureAI
from proxy.providers.azure_openai.entra import Entra
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.provider import Deployment, TranslateOptions
from tests.support.asked import request
from tests.support.azure import Azure, Identity, said
from tests.support.drive import chatting
from tests.support.hostile import until

HOME = "https://mine.services.ai.azure.com"
CLAUDE, DEEPSEEK = "claude-sonnet-4-5", "DeepSeek-V3.1"


def upstream(**settings):
    return AzureAI("ai", AzureAIConfig(**{"base_url": HOME, "api_key": Secret("k1", "env:K"), **settings}))


def exchange(made, up=None, model=DEEPSEEK, refused=()):
    one = Exchange("ex_1", Client("127.0.0.1", {}), made)
    one.deployment = None if up is None else Deployment(up, model)
    one.attempts += [Attempt("ai", model, 0.0, 422, "unsupported_parameter", name) for name in refused]
    return one


def asked(made, model=DEEPSEEK, refused=(), **settings):
    up = upstream(**settings)
    one = exchange(made, refused=refused)
    ask = up.passthrough if up.speaks(made.dialect, model) else up.build
    return ask(one, model), one


def test_address_and_both_headers_of_the_key():
    made, _ = asked(request())
    assert made.url == f"{HOME}/models/chat/completions?api-version=2024-05-01-preview"
    assert (made.headers["api-key"], made.headers["authorization"]) == ("k1", "Bearer k1")
    assert json.loads(made.body)["model"] == DEEPSEEK


@pytest.mark.parametrize("made", [request(temperature=1, stream=True), chatting("hi")])
def test_nothing_is_said_of_extra_parameters_where_there_are_none(made):
    assert "extra-parameters" not in asked(made)[0].headers


@pytest.mark.parametrize(
    "made", [request(reasoning={"effort": "low"}), chatting("hi", safe_prompt=True), request(parallel_tool_calls=False,
                                                                                         tools=[{"type": "function",
                                                                                                 "name": "f"}])]
)  # fmt: skip
def test_extra_parameters_are_handed_on_to_the_model(made):
    assert asked(made)[0].headers["extra-parameters"] == "pass-through"


def test_the_file_may_say_what_becomes_of_extra_parameters():
    assert asked(request(), extra_parameters="drop")[0].headers["extra-parameters"] == "drop"
    assert asked(chatting("hi", x=1), extra_parameters="error")[0].headers["extra-parameters"] == "error"


@pytest.mark.parametrize(("made", "named"), [
    (request(reasoning={"effort": "low"}, temperature=0.5), "reasoning.effort"),
    (chatting("hi", reasoning_effort="low", temperature=0.5), "reasoning_effort"),
])  # fmt: skip
def test_a_hint_that_was_refused_is_left_out_and_named(made, named):
    sent, one = asked(made, refused=["reasoning_effort", "response_format"])
    body = json.loads(sent.body)
    assert ("reasoning_effort" in body, body["temperature"]) == (False, 0.5)
    assert one.ignored == [named]
    assert "extra-parameters" not in sent.headers


def test_where_nothing_may_be_left_out_the_request_is_refused():
    one = exchange(request(top_p=0.5), refused=["top_p"])
    one.translate = TranslateOptions(params="strict")
    with pytest.raises(BadRequest, match="top_p"):
        upstream().build(one, DEEPSEEK)


@pytest.mark.parametrize("made", [request(), chatting("hi")])
def test_claude_is_asked_by_its_own_api(made):
    sent, _ = asked(made, CLAUDE)
    assert sent.url == f"{HOME}/anthropic/v1/messages"
    up = upstream()
    one = exchange(made, up, CLAUDE)
    assert isinstance(up.decoder(one), MessagesDecoder)
    assert up.relay(one) is None
    assert isinstance(up.decoder(exchange(made, up)), ChatDecoder)


def test_a_deployment_of_another_name_may_be_claude():
    assert asked(request(), "careful", base_models={"careful": CLAUDE})[0].url.endswith("/anthropic/v1/messages")


def test_thinking_is_sealed_where_it_may_be_given_back():
    wanting = request(include=["reasoning.encrypted_content"])
    for model in (CLAUDE, DEEPSEEK):
        assert upstream().sealer(exchange(wanting), model) is not None
        assert upstream().sealer(exchange(request()), model) is None


def test_whose_errors_are_whose():
    own = b'{ "type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
    assert upstream().error(529, {}, own).code == "overloaded"
    assert upstream().error(422, {}, b'{"detail":{"loc":["body","seed"]}}').param == "seed"


async def test_tokens_are_counted_for_claude_only():
    async with Azure(said({"input_tokens": 12})) as azure:
        up = upstream(base_url=azure.origin)
        assert await up.count_tokens(exchange(request()), CLAUDE) == 12
        assert await up.count_tokens(exchange(request()), DEEPSEEK) is None
        await up.close()
    assert azure.asked[0].path == "/anthropic/v1/messages/count_tokens"


async def test_whether_it_can_be_asked():
    denied = said({"error": {"code": "401", "message": "Access denied"}}, 401)
    async with Azure(said({"model_name": "x"}), said({"error": {"code": "404"}}, 404), denied) as azure:
        up = upstream(base_url=azure.origin)
        assert await up.models() == []
        assert await up.models() == []
        with pytest.raises(UpstreamRefused, match="check its api_key"):
            await up.models()
        await up.close()
    assert azure.asked[0].path == "/models/info"


async def test_tokens_of_entra_for_both_apis(monkeypatch):
    async with Identity() as identity, Azure(said({"ok": True})) as azure:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        up = upstream(base_url=azure.origin, api_key=None, entra=Entra(use="managed-identity"))
        await up.start()
        await until(lambda: identity.count == 1)
        for model in (DEEPSEEK, CLAUDE):
            response = await up.client.send(up.build(exchange(request()), model), up.timeouts)
            assert await response.read(100) == b'{"ok": true}'
        await up.close()
    assert {each.headers["authorization"] for each in azure.asked} == {"Bearer token-1"}
    assert not [each for each in azure.asked if {"api-key", "x-api-key"} & each.headers.keys()]
