"""Arguments made from schemas: they fit the schema, and say what the text says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.echo.sample import Sampler

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city"],
}


def sample(schema: dict[str, Any], text: str = "Some text") -> Any:
    value = Sampler(schema, text).value()
    jsonschema.validate(value, schema)
    return value


def test_only_what_is_required_is_filled() -> None:
    assert sample(WEATHER, "How is it in Oslo?") == {"city": "How is it in Oslo?"}


def test_what_the_text_names_is_taken_from_it() -> None:
    assert sample(WEATHER, 'get_weather city=Oslo, days: 3 unit="F"') == {"city": "Oslo", "days": 3, "unit": "F"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "Some text"),
        ({}, "Some text"),
        ({"type": "string", "maxLength": 4}, "Some"),
        ({"type": "string", "minLength": 12}, "Some textxxx"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": ["null", "string"]}, "Some text"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "number"}, 1.0),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"const": 7}, 7),
        ({"enum": ["red", "text", "blue"]}, "text"),
        ({"enum": [1, 2]}, 1),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"type": "array", "minItems": 2, "items": {"const": 1}}, [1, 1]),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array"}, ["Some text"]),
        ({"type": "object"}, {}),
        ({"properties": {"a": {}}, "required": ["a"]}, {"a": "Some text"}),
        ({"type": "object", "required": ["b"]}, {"b": "Some text"}),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"const": 3}]}, 3),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"const": 4}}}, 4),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"type": "object", "required": ["b"]}]},
            {"a": 1, "b": "Some text"},
        ),
    ],
)
def test_kinds(schema, expected) -> None:
    assert sample(schema) == expected


def test_numbers_come_from_the_text() -> None:
    assert sample({"type": "integer"}, "add 41 and 1") == 41
    assert sample({"type": "number"}, "it is -2.5 there") == -2.5


def test_booleans_can_be_denied() -> None:
    schema = {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"]}
    assert sample(schema, "deep=false") == {"deep": False}


def test_nested_strict_schemas() -> None:
    schema = {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"explanation": {"type": "string"}, "output": {"$ref": "#/$defs/out"}},
                    "required": ["explanation", "output"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["steps"],
        "additionalProperties": False,
        "$defs": {"out": {"type": "string"}},
    }
    assert sample(schema) == {"steps": [{"explanation": "Some text", "output": "Some text"}]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {one: {"$ref": "#"} for one in "abcdef"}, "required": [*"abcdef"]},
        {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
        {"allOf": [{"$ref": "#"}]},
        {"allOf": [{"$ref": "#"}] * 8},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": "object", "properties": 3, "required": "a"},
        {"type": "array", "items": [1], "minItems": "x"},
        {"anyOf": [3]},
        {"enum": []},
        {"type": 3},
        {"allOf": [3, {"properties": None, "required": None}]},
    ],
)
def test_endless_and_broken_schemas_end(schema) -> None:
    Sampler(schema, "x").value()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["string", "object", "#", "a", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "items", "anyOf", "allOf", "$ref", "enum", "a", "format"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "required", "items", "allOf", "$ref"]), json_values))
def test_no_schema_breaks_it(schema) -> None:
    Sampler(schema, "some a=1 text").value()
