"""Claude's own API inside InvokeModel: the body, the headers, and thinking of Bedrock's models."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from proxy.errors import BadRequest
from proxy.providers.anthropic.sealing import sealer as anthropic_sealer
from proxy.providers.bedrock.build import Built
from proxy.providers.bedrock.config import BedrockProfile, GuardrailSettings
from proxy.providers.bedrock.draft import Target
from proxy.providers.bedrock.families import family_of
from proxy.providers.bedrock.invoke import VERSION, build_invoke
from proxy.providers.bedrock.sealing import sealer
from proxy.providers.provider import TranslateOptions
from tests.support.asked import SEALING, assistant, call, function, output, request, user
from tests.support.bedrock_asked import NOVA, OPUS, SONNET
from tests.support.captured import CAPTURED, Captured, for_each
from tests.support.strict_messages import check

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
SERVABLE = [one for one in CAPTURED if one.needs_store is None]


def invoke(model: str = SONNET, profile: BedrockProfile | None = None, **fields: Any) -> tuple[Built, list[str]]:
    """Returns the request for a Responses request with those fields, and what was named as without effect."""
    made = request(**fields)
    made.validate()
    target = Target(model=model, family=family_of(model), profile=profile or BedrockProfile())
    ignored: list[str] = []
    built = build_invoke(made, target, TranslateOptions(), ignored.append, SEALING)
    built.body = msgspec.json.decode(msgspec.json.encode(built.body))
    body = dict(built.body)
    assert body.pop("anthropic_version") == VERSION
    betas = body.pop("anthropic_beta", None)
    assert betas is None or all(isinstance(one, str) for one in betas)
    assert not {"model", "stream", "service_tier", "metadata"} & set(body)
    check({**body, "model": "claude-opus-4-6" if model == OPUS else "claude-sonnet-4-5"})
    return built, ignored


def test_the_body_is_claudes_without_what_stands_in_the_path() -> None:
    built, ignored = invoke(instructions="Be kind.", max_output_tokens=50)
    assert built.body == {
        "anthropic_version": VERSION,
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    assert (built.headers, ignored) == ({}, [])


def test_betas_stand_in_the_body() -> None:
    profile = BedrockProfile(model_fields={"anthropic_beta": ["context-1m-2025-08-07"]})
    built, _ = invoke(SONNET, profile, tools=[function("f")], reasoning={"effort": "low"})
    assert built.body["anthropic_beta"] == ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]


def test_what_is_bedrocks_stands_in_headers() -> None:
    profile = BedrockProfile(guardrail=GuardrailSettings(id="abc", version="3"), latency="optimized")
    built, ignored = invoke(SONNET, profile, service_tier="flex")
    assert built.headers == {
        "x-amzn-bedrock-guardrailidentifier": "abc",
        "x-amzn-bedrock-guardrailversion": "3",
        "x-amzn-bedrock-performanceconfig-latency": "optimized",
        "x-amzn-bedrock-service-tier": "flex",
    }
    assert ignored == []
    assert invoke(service_tier="auto")[0].headers == {}
    assert invoke(service_tier="scale")[1] == ["service_tier"]


def test_who_asks_is_not_told() -> None:
    assert invoke(safety_identifier="u", user="v")[1] == ["safety_identifier", "user"]


def thought(model: str, seal: Any = sealer) -> dict[str, Any]:
    """Returns a reasoning item that a model has made."""
    return {"type": "reasoning", "summary": [], "encrypted_content": seal(model, SEALING)({"details": [THOUGHT]}, "")}


def test_thinking_of_both_apis_comes_back() -> None:
    built, ignored = invoke(input=[user("a"), thought(OPUS), assistant("b"), user("c")])
    assert built.body["messages"][1]["content"][0] == THOUGHT
    assert ignored == []


@pytest.mark.parametrize("item", [thought(NOVA), thought("claude-sonnet-4-5", anthropic_sealer)])
def test_thinking_of_others_does_not(item: dict[str, Any]) -> None:
    built, ignored = invoke(input=[user("a"), item, assistant("b"), user("c")])
    assert [block["type"] for block in built.body["messages"][1]["content"]] == ["text"]
    assert ignored == ["input: reasoning"]


def test_the_clients_request_stays_as_it_was() -> None:
    made = request(input=[user("a"), thought(NOVA), assistant("b"), user("c")], service_tier="flex")
    before = dict(made.fields)
    target = Target(model=SONNET, family=family_of(SONNET), profile=BedrockProfile())
    build_invoke(made, target, TranslateOptions(), lambda _: None, SEALING)
    assert made.fields == before


def test_images_come_as_data() -> None:
    data = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    far = {"type": "input_image", "image_url": "https://a.example/x.png"}
    invoke(input=[{"role": "user", "content": [data]}])
    file = {"type": "input_file", "file_url": "https://a.example/x.pdf"}
    for items, param in (
        ([{"role": "user", "content": [data, far]}], "input[0].content[1].image_url"),
        ([user("a"), call("c", "f"), output("c", [file])], "input[2].output[0].file_url"),
    ):
        with pytest.raises(BadRequest, match="data: addresses") as caught:
            invoke(input=items, tools=[function("f")])
        assert caught.value.param == param


@for_each(SERVABLE)
def test_every_captured_request_is_taken(captured: Captured) -> None:
    if _has_addresses(captured.body["input"]):
        with pytest.raises(BadRequest, match="data: addresses"):
            invoke(**captured.body)
    else:
        assert invoke(**captured.body)[0].body["messages"]


def _has_addresses(value: Any) -> bool:
    """Tells whether an image or a document stands somewhere by its address."""
    if isinstance(value, list):
        return any(map(_has_addresses, value))
    if not isinstance(value, dict):
        return False
    far = [value.get("image_url"), value.get("file_url")]
    return any(isinstance(one, str) and one.startswith("https:") for one in far) or _has_addresses([*value.values()])
