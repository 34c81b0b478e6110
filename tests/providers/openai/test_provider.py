import json

import msgspec
import pytest

from proxy.config.types import Mistake, Secret
from proxy.exchange import Attempt, Client, Exchange
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.openai.provider import PROFILE, OpenAI, OpenAIConfig
from proxy.providers.provider import Deployment
from proxy.providers.responses.decoder import ResponsesDecoder
from proxy.providers.responses.relay import ResponsesRelay
from tests.support import strict_chat
from tests.support.asked import function, request
from tests.support.drive import chatting


def provider(api="chat", **settings):
    return OpenAI("openai", OpenAIConfig(api_key=Secret("sk-1"), api=api, **settings))


def exchange(made):
    return Exchange("ex_1", Client("127.0.0.1", {}), made)


def test_it_needs_only_a_key():
    made = provider().build(exchange(request(max_output_tokens=50)), "gpt-4o")
    assert made.url == "https://api.openai.com/v1/chat/completions"
    assert made.headers["authorization"] == "Bearer sk-1"
    assert not [name for name in made.headers if name.startswith("openai-")]
    body = strict_chat.check(made.body, keys=strict_chat.OPENAI)
    assert body["max_completion_tokens"] == 50


def test_organization_and_project():
    headers = provider(organization="org-1", project="proj_1").build(exchange(request()), "gpt-4o").headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://eu.api.openai.com", "https://eu.api.openai.com/v1"),
        ("https://eu.api.openai.com/v1/", "https://eu.api.openai.com/v1"),
    ],
)
def test_regions(written, used):
    assert provider(base_url=written).url == used
    with pytest.raises(Mistake):
        OpenAIConfig(base_url="api.openai.com")


@pytest.mark.parametrize(
    ("model", "role"),
    [
        ("gpt-4o", "system"),
        ("gpt-4.1-mini", "system"),
        ("gpt-3.5-turbo", "system"),
        ("chatgpt-4o-latest", "system"),
        ("omni-moderation", "system"),
        ("o3-mini", "developer"),
        ("o1", "developer"),
        ("gpt-5.5", "developer"),
        ("gpt-5-mini", "developer"),
        ("ft:o4-mini:acme::1", "developer"),
    ],
)
def test_models_that_reason_are_instructed_by_a_developer(model, role):
    made = provider().build(exchange(request(instructions="x")), model)
    assert json.loads(made.body)["messages"][0] == {"role": role, "content": "x"}


def test_what_only_openai_takes():
    asked = request(
        tools=[{"type": "custom", "name": "c"}, function("f")],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        text={"verbosity": "low"},
        service_tier="flex",
        prompt_cache_key="k",
        safety_identifier="s",
    )
    one = exchange(asked)
    body = strict_chat.check(provider().build(one, "gpt-5").body, keys=strict_chat.OPENAI)
    assert body["tools"][0]["type"] == "custom"
    assert body["tool_choice"]["type"] == "allowed_tools"
    assert (body["verbosity"], body["service_tier"]) == ("low", "flex")
    assert (body["prompt_cache_key"], body["safety_identifier"]) == ("k", "s")
    assert one.ignored == []


def test_thinking_is_not_sealed_because_chat_does_not_take_it_back():
    assert PROFILE.replay_reasoning == "never"
    assert provider().sealer(exchange(request(include=["reasoning.encrypted_content"])), "gpt-5") is None


def test_every_setting_is_documented():
    for field in msgspec.inspect.type_info(OpenAIConfig).fields:
        assert isinstance(field.type, msgspec.inspect.Metadata), field.name


@pytest.mark.parametrize(
    ("api", "dialect", "model", "path"),
    [
        ("auto", "responses", "gpt-4o", "/responses"),
        ("auto", "chat", "gpt-4o", "/chat/completions"),
        ("auto", "chat", "gpt-5-codex", "/responses"),
        ("chat", "responses", "gpt-4o", "/chat/completions"),
        ("chat", "chat", "gpt-5-codex", "/chat/completions"),
        ("responses", "responses", "gpt-4o", "/responses"),
        ("responses", "chat", "gpt-4o", "/responses"),
    ],
)
def test_which_api_a_client_is_served_over(api, dialect, model, path):
    made = request() if dialect == "responses" else chatting("hi")
    up = provider(api)
    ask = up.passthrough if up.speaks(dialect, model) else up.build
    one = exchange(made)
    assert ask(one, model).url == "https://api.openai.com/v1" + path
    one.deployment = Deployment(up, model)
    assert isinstance(up.decoder(one), ResponsesDecoder if path == "/responses" else ChatDecoder)
    assert isinstance(up.relay(one), ResponsesRelay) == (path == "/responses" and dialect == "responses")


@pytest.mark.parametrize(
    "model",
    [
        "o1-pro",
        "o3-pro-2025-06-10",
        "gpt-5-pro",
        "gpt-5.4-pro",
        "gpt-5.3-codex",
        "gpt-5.1-codex-mini",
        "codex-mini-latest",
        "o4-mini-deep-research",
        "computer-use-preview",
    ],
)
def test_models_that_have_only_the_responses_api(model):
    assert provider("auto").only_responses(model)
    assert not provider("auto").speaks("chat", model)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "gpt-5.2", "o3", "gpt-4o-search-preview", "ft:gpt-4o:pro::1"])
def test_models_that_have_both(model):
    assert provider("auto").speaks("chat", model)


@pytest.mark.parametrize(
    ("model", "reasons"),
    [("o3", True), ("gpt-5", True), ("gpt-5.2-pro", True), ("gpt-5-chat-latest", False), ("gpt-4o", False)],
)
def test_reasoning_is_asked_for_in_encrypted_form_where_there_is_any(model, reasons):
    body = json.loads(provider("auto").build(exchange(request()), model).body)
    assert body.get("include", []) == (["reasoning.encrypted_content"] if reasons else [])
    assert body["store"] is False


def test_the_upstream_may_keep_responses_too():
    up = provider("auto", store=True, reasoning_summary="auto")
    assert json.loads(up.build(exchange(request()), "gpt-5").body)["store"] is True
    profile = up.responses_profile("gpt-5")
    assert (profile.keeps, profile.summary) == (True, "auto")


def test_thoughts_of_another_account_are_left_out_once_they_were_refused():
    up = provider("auto")
    error = up.error(400, {}, b'{"error":{"message":"cannot be verified","code":"invalid_encrypted_content"}}')
    assert (error.status, error.code, error.retry_same) == (400, "invalid_encrypted_content", True)
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    one = exchange(request(input=[thought, {"role": "user", "content": "and?"}]))
    one.attempts.append(Attempt("other", "gpt-5", 0.0, 400, error.code))
    assert len(json.loads(up.build(one, "gpt-5").body)["input"]) == 2
    one.attempts.append(Attempt("openai", "gpt-5", 0.0, 400, error.code))
    assert json.loads(up.build(one, "gpt-5").body)["input"] == [{"role": "user", "content": "and?"}]
