"""What real clients ask, and all that they could ask, as bodies that the providers' own SDKs take for theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.api.responses.request import ResponsesRequest
from proxy.config.types import Secret
from proxy.errors import BadRequest
from proxy.providers.anthropic.config import AnthropicConfig
from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.anthropic.provider import Anthropic
from proxy.providers.anthropic.traits import traits_of
from proxy.providers.bedrock.config import BedrockConfig
from proxy.providers.bedrock.provider import Bedrock
from proxy.providers.gemini.config import GeminiConfig
from proxy.providers.gemini.provider import Gemini
from proxy.providers.provider import Deployment, Provider
from proxy.providers.vertex.config import VertexConfig
from proxy.providers.vertex.provider import Vertex
from proxy.request import ModelRequest
from tests.support import bedrock_asked, messages_asked
from tests.support.captured import CAPTURED
from tests.support.drive import exchange_of
from tests.support.rich_asked import RICH, RICH_CHAT
from tests.support.sdk_requests import check_converse, check_generate_content, check_messages

KEY = Secret("sk-planted-123456", "env:KEY")
CLAUDES = tuple(getattr(messages_asked, name) for name in ("NEW", "ALWAYS", "FIRST_ADAPTIVE", "BUDGET", "OLD"))
BEDROCK = tuple(
    getattr(bedrock_asked, name) for name in ("SONNET", "OPUS", "OLD", "NEWEST", "NOVA", "LLAMA", "GPT_OSS")
)
SAMPLING = ("temperature", "top_p", "top_k")
"""What the version of the API takes that is asked for; the SDK, made for the next one, does not declare it any more."""


class Place(NamedTuple):
    """An upstream, models of it, and what judges a body for one of them that is streamed or not."""

    name: str
    provider: Provider
    models: tuple[str, ...]
    judge: Callable[[dict[str, Any], bool], None]


def is_messages(body: dict[str, Any], stream: bool) -> None:
    assert stream <= body.get("stream", False)
    check_messages({name: value for name, value in body.items() if name not in SAMPLING})


def is_messages_elsewhere(body: dict[str, Any], stream: bool) -> None:
    """On clouds the model stands in the address, and the version in the body."""
    assert body.pop("anthropic_version") in ("bedrock-2023-05-31", "vertex-2023-10-16")
    assert all(isinstance(one, str) for one in body.pop("anthropic_beta", []))
    is_messages({**body, "model": "m", **({"stream": True} if stream else {})}, stream)


def is_vertex(body: dict[str, Any], stream: bool) -> None:
    check_generate_content(body, vertex=True)


def is_gemini(body: dict[str, Any], stream: bool) -> None:
    check_generate_content(body)


def is_converse(body: dict[str, Any], stream: bool) -> None:
    check_converse(body, stream=stream)


def bedrock(api: Literal["converse", "invoke"]) -> Bedrock:
    return Bedrock("b", BedrockConfig(region="us-east-1", api_key=KEY, api=api))


CACHED = MessagesProfile(prompt_cache="always", document_citations=True)
VERTEX = Vertex("v", VertexConfig(project="p", location="europe-west4"))
GEMINIS = ("gemini-3-flash-preview", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.0-flash")
PLACES = [
    Place("anthropic", Anthropic("a", AnthropicConfig(api_key=KEY)), CLAUDES, is_messages),
    Place("cached", Anthropic("a", AnthropicConfig(api_key=KEY, profile=CACHED)), CLAUDES[:1], is_messages),
    Place("gemini", Gemini("g", GeminiConfig(api_key=KEY)), GEMINIS, is_gemini),
    Place("vertex", VERTEX, GEMINIS[:2], is_vertex),
    Place("vertex-claude", VERTEX, ("claude-sonnet-4-5@20250929", "claude-opus-5"), is_messages_elsewhere),
    Place("bedrock", bedrock("converse"), BEDROCK, is_converse),
    Place("invoke", bedrock("invoke"), BEDROCK[:3], is_messages_elsewhere),
]


def rich() -> Iterator[tuple[str, ModelRequest]]:
    for name, fields in RICH.items():
        yield name, ResponsesRequest.parse(json.dumps({"model": "m", "input": "hi", **fields}).encode())
    for name, fields in RICH_CHAT.items():
        yield f"chat: {name}", ChatRequest.parse(json.dumps({"model": "m", **fields}).encode())


def judged(place: Place, request: ModelRequest, model: str) -> str:
    """Returns what the SDK has against the body for a request; "" for nothing, "refused" where none is built."""
    exchange = exchange_of(request)
    exchange.deployment = Deployment(place.provider, model)
    try:
        if isinstance(request, ResponsesRequest):
            request.validate()
        made = place.provider.build(exchange, model)
    except BadRequest:
        return "refused"
    try:
        place.judge(json.loads(made.body), request.stream)
    except Exception as refusal:  # whatever the SDK raises: its own errors, pydantic's, ours
        return f"{type(refusal).__name__}: {refusal}"[:300]
    return ""


def _is_forced(name: str) -> bool:
    fields = RICH_CHAT[name.removeprefix("chat: ")] if name.startswith("chat: ") else RICH[name]
    return fields.get("tool_choice", "auto") not in ("auto", "none")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_all_that_can_be_asked(place: Place) -> None:
    found = {(name, model): judged(place, one, model) for name, one in rich() for model in place.models}
    assert {case: said for case, said in found.items() if said not in ("", "refused")} == {}
    refused = [case for case, said in found.items() if said == "refused"]
    assert all(_is_forced(name) and not traits_of(model).forced_tools for name, model in refused), refused


@pytest.mark.skipif(not CAPTURED, reason="the captured requests are not here")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_what_real_clients_ask(place: Place) -> None:
    found = {}
    for at, one in enumerate(CAPTURED):  # every request once, and every model in its turn
        found[one.name] = judged(place, ResponsesRequest.parse(one.raw), place.models[at % len(place.models)])
    assert {name: said for name, said in found.items() if said not in ("", "refused")} == {}
    assert sum(said == "" for said in found.values()) > len(CAPTURED) * 0.8
