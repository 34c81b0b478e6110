"""A chat request on its way to an upstream that speaks the Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.provider import TranslateOptions
from proxy.providers.responses.chat_build import build_from_chat
from proxy.providers.responses.profile import ResponsesProfile
from tests.support.drive import chatting

OPENAI = ResponsesProfile(ask_encrypted=True, pads=True, least_tokens=16, plain_reasoning=False)
PLAIN = ResponsesProfile()
TOOL = {"type": "function", "function": {"name": "f"}}
FLAT = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}


def built(
    profile: ResponsesProfile = PLAIN, options: TranslateOptions | None = None, **fields: Any
) -> tuple[dict[str, Any], list[str]]:
    ignored: list[str] = []
    body = build_from_chat(chatting("hi", **fields), "up-1", profile, options or TranslateOptions(), ignored.append)
    return json.loads(body), ignored


def more(profile: ResponsesProfile = PLAIN, **fields: Any) -> dict[str, Any]:
    """Returns what is in the body besides what is always there."""
    body, ignored = built(profile, **fields)
    assert not ignored
    assert body.pop("model") == "up-1"
    assert body.pop("input") == [{"type": "message", "role": "user", "content": "hi"}]
    assert body.pop("store") is False
    return body


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {}),
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_completion_tokens": 5, "max_tokens": 7}, {"max_output_tokens": 5}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}}},
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}}},
        ),
        ({"logprobs": True, "top_logprobs": 3}, {"include": ["message.output_text.logprobs"], "top_logprobs": 3}),
        ({"logprobs": False}, {}),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [FLAT], "tool_choice": "auto"}),
        ({"tools": [TOOL], "parallel_tool_calls": False}, {"tools": [FLAT], "parallel_tool_calls": False}),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {}),
        ({"functions": [{"name": "f"}], "function_call": {"name": "f"}},
         {"tools": [FLAT], "tool_choice": {"type": "function", "name": "f"}}),
        ({"web_search_options": {}}, {"tools": [{"type": "web_search"}]}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"metadata": {"a": "b"}, "user": "u", "temperature": 0.5, "top_p": 0.9, "service_tier": "flex"},) * 2,
        ({"safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h"},) * 2,
        ({"temperature": None}, {}),
    ],
)  # fmt: skip
def test_what_becomes_of_a_field(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    assert more(**fields) == sent


def test_what_openai_wants_beside() -> None:
    assert more(OPENAI, max_tokens=3, stream=True) == {
        "max_output_tokens": 16,
        "include": ["reasoning.encrypted_content"],
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }


def test_a_summary_is_asked_for_where_the_file_says_so() -> None:
    profile = ResponsesProfile(ask_encrypted=True, summary="auto")
    assert more(profile)["reasoning"] == {"summary": "auto"}
    assert more(profile, reasoning_effort="low")["reasoning"] == {"effort": "low", "summary": "auto"}


@pytest.mark.parametrize(("store", "keeps", "sent"), [(None, True, False), (True, False, False), (True, True, True)])
def test_nothing_is_kept_unless_both_say_so(store: bool | None, keeps: bool, sent: bool) -> None:
    assert built(ResponsesProfile(keeps=keeps), store=store)[0]["store"] is sent


@pytest.mark.parametrize(
    "name", ["seed", "logit_bias", "presence_penalty", "frequency_penalty", "prediction", "vendor", "reasoning"]
)
def test_what_has_no_effect_is_named_or_refused(name: str) -> None:
    body, ignored = built(**{name: 1})
    assert (ignored, name in body) == ([name], False)
    with pytest.raises(BadRequest) as caught:
        built(options=TranslateOptions(params="strict"), **{name: 1})
    assert (caught.value.param, caught.value.code) == (name, "unsupported_parameter")


def test_names_from_afar_fit_in_a_header() -> None:
    _, ignored = built(**{"ü" * 200: 1}, **{f"x{at}": 1 for at in range(40)})
    assert ignored[0] == "?" * 80
    assert len(ignored) == 20


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"max_tokens": "7"}, "max_tokens"),
        ({"response_format": "json"}, "response_format"),
        ({"tool_choice": 7, "tools": [TOOL]}, "tool_choice"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        built(**fields)
    assert caught.value.param == param
