"""The provider: addresses, headers, and what it makes for one exchange."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from proxy.config.types import Secret
from proxy.errors import UpstreamRefused
from proxy.exchange import Attempt, Exchange
from proxy.providers.bedrock.config import BedrockConfig, RoleSettings
from proxy.providers.bedrock.provider import Bedrock
from proxy.providers.provider import Deployment, TranslateOptions
from proxy.request import ModelRequest
from proxy.sse.event_stream import EventStreamParser
from tests.support.asked import assistant, call, output, user
from tests.support.bedrock_asked import NOVA, SONNET
from tests.support.converse import answer
from tests.support.drive import asking, chatting, exchange_of
from tests.support.fixtures import ROOT
from tests.support.scripted import ScriptedClient, body
from tests.support.strict_converse import check

PROFILE_ARN = f"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/{SONNET}"
NAMELESS_ARN = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)


def provider(**settings: Any) -> Bedrock:
    """Returns a provider with a key, unless the settings say otherwise."""
    given: dict[str, Any] = {"region": "us-east-1", "api_key": Secret("key", "env:KEY"), **settings}
    return Bedrock("aws", BedrockConfig(**given))


def on(request: ModelRequest, model: str = SONNET, one: Bedrock | None = None) -> Exchange:
    """Returns an exchange that is served by a model."""
    exchange = exchange_of(request)
    exchange.deployment = Deployment(one or provider(), model)
    return exchange


def built(request: ModelRequest, model: str = SONNET, one: Bedrock | None = None) -> dict[str, Any]:
    """Returns the body for a request, as a strict Bedrock takes it."""
    made = (one or provider()).build(on(request, model), model)
    return check(made.body, operation="ConverseStream" if request.stream else "Converse")


@pytest.mark.parametrize(
    ("model", "settings", "url"),
    [
        (NOVA, {}, "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-2-lite-v1%3A0/converse"),
        (PROFILE_ARN, {}, "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-west-1"),
        (PROFILE_ARN, {"base_url": "http://127.0.0.1:9/"}, "http://127.0.0.1:9/model/arn%3Aaws"),
        ("x", {"fips": True, "region": "us-gov-west-1"}, "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/"),
        ("x", {"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/x/converse"),
    ],
)
def test_where_a_model_is_asked(model: str, settings: dict[str, Any], url: str) -> None:
    one = provider(**settings)
    assert one.build(on(asking(), model, one), model).url.startswith(url)


def test_a_stream_has_a_path_of_its_own() -> None:
    plain, streamed = (provider().build(on(asking(stream=stream)), SONNET) for stream in (False, True))
    assert plain.url.endswith("/converse")
    assert streamed.url.endswith("/converse-stream")
    assert plain.headers["accept"] == "application/json"
    assert streamed.headers["accept"] == "application/vnd.amazon.eventstream"
    assert plain.body == streamed.body


def test_a_key_is_sent_as_it_is() -> None:
    assert provider().build(on(asking()), SONNET).headers["authorization"] == "Bearer key"


def test_headers_of_the_file_are_added() -> None:
    request = provider(headers={"X-Amzn-Trace": Secret("t")}).build(on(asking()), SONNET)
    assert request.headers["x-amzn-trace"] == "t"


def test_signing_needs_botocore_only_when_it_is_done() -> None:
    code = (
        "import sys; from proxy.config.loader import load_text; from proxy.assembly import assemble;"
        "c = load_text('upstreams: {a: {kind: bedrock, region: us-east-1, access_key_id: a, secret_access_key: b}}\\n"
        "models: {m: [a/x]}\\npipeline: [route, stream-translate]\\nstores: {responses: {kind: none}}\\n', 'x.yaml');"
        "assemble(c); print('botocore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_frames_and_decoders() -> None:
    one = provider()
    assert isinstance(one.parser(on(asking())), EventStreamParser)
    raw = answer({"reasoningContent": {"reasoningText": {"text": "Hm."}}})
    for model, summary in ((SONNET, True), (NOVA, False), ("openai.gpt-oss-20b-1:0", False)):
        first: Any = one.decoder(on(asking(), model)).whole(raw)[0]
        assert first.summary is summary


def test_a_nameless_model_is_what_the_file_says() -> None:
    one = provider(base_models={NAMELESS_ARN: SONNET})
    request = asking(reasoning={"effort": "low"})
    assert "thinking" in built(request, NAMELESS_ARN, one)["additionalModelRequestFields"]
    assert "additionalModelRequestFields" not in built(request, NAMELESS_ARN)
    assert "us-west-2" in one.url(NAMELESS_ARN, "converse")


def test_an_answer_by_tool_is_marked() -> None:
    one = provider()
    request = asking()
    request.set("text", {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}})
    exchange = on(request, NOVA, one)
    one.build(exchange, NOVA)
    raw = answer({"toolUse": {"toolUseId": "t", "name": "json_tool_call", "input": {"a": 1}}}, reason="tool_use")
    first: Any = one.decoder(exchange).whole(raw)[0]
    assert json.loads(first.text) == {"a": 1}


# --- chat clients


def test_chat_requests_say_the_same() -> None:
    body = built(chatting("hi", max_tokens=50, stop=["END"], top_k=3, temperature=0.5, reasoning_effort="none"))
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]
    assert body["inferenceConfig"] == {"maxTokens": 50, "stopSequences": ["END"], "temperature": 0.5}
    assert body["additionalModelRequestFields"] == {"top_k": 3}


def test_chat_clients_give_thinking_back() -> None:
    block = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "thinking_blocks": [block], "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    request = chatting(tools=tools, reasoning_effort="low")
    request.set("messages", messages)
    body = built(request)
    first = body["messages"][1]["content"][0]
    assert first == {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}
    assert body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"


# --- turns


def sealed_item(one: Bedrock, model: str) -> dict[str, Any]:
    """Returns a reasoning item as a client of that model carries it."""
    exchange = on(asking(include=["reasoning.encrypted_content"]), model, one)
    seal = one.sealer(exchange, model)
    assert seal is not None
    state = {"details": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]}
    return {"type": "reasoning", "summary": [], "encrypted_content": seal(state, "Hm.")}


def test_thinking_comes_back_to_the_model_that_had_it() -> None:
    one = provider(base_models={NAMELESS_ARN: SONNET})
    for model in (SONNET, NAMELESS_ARN):
        items = [user("a"), sealed_item(one, model), assistant("b"), user("c")]
        request = asking()
        request.set("input", items)
        assert "reasoningContent" in built(request, SONNET, one)["messages"][1]["content"][0]
        assert "reasoningContent" not in built(request, NOVA, one)["messages"][1]["content"][0]


def test_thinking_is_sealed_only_for_those_who_may_want_it() -> None:
    one = provider()
    assert one.sealer(on(asking()), SONNET) is None
    assert one.sealer(on(chatting()), SONNET) is None
    remembered = on(asking())
    remembered.keeps = True
    assert one.sealer(remembered, SONNET) is not None


@pytest.mark.parametrize("code", ["invalid_encrypted_content", "invalid_json_schema"])
def test_what_was_refused_a_moment_ago_is_left_out(code: str) -> None:
    one = provider()
    tool = {"type": "function", "name": "f", "strict": True, "parameters": {"type": "object", "properties": {}}}
    request = asking(tools=[tool])
    request.set("input", [user("a"), sealed_item(one, SONNET), call("c1", "f"), output("c1")])
    exchange = on(request, SONNET, one)
    exchange.attempts = [Attempt("aws", SONNET, 0.0, error=code)]
    made = check(one.build(exchange, SONNET).body)
    has_thoughts = "reasoningContent" in made["messages"][1]["content"][0]
    has_strict = "strict" in made["toolConfig"]["tools"][0]["toolSpec"]
    assert (has_thoughts, has_strict) == ((False, True) if "encrypted" in code else (True, False))


def test_strict_translation_refuses_what_has_no_effect() -> None:
    exchange = on(asking(safety_identifier="u"))
    exchange.translate = TranslateOptions(params="strict")
    with pytest.raises(Exception, match="safety_identifier"):
        provider().build(exchange, SONNET)


# --- errors and what stands beside answers


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({}, "check its API key (env:KEY)"),
        ({"api_key": None, "access_key_id": Secret("a", "env:AK"), "secret_access_key": Secret("b")},
         "check its access_key_id (env:AK)"),
        ({"api_key": None, "aws_profile": "work"}, 'check its aws_profile "work"'),
        ({"api_key": None, "role": RoleSettings(arn="arn:x")}, "check its credentials of AWS"),
    ],
)  # fmt: skip
def test_advice_names_what_to_look_at(settings: dict[str, Any], advice: str) -> None:
    error = provider(**settings).error(403, {"x-amzn-errortype": "UnrecognizedClientException"}, b"{}")
    assert error.message == f'upstream "aws" answered 403: {advice}'


def scripted(one: Bedrock, *answers: tuple[int, Any]) -> ScriptedClient:
    """Lets a provider ask a script; returns it."""
    client = ScriptedClient(*(body(msgspec.json.encode(said), status) for status, said in answers))
    one.client = client
    return client


async def test_models_are_those_of_the_region() -> None:
    one = provider()
    client = scripted(
        one,
        (200, {"modelSummaries": [{"modelId": "amazon.nova-lite-v1:0"}, {}]}),
        (200, {"inferenceProfileSummaries": [{"inferenceProfileId": "us.amazon.nova-lite-v1:0"}]}),
    )
    assert await one.models() == ["amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"]
    assert [request.url for request in client.requests] == [
        "https://bedrock.us-east-1.amazonaws.com/foundation-models",
        "https://bedrock.us-east-1.amazonaws.com/inference-profiles",
    ]


async def test_models_behind_a_base_url_are_not_known() -> None:
    assert await provider(base_url="http://127.0.0.1:9").models() == []


async def test_models_that_cannot_be_asked() -> None:
    one = provider()
    scripted(one, (403, {"message": "no"}))
    with pytest.raises(UpstreamRefused):
        await one.models()


async def test_tokens_are_counted_by_bedrock_where_it_can() -> None:
    one = provider()
    client = scripted(one, (200, {"inputTokens": 42}))
    exchange = on(asking(instructions="i", max_output_tokens=5), SONNET, one)
    assert await one.count_tokens(exchange, SONNET) == 42
    assert client.requests[0].url.endswith("/count-tokens")
    counted = json.loads(client.requests[0].body)["input"]["converse"]
    assert counted == {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "system": [{"text": "i"}]}
    assert await one.count_tokens(on(asking(), NOVA, one), NOVA) is None
    scripted(one, (200, {"odd": 1}))
    assert await one.count_tokens(exchange, SONNET) is None


async def test_closing() -> None:
    await provider().close()
    await provider(api_key=None, aws_profile="work").close()
