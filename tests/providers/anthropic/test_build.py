from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.anthropic.profile import MessagesProfile, ThinkingBudgets
from proxy.providers.anthropic.traits import traits_of
from proxy.providers.provider import TranslateOptions
from tests.support.asked import function, request
from tests.support.captured import CAPTURED, Captured, for_each
from tests.support.messages_asked import ALWAYS, BUDGET, FIRST_ADAPTIVE, NEW, OLD, Built, build
from tests.support.strict_messages import models

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"]}
FORM = {"type": "json_schema", "name": "n", "schema": SCHEMA, "description": "An a."}
STRICT = TranslateOptions(params="strict")


def made(model: str = NEW, **fields: Any) -> Built:
    return build(request(**fields), model)


def refused(model: str = NEW, **fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        build(request(**fields), model, options=STRICT)
    return caught.value


def test_the_least_there_is() -> None:
    assert made().body == {
        "model": NEW, "max_tokens": 32000, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"max_output_tokens": 100}, {"max_tokens": 100}),
        ({"max_tokens": 100}, {"max_tokens": 100}),
        ({"max_completion_tokens": 100}, {"max_tokens": 100}),
        ({"max_output_tokens": 10**6}, {"max_tokens": 128000}),
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"top_p": 0.3}, {"top_p": 0.3}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "priority"}, {"service_tier": "auto"}),
        ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
        ({"user": "u-1", "safety_identifier": "s-1"}, {"metadata": {"user_id": "s-1"}}),
        ({"user": "a@b.c"}, {"metadata": {"user_id": hashlib.sha256(b"a@b.c").hexdigest()}}),
        ({"user": "+49 (30) 123-456"}, {"metadata": {"user_id": hashlib.sha256(b"+49 (30) 123-456").hexdigest()}}),
        ({"reasoning": {"effort": "low", "summary": "auto"}},
         {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}}),
        ({"reasoning": {"effort": "low"}},
         {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}}),
        ({"text": {"verbosity": "medium"}}, {}),
        ({"text": {"format": {"type": "text"}}}, {}),
        ({"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0, "presence_penalty": 0, "top_logprobs": 0},
         {"temperature": 1.0}),
        ({"metadata": {"a": "b"}, "store": True, "truncation": "auto", "include": ["reasoning.encrypted_content"],
          "prompt_cache_key": "k", "max_tool_calls": 3, "user": None}, {}),
    ],
)  # fmt: skip
def test_what_becomes_of_fields(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    built = made(FIRST_ADAPTIVE, **fields)
    least = made(FIRST_ADAPTIVE).body
    for block in (block for message in built.messages for block in message["content"]):
        block.pop("cache_control", None)
    assert built.body == {**least, **sent}
    assert built.ignored == []


@pytest.mark.parametrize(
    ("model", "fields", "ignored"),
    [
        (NEW, {"temperature": 0.5}, ["temperature"]),
        (NEW, {"top_p": 0.5}, ["top_p"]),
        (NEW, {"top_k": 5}, ["top_k"]),
        (FIRST_ADAPTIVE, {"temperature": 0.5, "top_p": 0.5}, ["top_p"]),
        (FIRST_ADAPTIVE, {"temperature": 0.5, "reasoning": {"effort": "low"}}, ["temperature"]),
        (FIRST_ADAPTIVE, {"top_k": 5, "reasoning": {"effort": "low"}}, ["top_k"]),
        (ALWAYS, {"reasoning": {"effort": "none"}}, ["reasoning.effort"]),
        (NEW, {"reasoning": {"mode": "pro"}}, ["reasoning.mode"]),
        (NEW, {"service_tier": "flex"}, ["service_tier"]),
        (NEW, {"frequency_penalty": 0.1}, ["frequency_penalty"]),
        (NEW, {"presence_penalty": -0.1}, ["presence_penalty"]),
        (NEW, {"top_logprobs": 3}, ["top_logprobs"]),
        (NEW, {"text": {"verbosity": "low"}}, ["text.verbosity"]),
        (NEW, {"stop": ["a", "\n"]}, ["stop"]),
        (NEW, {"seed": 7, "logit_bias": {}}, ["seed", "logit_bias"]),
        (NEW, {"na\u00efve": 1}, ["na?ve"]),
    ],
)
def test_what_has_no_effect_is_named_and_refused_where_the_file_says_so(
    model: str, fields: dict[str, Any], ignored: list[str]
) -> None:
    assert made(model, **fields).ignored == ignored
    error = refused(model, **fields)
    assert error.code == "unsupported_parameter"


def test_no_more_than_twenty_unknown_fields_are_named() -> None:
    assert len(made(**{f"x{n}": 1 for n in range(30)}).ignored) == 20


@pytest.mark.parametrize("stop", [5, [5], {"a": 1}])
def test_stop_words_of_a_wrong_type(stop: Any) -> None:
    assert refused(stop=stop).param == "stop"


def test_the_limit_of_an_answer_that_nobody_set() -> None:
    assert build(request(), BUDGET, MessagesProfile(max_tokens=500)).body["max_tokens"] == 500
    assert build(request(max_output_tokens=9), BUDGET, MessagesProfile(max_tokens=500)).body["max_tokens"] == 9
    assert build(request(), "kimi-k2").body["max_tokens"] == 4096


def test_budgets() -> None:
    built = made(BUDGET, reasoning={"effort": "medium"}, max_output_tokens=1000)
    assert built.body["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert built.body["max_tokens"] == 5096
    own = MessagesProfile(thinking_budgets=ThinkingBudgets(medium=2000))
    assert build(request(reasoning={"effort": "medium"}), BUDGET, own).body["thinking"]["budget_tokens"] == 2000


def test_thinking_between_calls_is_a_beta() -> None:
    tools = [function("f")]
    assert made(BUDGET, reasoning={"effort": "low"}, tools=tools).betas == ["interleaved-thinking-2025-05-14"]
    assert made(BUDGET, reasoning={"effort": "low"}).betas == []
    assert made(BUDGET, tools=tools).betas == []
    assert made(NEW, reasoning={"effort": "low"}, tools=tools).betas == []
    assert made("claude-3-7-sonnet-20250219", reasoning={"effort": "low"}, tools=tools).betas == []


def test_thinking_is_shown_where_somebody_else_wants_it() -> None:
    built = build(request(reasoning={"effort": "low"}), NEW, show_thinking=True)
    assert built.body["thinking"]["display"] == "summarized"


def test_an_answer_of_a_schema() -> None:
    built = made(text={"format": FORM}, reasoning={"effort": "low"})
    assert built.body["output_config"] == {
        "effort": "low",
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"a": {"type": "string", "description": "minLength: 1"}},
                "required": ["a"],
                "additionalProperties": False,
                "description": "An a.",
            },
        },
    }
    assert not built.answers_by_tool


def test_a_model_that_cannot_be_held_to_a_schema_answers_by_a_tool() -> None:
    built = made(OLD, text={"format": FORM})
    assert built.answers_by_tool
    assert built.body["tools"] == [
        {"name": "json_tool_call", "description": "Takes your answer. An a.", "input_schema": SCHEMA}
    ]
    assert built.body["tool_choice"] == {"type": "tool", "name": "json_tool_call"}


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, {"type": "any"}),
        ({"tool_choice": "auto"}, {"type": "any"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "tool", "name": "json_tool_call"}),
        ({"tool_choice": {"type": "function", "name": "f"}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": False}, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_the_clients_tools_can_be_called_besides(fields: dict[str, Any], choice: dict[str, Any]) -> None:
    built = made(OLD, text={"format": FORM}, tools=[function("f")], **fields)
    assert built.body["tool_choice"] == choice
    assert [tool["name"] for tool in built.body["tools"]] == ["f", "json_tool_call"]


def test_a_model_that_thinks_is_told_in_words() -> None:
    built = made(OLD, text={"format": FORM}, reasoning={"effort": "low"})
    assert "tool_choice" not in built.body
    assert "json_tool_call" in built.body["system"][-1]["text"]


def test_an_answer_of_json() -> None:
    built = made(text={"format": {"type": "json_object"}}, instructions="Be.")
    assert [block["text"] for block in built.body["system"]] == [
        "Be.", "Answer with one JSON object and nothing else."
    ]  # fmt: skip


def test_fields_of_the_file_are_added_and_those_of_the_request_count() -> None:
    profile = MessagesProfile(extra_body={"top_k": 3, "metadata": {"user_id": "file"}})
    built = build(request(user="u"), FIRST_ADAPTIVE, profile)
    assert (built.body["top_k"], built.body["metadata"]) == (3, {"user_id": "u"})


def test_citations_of_documents_are_asked_for_where_the_file_says_so() -> None:
    part = {"type": "input_file", "file_data": "data:text/plain;base64,YQ=="}
    asked = request(input=[{"role": "user", "content": [part]}])
    profile = MessagesProfile(document_citations=True)
    assert build(asked, NEW, profile).messages[0]["content"][0]["citations"] == {"enabled": True}
    assert "citations" not in build(asked).messages[0]["content"][0]


ALONE = [one for one in CAPTURED if one.needs_store is None]


@for_each(ALONE)
def test_what_real_clients_send_is_taken(captured: Captured) -> None:
    for model in (NEW, ALWAYS, FIRST_ADAPTIVE, BUDGET, OLD):
        body = dict(captured.body)
        if not traits_of(model).forced_tools and body.get("tool_choice") not in (None, "auto", "none"):
            with pytest.raises(BadRequest, match="cannot be made to call"):
                build(request(**body), model)
            del body["tool_choice"]
        built = build(request(**body), model)
        assert built.body["model"] == model


@pytest.mark.parametrize("model", models())
def test_every_model_is_asked_as_it_wants(model: str) -> None:
    for effort in (None, "none", "minimal", "low", "medium", "high", "xhigh", "max"):
        for choice in ("auto", "required" if traits_of(model).forced_tools else "none"):
            for form in ({"type": "text"}, FORM):
                fields = {"tools": [function("f", strict=True)], "tool_choice": choice, "text": {"format": form}}
                built = made(model, **fields, reasoning={"effort": effort}, temperature=0.3, top_p=0.4)
                assert json.loads(built.raw) == built.body
