import json

import msgspec
import pytest

from proxy.api.responses.request import ResponsesRequest
from tests.support.asked import function, request, user
from tests.support.captured import CAPTURED
from tests.support.fixtures import SHARED, needs_shared

DEFAULTS = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def shown(made):
    return json.loads(msgspec.json.encode(made.echo()))


def test_the_defaults():
    assert shown(request()) == DEFAULTS


def test_what_is_changed_in_one_is_not_in_the_next():
    request().echo()["store"] = False
    assert shown(request()) == DEFAULTS


def test_instructions_that_a_stage_has_dropped_are_shown():
    made = request(instructions="Be brief.")
    made.add_instructions("Be kind.", "append")
    made.drop("instructions")
    assert shown(made) == {**DEFAULTS, "instructions": "Be brief."}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_penalty", 0.5),
        ("instructions", "Be brief."),
        ("max_output_tokens", 7),
        ("max_tool_calls", 3),
        ("metadata", {"a": "b", "ä": "😀"}),
        ("parallel_tool_calls", False),
        ("prompt_cache_key", "k"),
        ("reasoning", {"effort": "high", "summary": "concise"}),
        ("safety_identifier", "s"),
        ("service_tier", "flex"),
        ("store", False),
        ("temperature", 0.0),
        ("text", {"format": {"type": "json_object"}, "verbosity": "low"}),
        ("tool_choice", "none"),
        ("top_logprobs", 5),
        ("top_p", 0.5),
        ("truncation", "auto"),
        ("user", "u"),
    ],
)
def test_what_was_given_is_shown(name, value):
    assert shown(request(**{name: value})) == {**DEFAULTS, name: value}
    assert shown(request(**{name: None})) == DEFAULTS


def test_the_limit_is_shown_under_its_own_name():
    assert shown(request(max_tokens=9))["max_output_tokens"] == 9
    assert shown(request(max_completion_tokens=9))["max_output_tokens"] == 9
    assert shown(request(max_tokens=9, max_output_tokens=5))["max_output_tokens"] == 5


def test_a_schema_is_shown_flat_and_whole():
    form = {"type": "json_schema", "name": "n", "strict": True, "schema": {"type": "object", "x": [1, {"y": None}]}}
    assert shown(request(text={"format": form}))["text"] == {"format": form, "verbosity": "medium"}


def test_functions_have_all_five_keys():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    nested = {"type": "function", "function": {"name": "g", "description": "d", "strict": False}}
    tools = [{"type": "function", "name": "f", "parameters": schema}, nested]
    assert shown(request(tools=tools))["tools"] == [
        {"type": "function", "name": "f", "description": None, "parameters": schema, "strict": None},
        {
            "type": "function",
            "name": "g",
            "description": "d",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]


def test_other_tools_are_shown_as_they_were_given():
    tools = [
        {"type": "web_search", "filters": {"a": [1]}},
        {"type": "custom", "name": "c", "format": {"type": "text"}},
        {"type": "namespace", "name": "n", "tools": [function("f")]},
    ]
    assert shown(request(tools=tools))["tools"] == tools


def test_tools_of_the_input_are_not_those_of_the_request():
    item = {"type": "additional_tools", "role": "developer", "tools": [function("f")]}
    assert shown(request(input=[item, user("x")]))["tools"] == []


def test_a_choice_of_chat_form_is_shown_flat():
    made = request(tools=[function("f")], tool_choice={"type": "function", "function": {"name": "f"}})
    assert shown(made)["tool_choice"] == {"type": "function", "name": "f"}


def test_the_old_name_of_the_summary():
    assert shown(request(reasoning={"generate_summary": "auto"}))["reasoning"] == {"effort": None, "summary": "auto"}


def test_the_last_update_in_the_input_counts():
    form = {"type": "json_schema", "name": "n", "schema": {}}
    updates = [
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
        user("x"),
        {"type": "configuration_update", "reasoning": {"effort": "high"}, "text": {"format": form}},
    ]
    made = shown(request(input=updates, reasoning={"effort": "minimal", "summary": "auto"}))
    assert made["reasoning"] == {"effort": "high", "summary": "auto"}
    assert made["text"]["format"] == form


def test_what_a_stage_adds_to_the_instructions_is_not_shown():
    made = request(instructions="mine")
    made.add_instructions("secret", "prepend")
    assert shown(made.copy())["instructions"] == "mine"
    bare = request()
    bare.add_instructions("secret", "append")
    assert shown(bare)["instructions"] is None


@needs_shared
@pytest.mark.parametrize("name", ["length_cut", "midstream_error", "parallel_tools", "reasoning_text", "text"])
def test_the_validated_examples(name):
    assert SHARED is not None
    made = ResponsesRequest.parse((SHARED / "examples" / f"{name}.request.json").read_bytes())
    made.validate()
    response = json.loads((SHARED / "examples" / f"{name}.response.json").read_text())
    echoed = shown(made)
    assert echoed == {key: response[key] for key in echoed}
    others = "completed_at created_at error id incomplete_details model object output status usage"
    assert sorted(set(response) - set(echoed)) == others.split()


@needs_shared
def test_every_captured_request_can_be_shown():
    for one in CAPTURED:
        if one.needs_store is None:
            echoed = shown(ResponsesRequest.parse(one.raw))
            assert len(echoed["tools"]) == len(one.body.get("tools") or [])
