"""The body of Converse, field by field, for models of several makers; and every captured request of real clients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.anthropic.profile import ThinkingBudgets
from proxy.providers.bedrock.config import BedrockProfile, GuardrailSettings
from tests.support.asked import call, function, output, request, user
from tests.support.bedrock_asked import GPT_OSS, LLAMA, NEWEST, NOVA, OLD, OPUS, SONNET, build, converse
from tests.support.captured import CAPTURED, Captured, for_each
from tests.support.strict_converse import check

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
FORM = {"format": {"type": "json_schema", "name": "found", "schema": SCHEMA}}
TOOLS = [function("f"), function("g", description="Gets.")]
SERVABLE = [one for one in CAPTURED if one.needs_store is None]


def test_the_simplest_request() -> None:
    built = converse(input="hi")
    assert built.body == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    assert built.ignored == []


def test_instructions_and_limits() -> None:
    built = converse(
        NOVA, instructions="Be brief.", max_output_tokens=100, temperature=0.5, top_p=0.9, stop=["END", " "]
    )
    assert built.body["system"] == [{"text": "Be brief."}]
    assert built.body["inferenceConfig"] == {
        "maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"],
    }  # fmt: skip
    assert built.ignored == ["stop"]


@pytest.mark.parametrize(
    ("model", "fields", "inference", "ignored"),
    [
        (SONNET, {"temperature": 1.5}, {"temperature": 1.0}, []),
        (SONNET, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, ["top_p"]),
        (SONNET, {"top_p": 0.5}, {"topP": 0.5}, []),
        (NEWEST, {"temperature": 0.5, "top_p": 0.5}, None, ["temperature", "top_p"]),
        (NEWEST, {"temperature": 1, "top_p": 1}, None, []),
        (SONNET, {"temperature": 0.5, "reasoning": {"effort": "high"}}, None, ["temperature"]),
        (NOVA, {"max_output_tokens": 9, "temperature": 0, "reasoning": {"effort": "high"}}, None,
         ["max_output_tokens", "temperature"]),
        (NOVA, {"max_output_tokens": 9, "reasoning": {"effort": "low"}}, {"maxTokens": 9}, []),
        (OLD, {"max_output_tokens": 100_000}, {"maxTokens": 8192}, []),
        (LLAMA, {"temperature": 2, "top_p": 1}, {"temperature": 1.0, "topP": 1.0}, []),
        (SONNET, {"stop": "END"}, {"stopSequences": ["END"]}, []),
    ],
)  # fmt: skip
def test_sampling_and_limits(
    model: str, fields: dict[str, Any], inference: dict[str, Any] | None, ignored: list[str]
) -> None:
    built = converse(model, **fields)
    assert built.body.get("inferenceConfig") == inference
    assert built.ignored == ignored


@pytest.mark.parametrize(
    ("model", "effort", "extra", "ignored"),
    [
        (SONNET, None, {}, []),
        (SONNET, "none", {}, []),
        (SONNET, "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, []),
        (SONNET, "high", {"thinking": {"type": "enabled", "budget_tokens": 8192}}, []),
        (OLD, "high", {}, ["reasoning.effort"]),
        (OPUS, "medium",
         {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "medium"}}, []),
        (OPUS, "none", {"thinking": {"type": "disabled"}}, []),
        (NEWEST, "none", {}, ["reasoning.effort"]),
        (NOVA, "minimal", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, []),
        (NOVA, "none", {}, []),
        (GPT_OSS, "xhigh", {"reasoning_effort": "high"}, []),
        (GPT_OSS, "none", {}, ["reasoning.effort"]),
        ("openai.gpt-5.5", "xhigh", {"reasoning": {"effort": "xhigh"}}, []),
        (LLAMA, "high", {}, ["reasoning.effort"]),
        (LLAMA, "none", {}, []),
    ],
)  # fmt: skip
def test_effort(model: str, effort: str | None, extra: dict[str, Any], ignored: list[str]) -> None:
    built = converse(model, reasoning={"effort": effort})
    assert built.extra == extra
    assert built.ignored == ignored


def test_thinking_has_room_above_the_limit_of_the_answer() -> None:
    budgets = BedrockProfile(thinking_budgets=ThinkingBudgets(high=2000))
    built = converse(SONNET, budgets, reasoning={"effort": "high"}, max_output_tokens=500)
    assert built.extra["thinking"]["budget_tokens"] == 2000
    assert built.body["inferenceConfig"] == {"maxTokens": 2500}


def test_who_reads_thinking_gets_it() -> None:
    shown = converse(OPUS, reasoning={"effort": "low", "summary": "auto"})
    assert shown.extra["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert build(request(reasoning={"effort": "low"}), OPUS, show_thinking=True).extra == shown.extra


def test_thinking_is_off_where_a_tool_is_forced() -> None:
    built = converse(SONNET, reasoning={"effort": "high"}, tools=TOOLS, tool_choice="required")
    assert built.extra == {}
    assert built.body["toolConfig"]["toolChoice"] == {"any": {}}
    assert built.ignored == ["reasoning.effort"]


def test_thinking_is_off_where_the_models_own_is_lost() -> None:
    items = [user("hi"), call("c1"), output("c1")]
    assert converse(SONNET, input=items, tools=TOOLS, reasoning={"effort": "high"}).extra == {}
    assert "thinking" in converse(OPUS, input=items, tools=TOOLS, reasoning={"effort": "high"}).extra


# --- tools


def test_tools() -> None:
    config = converse(tools=TOOLS).body["toolConfig"]
    assert [one["toolSpec"]["name"] for one in config["tools"]] == ["f", "g"]
    assert config["tools"][1]["toolSpec"] == {
        "name": "g",
        "description": "Gets.",
        "inputSchema": {"json": {"type": "object", "properties": {}}},
    }
    assert "toolChoice" not in config


@pytest.mark.parametrize(
    ("choice", "parallel", "made", "own", "ignored"),
    [
        ("auto", None, None, None, []),
        ("required", None, {"any": {}}, None, []),
        ({"type": "function", "name": "g"}, None, {"tool": {"name": "g"}}, None, []),
        ("auto", False, None, {"type": "auto", "disable_parallel_tool_use": True}, []),
        ("required", False, None, {"type": "any", "disable_parallel_tool_use": True}, []),
        ({"type": "function", "name": "g"}, False, None,
         {"type": "tool", "name": "g", "disable_parallel_tool_use": True}, []),
        ("auto", True, None, None, []),
    ],
)  # fmt: skip
def test_the_choice_for_claude(choice: Any, parallel: Any, made: Any, own: Any, ignored: list[str]) -> None:
    built = converse(SONNET, tools=TOOLS, tool_choice=choice, parallel_tool_calls=parallel)
    assert built.body["toolConfig"].get("toolChoice") == made
    assert built.extra.get("tool_choice") == own
    assert built.ignored == ignored


def test_the_choice_for_others() -> None:
    built = converse(NOVA, tools=TOOLS, tool_choice="required", parallel_tool_calls=False)
    assert built.body["toolConfig"]["toolChoice"] == {"any": {}}
    assert built.ignored == ["parallel_tool_calls"]


def test_a_choice_that_cannot_be_forced_is_refused() -> None:
    with pytest.raises(BadRequest, match="cannot be made to call"):
        converse(NEWEST, tools=TOOLS, tool_choice="required")


def test_allowed_tools_are_the_only_ones() -> None:
    only = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]}
    built = converse(tools=TOOLS, tool_choice=only)
    assert [one["toolSpec"]["name"] for one in built.body["toolConfig"]["tools"]] == ["g"]
    assert not built.tools.allows("f")


def test_none_leaves_tools_out() -> None:
    assert "toolConfig" not in converse(tools=TOOLS, tool_choice="none").body


@pytest.mark.parametrize("model", [SONNET, NOVA])
@pytest.mark.parametrize("fields", [{"tools": TOOLS, "tool_choice": "none"}, {}])
def test_a_history_with_calls_keeps_its_tools_but_calls_none(model: str, fields: dict[str, Any]) -> None:
    built = converse(model, input=[user("hi"), call("c1", "f"), output("c1")], **fields)
    assert "f" in [one["toolSpec"]["name"] for one in built.body["toolConfig"]["tools"]]
    assert not built.tools.allows("f")
    if model == SONNET:
        assert built.extra["tool_choice"] == {"type": "none"}
    else:
        assert built.body["system"] == [{"text": "Do not call any tool now."}]


def test_hosted_tools_are_left_out_or_refused() -> None:
    built = converse(tools=[*TOOLS, {"type": "web_search"}])
    assert built.ignored == ["tools[2]: web_search"]
    with pytest.raises(BadRequest, match="web_search"):
        build(request(tools=[{"type": "web_search"}]), unsupported_tools="refuse")


def test_strict_tools() -> None:
    strict = function("s", strict=True, parameters=SCHEMA)
    spec = converse(SONNET, tools=[strict]).body["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["strict"] is True
    assert spec["inputSchema"]["json"]["additionalProperties"] is False
    loose = [
        converse(OLD, tools=[strict]),
        converse(SONNET, BedrockProfile(strict_tools=False), tools=[strict]),
        build(request(tools=[strict]), strict=False),
    ]
    for one in loose:
        spec = one.body["toolConfig"]["tools"][0]["toolSpec"]
        assert "strict" not in spec
        assert spec["inputSchema"]["json"] == SCHEMA


def test_a_freeform_tool_is_a_function_of_one_text() -> None:
    spec = converse(tools=[{"type": "custom", "name": "patch"}]).body["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["inputSchema"]["json"]["required"] == ["input"]


# --- the form of the answer


def test_a_schema_is_held_to_natively() -> None:
    built = converse(SONNET, text=FORM)
    text = built.body["outputConfig"]["textFormat"]
    assert text["type"] == "json_schema"
    made = text["structure"]["jsonSchema"]
    assert made["name"] == "found"
    assert json.loads(made["schema"])["additionalProperties"] is False
    assert not built.by_tool


def test_an_effort_stands_beside_the_schema() -> None:
    built = converse(OPUS, text=FORM, reasoning={"effort": "low"})
    assert built.body["outputConfig"]["effort"] == "low"
    assert "output_config" not in built.extra


def test_a_schema_by_a_tool() -> None:
    built = converse(OLD, text=FORM)
    assert built.by_tool
    config = built.body["toolConfig"]
    assert config["tools"][0]["toolSpec"]["inputSchema"] == {"json": SCHEMA}
    assert config["toolChoice"] == {"tool": {"name": "json_tool_call"}}


def test_a_schema_by_a_tool_beside_others() -> None:
    built = converse(OLD, text=FORM, tools=TOOLS)
    assert built.body["toolConfig"]["toolChoice"] == {"any": {}}
    none = converse(OLD, text=FORM, tools=TOOLS, tool_choice="none")
    assert [one["toolSpec"]["name"] for one in none.body["toolConfig"]["tools"]] == ["json_tool_call"]
    assert none.body["toolConfig"]["toolChoice"] == {"tool": {"name": "json_tool_call"}}


def test_a_schema_by_a_tool_while_thinking_is_asked_for_in_words() -> None:
    built = converse(SONNET, BedrockProfile(structured_output="tool"), text=FORM, reasoning={"effort": "low"})
    assert built.by_tool
    assert "toolChoice" not in built.body["toolConfig"]
    assert built.body["system"] == [{"text": "Give your answer by calling the tool json_tool_call."}]
    assert built.ignored == []


def test_a_schema_in_words() -> None:
    built = converse("us.deepseek.r1-v1:0", text=FORM)
    assert not built.by_tool
    assert '"minimum":1' in built.body["system"][0]["text"].replace(" ", "")
    native = converse("us.deepseek.r1-v1:0", BedrockProfile(structured_output="native"), text=FORM)
    assert "outputConfig" in native.body


def test_any_json_is_asked_for_in_words() -> None:
    assert "JSON object" in converse(text={"format": {"type": "json_object"}}).body["system"][0]["text"]


# --- single fields


@pytest.mark.parametrize(
    ("tier", "made", "ignored"),
    [
        ("auto", None, []),
        ("default", {"type": "default"}, []),
        ("priority", {"type": "priority"}, []),
        ("flex", {"type": "flex"}, []),
        ("scale", None, ["service_tier"]),
    ],
)
def test_tiers(tier: str, made: Any, ignored: list[str]) -> None:
    built = converse(service_tier=tier)
    assert (built.body.get("serviceTier"), built.ignored) == (made, ignored)


def test_metadata_goes_into_the_accounts_logs_as_far_as_it_may() -> None:
    said = {"team": "blue", "path": "/a b:c", "emoji": "🦩", "brackets": "[x]"}
    assert converse(metadata=said).body["requestMetadata"] == {"team": "blue", "path": "/a b:c"}
    assert "requestMetadata" not in converse(metadata={"emoji": "🦩"}).body
    assert "requestMetadata" not in converse(SONNET, BedrockProfile(request_metadata=False), metadata=said).body


def test_what_the_file_adds() -> None:
    profile = BedrockProfile(
        guardrail=GuardrailSettings(id="abc123", version="2"),
        latency="optimized",
        model_fields={"anthropic_beta": ["context-1m-2025-08-07"]},
    )
    plain, streamed = (build(request(stream=stream), SONNET, profile).body for stream in (False, True))
    assert plain["guardrailConfig"] == {"guardrailIdentifier": "abc123", "guardrailVersion": "2"}
    assert streamed["guardrailConfig"] == {**plain["guardrailConfig"], "streamProcessingMode": "sync"}
    assert plain["performanceConfig"] == {"latency": "optimized"}
    assert plain["additionalModelRequestFields"] == {"anthropic_beta": ["context-1m-2025-08-07"]}


def test_top_k() -> None:
    assert converse(SONNET, top_k=5).extra == {"top_k": 5}
    assert converse(NOVA, top_k=5).ignored == ["top_k"]


def test_fields_without_effect_are_named_or_refused() -> None:
    fields = {
        "safety_identifier": "u",
        "top_logprobs": 2,
        "text": {"verbosity": "low"},
        "odd": 1,
        "frequency_penalty": 0,
    }
    assert sorted(converse(**fields).ignored) == ["odd", "safety_identifier", "text.verbosity", "top_logprobs"]
    with pytest.raises(BadRequest) as caught:
        build(request(odd=1), params="strict")
    assert (caught.value.param, caught.value.code) == ("odd", "unsupported_parameter")


def test_stop_must_be_words() -> None:
    with pytest.raises(BadRequest, match="'stop'"):
        converse(stop=[1])


# --- captured requests


@for_each(SERVABLE)
def test_every_captured_request_is_taken(captured: Captured) -> None:
    for model in (SONNET, NEWEST, NOVA):
        body = dict(captured.body)
        if model == NEWEST and body.get("tool_choice") not in (None, "auto", "none"):
            del body["tool_choice"]
        built = build(request(**body), model)
        assert built.body["messages"]


def test_nothing_of_the_client_is_lost_in_a_long_conversation() -> None:
    items = [user("one"), call("c1", "f", '{"a":1}'), call("c2", "g"), output("c1", "first"), output("c2", "second"),
             user("two")]  # fmt: skip
    messages = converse(input=items, tools=TOOLS).messages
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [block["toolUse"]["input"] for block in messages[1]["content"]] == [{"a": 1}, {}]
    assert [next(iter(block)) for block in messages[2]["content"]] == ["toolResult", "toolResult", "text"]


# --- the checker itself


def text_message(text: str = "x", **more: Any) -> dict[str, Any]:
    """Returns a body of one message."""
    return {"messages": [{"role": "user", "content": [{"text": text}]}], **more}


USE = {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "c", "content": [{"text": "x"}]}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (text_message(" "), "blank"),
        (text_message(odd=1), "unknown"),
        (text_message(inferenceConfig={"temperature": 2}), "above"),
        (text_message(inferenceConfig={"maxTokens": 0}), "below"),
        (text_message(serviceTier={"type": "fast"}), "not one of"),
        (text_message(toolConfig={"tools": [{"toolSpec": {"name": "a.b", "inputSchema": {"json": {}}}}]}), "match"),
        (text_message(toolConfig={"tools": []}), "below"),
        (text_message(toolConfig={"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}), "schema"),
        (text_message(system=[{"text": "a", "cachePoint": {"type": "default"}}]), "are not one"),
        ({"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, "first"),
        ({"messages": [*text_message()["messages"], *text_message()["messages"]]}, "alternation"),
        ({"messages": [*text_message()["messages"], {"role": "assistant", "content": [USE]},
                       *text_message()["messages"]]}, "answered by"),
        ({"messages": [*text_message()["messages"], {"role": "assistant", "content": [USE]},
                       {"role": "user", "content": [RESULT]}]}, "no tools"),
        ({"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": ""}}}]}]}, "below"),
    ],
)  # fmt: skip
def test_the_checker_refuses(body: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check(body)
