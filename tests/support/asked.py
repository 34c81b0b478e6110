"""Short ways to make Responses requests and to turn them into chat requests."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from proxy.api.responses.request import ResponsesRequest
from proxy.api.responses.stateless import refuse_references
from proxy.api.responses.tool_map import ToolMap
from proxy.errors import ExchangeError
from proxy.providers.chat.build import build_body
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.provider import TranslateOptions
from proxy.sealing import Sealing

PLAIN = ChatProfile()
SEALING = Sealing(["the key of these tests"])


def request(**fields: Any) -> ResponsesRequest:
    """Returns a request with those fields, a model and an input if none are given."""
    return ResponsesRequest.parse(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def refusal(**fields: Any) -> ExchangeError:
    """Returns the error that a request with those fields is refused with."""
    with pytest.raises(ExchangeError) as caught:
        check_alone(request(**fields))
    return caught.value


def check_alone(made: ResponsesRequest) -> None:
    """Checks a request as a server does that keeps no responses."""
    made.validate()
    refuse_references(made)


class Built(NamedTuple):
    """A chat request: its body, the map of its tools, and what was named as without effect."""

    body: dict[str, Any]
    tools: ToolMap
    ignored: list[str]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of the body."""
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages


def build(made: ResponsesRequest, profile: ChatProfile = PLAIN, **options: Any) -> Built:
    """Returns the chat request of a request that was found valid; `options` are those of the translation."""
    made.validate()
    ignored: list[str] = []
    body, tools = build_body(made, "upstream-model", profile, TranslateOptions(**options), ignored.append, SEALING)
    return Built(json.loads(body), tools, ignored)


def chat(profile: ChatProfile = PLAIN, **fields: Any) -> Built:
    """Returns the chat request of a request with those fields."""
    return build(request(**fields), profile)


def user(text: str) -> dict[str, Any]:
    """Returns a message of the user."""
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    """Returns a message of the model."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def call(call_id: str, name: str = "f", arguments: str = "{}", **more: Any) -> dict[str, Any]:
    """Returns a call of a function."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **more}


def output(call_id: str, text: Any = "done") -> dict[str, Any]:
    """Returns what a function gave back."""
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def function(name: str, **more: Any) -> dict[str, Any]:
    """Returns the declaration of a function."""
    return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}, **more}
