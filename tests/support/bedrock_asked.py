"""Short ways to turn Responses requests into requests of Converse, checked as a strict Bedrock does."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from proxy.api.responses.request import ResponsesRequest
from proxy.api.responses.tool_map import ToolMap
from proxy.providers.bedrock.build import build_body
from proxy.providers.bedrock.config import BedrockProfile
from proxy.providers.bedrock.draft import Target
from proxy.providers.bedrock.families import family_of
from proxy.providers.provider import TranslateOptions
from tests.support.asked import SEALING, request
from tests.support.strict_converse import check

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD = "anthropic.claude-3-5-sonnet-20241022-v2:0"
OPUS = "us.anthropic.claude-opus-4-6-v1"
NEWEST = "anthropic.claude-opus-5-5"
NOVA = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"


class Built(NamedTuple):
    """A request of Converse: its body, the map of its tools, what was named as without effect."""

    body: dict[str, Any]
    tools: ToolMap
    ignored: list[str]
    by_tool: bool

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of the body."""
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages

    @property
    def extra(self) -> dict[str, Any]:
        """What goes to the model as it is."""
        extra: dict[str, Any] = self.body.get("additionalModelRequestFields", {})
        return extra


def build(made: ResponsesRequest, model: str = SONNET, profile: BedrockProfile | None = None, **options: Any) -> Built:
    """Returns the request for a model; fields of `Target` and of the translation may be given by name."""
    made.validate()
    of_target = {name: options.pop(name) for name in ("thoughts", "strict", "show_thinking") if name in options}
    target = Target(model=model, family=family_of(model), profile=profile or BedrockProfile(), **of_target)
    ignored: list[str] = []
    built = build_body(made, target, TranslateOptions(**options), ignored.append, SEALING)
    body = check(msgspec.json.encode(built.body), operation="ConverseStream" if made.stream else "Converse")
    return Built(body, built.tools, ignored, built.answers_by_tool)


def converse(model: str = SONNET, profile: BedrockProfile | None = None, **fields: Any) -> Built:
    """Returns the request for a Responses request with those fields."""
    return build(request(**fields), model, profile)
