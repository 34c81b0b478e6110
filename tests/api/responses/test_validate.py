import json

import pytest

from proxy.api.responses.request import ResponsesRequest
from proxy.errors import BadRequest, ExchangeError
from tests.support.asked import call, check_alone, function, refusal, request, user
from tests.support.captured import CAPTURED, for_each
from tests.support.fixtures import SHARED, needs_shared

EVERYTHING = {
    "background": False,
    "background_options": {"completion_window": "soonest"},
    "client_metadata": {"a": "b"},
    "context_management": [{"type": "compaction", "compact_threshold": 2000}],
    "frequency_penalty": 0.1,
    "include": ["reasoning.encrypted_content"],
    "instructions": "Be brief.",
    "max_output_tokens": 16,
    "max_tool_calls": 2,
    "metadata": {"k": "v"},
    "moderation": {"model": "m", "policy": {"input": {"mode": "score"}}},
    "n": 1,
    "parallel_tool_calls": False,
    "presence_penalty": -0.1,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning": {"effort": "low", "summary": "auto"},
    "safety_identifier": "s",
    "service_tier": "auto",
    "store": False,
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "temperature": 0.5,
    "text": {"format": {"type": "text"}, "verbosity": "low"},
    "tool_choice": "auto",
    "tools": [function("f")],
    "top_logprobs": 2,
    "top_p": 0.9,
    "truncation": "auto",
    "user": "u",
}


def test_a_request_with_every_field_is_good():
    request(**EVERYTHING).validate()


@pytest.mark.parametrize("name", [*EVERYTHING, "previous_response_id", "conversation", "prompt", "type", "generate"])
def test_null_means_absent_in_every_field(name):
    request(**{name: None}).validate()


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": None}, "missing_required_parameter", "model"),
        ({"model": 5}, "invalid_type", "model"),
        ({"model": ""}, "invalid_type", "model"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"input": None}, "missing_required_parameter", "input"),
        ({"input": ""}, "missing_required_parameter", "input"),
        ({"input": []}, "missing_required_parameter", "input"),
        ({"input": 5}, "invalid_type", "input"),
        ({"input": {"role": "user"}}, "invalid_type", "input"),
        ({"input": ["text"]}, "invalid_type", "input[0]"),
        ({"input": [user("x"), {"role": "user"}]}, "missing_required_parameter", "input[1].content"),
        ({"input": [call("a")]}, None, "input"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "max_output_tokens"),
        ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
        ({"max_completion_tokens": "5"}, "invalid_type", "max_completion_tokens"),
        ({"stream_options": {"include_obfuscation": True}}, "invalid_value", "stream_options"),
        ({"prompt": {"id": "p"}}, "unsupported_value", "prompt"),
        ({"prompt": {"id": "p"}, "input": ["text"]}, "unsupported_value", "prompt"),  # before the input is read
        ({"access_programs": ["x"]}, "unsupported_value", "access_programs"),
        ({"moderation": {"policy": {"output": {"mode": "block"}}}}, "unsupported_value", "moderation"),
        (
            {"background_options": {"completion_window": "2h"}},
            "unsupported_value",
            "background_options.completion_window",
        ),
        ({"n": 2}, "unsupported_value", "n"),
        ({"generate": False}, "unknown_parameter", "generate"),
        ({"stream_id": "x"}, "unknown_parameter", "stream_id"),
        ({"type": "response.create"}, "unknown_parameter", "type"),
        ({"tools": [function("f"), function("f")]}, "invalid_value", "tools[1].name"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
        ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "g"}, "tools": [function("f")]}, "invalid_value", "tool_choice"),
    ],
)
def test_what_is_wrong_is_refused_by_code_and_path(fields, code, param):
    error = refusal(**fields)
    assert (error.status, error.type, error.code, error.param) == (400, "invalid_request_error", code, param)


@pytest.mark.parametrize("fields", [{}, {"input": []}, {"input": None}])
def test_what_only_warms_up_needs_no_input(fields):
    request = ResponsesRequest.parse(json.dumps({"model": "m", **fields}).encode())
    request.warms_up = True
    request.copy().validate()


def test_tools_of_one_name_in_two_namespaces_are_two_tools():
    spaces = [{"type": "namespace", "name": name, "tools": [function("f")]} for name in ("a", "b")]
    request(tools=[*spaces, function("f")]).validate()


def test_a_tool_may_be_found_again():
    found = {"type": "tool_search_output", "tools": [function("f")]}
    request(tools=[function("f")], input=[user("x"), found, found]).validate()


def test_a_choice_may_name_a_tool_that_was_found():
    found = {"type": "tool_search_output", "tools": [function("g")]}
    request(input=[user("x"), found], tool_choice={"type": "function", "name": "g"}).validate()


def test_bytes_that_are_no_text_are_refused_wherever_they_stand():
    for body in (b'{"model":"m","input":"\xff"}', b'{"model":"m","input":[{"role":"user","content":"\\ud800"}]}'):
        with pytest.raises(BadRequest) as caught:
            ResponsesRequest.parse(body).validate()
        assert caught.value.code == "invalid_json"


@for_each(CAPTURED)
def test_requests_of_real_clients(one):
    made = ResponsesRequest.parse(one.raw)
    if one.needs_store in (None, "background", "compaction", "compaction_trigger"):
        made.validate()  # what those need is seen to later
        return
    with pytest.raises(ExchangeError) as caught:
        check_alone(made)
    expected = {
        "previous_response_id": (400, "previous_response_not_found", "previous_response_id"),
        "conversation": (404, None, "conversation"),
    }
    error = caught.value
    found = (error.status, error.code, error.param)
    if one.needs_store in expected:
        assert found == expected[one.needs_store]
    else:
        assert found[0] == 404
        assert error.message.startswith("Item with id '")


@needs_shared
def test_the_validated_examples_are_good():
    assert SHARED is not None
    bodies = [path.read_bytes() for path in sorted((SHARED / "examples").glob("*.request.json"))]
    assert bodies
    for body in bodies:
        ResponsesRequest.parse(body).validate()
        assert json.loads(body)["model"]
