"""Short ways to turn Responses requests into requests of the Messages API, each checked by the strict server."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from proxy.api.responses.request import ResponsesRequest
from proxy.api.responses.tool_map import ToolMap
from proxy.providers.anthropic.build import Target, build_body
from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.anthropic.sealing import sealer
from proxy.providers.anthropic.traits import traits_of
from proxy.providers.provider import TranslateOptions
from tests.support.asked import SEALING, request
from tests.support.strict_messages import check

NEW = "claude-opus-5"
"""A model that thinks as it finds right, when it is told to."""
ALWAYS = "claude-opus-5-5"
"""One that always thinks."""
FIRST_ADAPTIVE = "claude-opus-4-6"
"""One that takes temperature besides."""
BUDGET = "claude-sonnet-4-5"
"""One that thinks with a budget."""
OLD = "claude-sonnet-4-20250514"
"""One that cannot be held to a schema."""
PLAIN = MessagesProfile()
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQ="


class Built(NamedTuple):
    """A request: its body, the names of its tools, its betas, what was named as without effect."""

    body: dict[str, Any]
    tools: ToolMap
    betas: list[str]
    ignored: list[str]
    answers_by_tool: bool
    raw: bytes

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of the body."""
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages


def build(
    made: ResponsesRequest,
    model: str = NEW,
    profile: MessagesProfile = PLAIN,
    options: TranslateOptions | None = None,
    **target: Any,
) -> Built:
    """Returns what is sent for a request that was found valid, after the strict server has taken it."""
    made.validate()
    ignored: list[str] = []
    aimed = Target(model=model, traits=traits_of(model), profile=profile, **target)
    built = build_body(made, aimed, options or TranslateOptions(), ignored.append, SEALING)
    raw = msgspec.json.encode(built.body)
    return Built(check(raw), built.tools, built.betas, ignored, built.answers_by_tool, raw)


def messages(*items: Any, model: str = NEW, **fields: Any) -> Built:
    """Returns what is sent for a request with those items."""
    return build(request(input=list(items), **fields), model)


def sealed(*blocks: dict[str, Any], model: str = NEW) -> dict[str, Any]:
    """Returns a reasoning item that carries blocks of Claude's thinking."""
    encrypted = sealer(model, SEALING)({"details": list(blocks)}, "")
    return {"type": "reasoning", "summary": [], "encrypted_content": encrypted}


def thought(text: str = "hm", signature: str = "c2ln") -> dict[str, Any]:
    """Returns a block of thinking."""
    return {"type": "thinking", "thinking": text, "signature": signature}


def said(role: str, *texts: str) -> dict[str, Any]:
    """Returns a message of the Messages API."""
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts]}


def dumped(value: Any) -> bytes:
    """Returns a value as JSON."""
    return json.dumps(value).encode()
