"""Chat requests that go through to servers which take some of them only otherwise."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.api.chat.request import ChatRequest
from proxy.errors import BadRequest
from proxy.providers.chat.presets import profile_of
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.chat.said_otherwise import said_otherwise

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "description": "All of it.", "strict": 1}}
TOLD = f"Answer with one JSON object that matches this JSON schema. All of it.\n{json.dumps(SCHEMA)}"
QUESTION = {"role": "user", "content": "?"}
DEEPSEEK = profile_of("deepseek")


def sent(profile: ChatProfile = DEEPSEEK, **fields: Any) -> dict[str, Any]:
    """Returns what a server gets of a request with those fields, but for its model."""
    request = ChatRequest.parse(json.dumps({"model": "m", "messages": [QUESTION], **fields}).encode())
    before = dict(request.fields)
    made: dict[str, Any] = json.loads(msgspec.json.encode(said_otherwise(request, profile)))
    assert request.fields == before
    del made["model"]
    return made


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([QUESTION], [{"role": "system", "content": TOLD}, QUESTION]),
        (
            [{"role": "system", "content": "Be kind."}, QUESTION],
            [{"role": "system", "content": f"Be kind.\n\n{TOLD}"}, QUESTION],
        ),
    ],
)
def test_a_schema_that_the_server_does_not_know_stands_in_the_prompt(messages: Any, told: Any) -> None:
    assert sent(messages=messages, response_format=FORM) == {
        "messages": told,
        "response_format": {"type": "json_object"},
    }
    assert sent(ChatProfile(), messages=messages, response_format=FORM)["response_format"] == FORM


@pytest.mark.parametrize("form", [{"type": "json_object"}, {"type": "text"}, None])
def test_other_forms_are_passed_on(form: Any) -> None:
    assert sent(response_format=form) == {"messages": [QUESTION], "response_format": form}


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "json_schema"}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"schema": None}}, "response_format.json_schema.schema"),
        ("json", "response_format"),
    ],
)
def test_a_schema_that_is_none_is_refused(form: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        sent(response_format=form)
    assert caught.value.param == param


def test_how_much_to_think_is_said_in_the_servers_way() -> None:
    off = {"type": "disabled"}
    assert sent(reasoning_effort="none")["thinking"] == off
    assert "reasoning_effort" not in sent(reasoning_effort="none")
    assert sent(reasoning_effort="low")["reasoning_effort"] == "low"
    assert sent(reasoning_effort="none", thinking=off)["reasoning_effort"] == "none"  # the client knows the server
    assert sent(ChatProfile(), reasoning_effort="none")["reasoning_effort"] == "none"
