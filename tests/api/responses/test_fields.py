import json

import pytest

from proxy.api.raw import Raw
from proxy.api.responses.fields import FIELDS, INCLUDABLE
from proxy.errors import BadRequest


def read(name, value):
    return FIELDS[name].read(Raw(json.dumps(value).encode()), name)


@pytest.mark.parametrize("name", [name for name in FIELDS if FIELDS[name].read(Raw(b"null"), name) is None])
def test_null_means_absent(name):
    assert read(name, None) is None


def test_only_fields_that_are_read_as_raw_json_keep_their_null():
    raw = {name for name in FIELDS if FIELDS[name].read(Raw(b"null"), name) is not None}
    assert raw == {"access_programs", "input", "prompt", "prompt_cache_options", "tool_choice"}


GOOD = [
    ("temperature", 0),
    ("temperature", 2),
    ("temperature", 0.7),
    ("top_p", 1),
    ("presence_penalty", -2),
    ("top_logprobs", 20),
    ("max_output_tokens", 1),
    ("max_tool_calls", 1),
    ("metadata", {"k" * 64: "v" * 512}),
    ("metadata", {str(n): "" for n in range(16)}),
    ("safety_identifier", "s" * 128),
    ("prompt_cache_key", "k" * 64),
    ("include", list(INCLUDABLE)),
    ("conversation", "conv_1"),
    ("conversation", {"id": "conv_1"}),
    ("text", {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {}}}),
    ("text", {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": None, "description": None}}),
    ("text", {"format": None}),
    ("reasoning", {"effort": "max", "summary": "detailed", "context": "all_turns", "mode": "pro"}),
    ("reasoning", {"effort": None, "generate_summary": "auto"}),
    ("stream_options", {"include_obfuscation": False}),
    ("service_tier", "priority"),
    ("truncation", "auto"),
    ("context_management", [{"type": "compaction", "compact_threshold": 1000}]),
    ("context_management", [{"type": "compaction"}]),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_good_values_are_taken(name, value):
    assert read(name, value) is not None


BAD = [
    (
        "context_management",
        [{"type": "compaction", "compact_threshold": 999}],
        "integer_below_min_value",
        "context_management[0].compact_threshold",
    ),
    ("context_management", [{"type": "clear"}], "invalid_value", "context_management[0].type"),
    ("context_management", {"type": "compaction"}, "invalid_type", "context_management"),
    ("temperature", -0.1, "decimal_below_min_value", "temperature"),
    ("temperature", 2.1, "decimal_above_max_value", "temperature"),
    ("temperature", "1", "invalid_type", "temperature"),
    ("temperature", True, "invalid_type", "temperature"),
    ("top_p", 1.5, "decimal_above_max_value", "top_p"),
    ("frequency_penalty", 3, "decimal_above_max_value", "frequency_penalty"),
    ("top_logprobs", 21, "integer_above_max_value", "top_logprobs"),
    ("top_logprobs", -1, "integer_below_min_value", "top_logprobs"),
    ("max_output_tokens", 0, "integer_below_min_value", "max_output_tokens"),
    ("max_output_tokens", 1.5, "invalid_type", "max_output_tokens"),
    ("max_tool_calls", 0, "integer_below_min_value", "max_tool_calls"),
    ("metadata", {str(n): "" for n in range(17)}, "object_above_max_properties", "metadata"),
    ("metadata", {"k" * 65: "v"}, "string_above_max_length", "metadata." + "k" * 64),
    ("metadata", {"k": "v" * 513}, "string_above_max_length", "metadata.k"),
    ("metadata", [], "invalid_type", "metadata"),
    ("safety_identifier", "s" * 129, "string_above_max_length", "safety_identifier"),
    ("prompt_cache_key", "k" * 65, "string_above_max_length", "prompt_cache_key"),
    ("include", ["nope"], "invalid_value", "include[0]"),
    ("include", "reasoning.encrypted_content", "invalid_type", "include"),
    ("parallel_tool_calls", "yes", "invalid_type", "parallel_tool_calls"),
    ("store", 1, "invalid_type", "store"),
    ("truncation", "sometimes", "invalid_value", "truncation"),
    ("service_tier", "gold", "invalid_value", "service_tier"),
    ("text", {"verbosity": "loud"}, "invalid_value", "text.verbosity"),
    ("text", {"format": {}}, "missing_required_parameter", "text.format.type"),
    ("text", {"format": {"type": "xml"}}, "invalid_value", "text.format.type"),
    ("text", {"format": {"type": "json_schema", "schema": {}}}, "missing_required_parameter", "text.format.name"),
    ("text", {"format": {"type": "json_schema", "name": "n"}}, "missing_required_parameter", "text.format.schema"),
    (
        "text",
        {"format": {"type": "json_schema", "name": "n", "schema": []}},
        "invalid_type",
        "text.format.schema",
    ),
    (
        "text",
        {"format": {"type": "json_schema", "name": "n" * 65, "schema": {}}},
        "string_above_max_length",
        "text.format.name",
    ),
    ("reasoning", {"effort": "extreme"}, "invalid_value", "reasoning.effort"),
    ("reasoning", {"summary": "short"}, "invalid_value", "reasoning.summary"),
    ("reasoning", {"generate_summary": "short"}, "invalid_value", "reasoning.generate_summary"),
    ("reasoning", {"context": "some"}, "invalid_value", "reasoning.context"),
    ("reasoning", "high", "invalid_type", "reasoning"),
    ("moderation", {"policy": {"input": {"mode": "stop"}}}, "invalid_value", "moderation.policy.input.mode"),
    ("tools", {}, "invalid_type", "tools"),
    ("model", 5, "invalid_type", "model"),
]


@pytest.mark.parametrize(("name", "value", "code", "param"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_bad_values_are_refused_by_code_and_path(name, value, code, param):
    with pytest.raises(BadRequest) as caught:
        read(name, value)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_the_words_of_a_range_are_those_of_the_api():
    with pytest.raises(BadRequest) as caught:
        read("temperature", -1)
    assert caught.value.message == (
        "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead."
    )
