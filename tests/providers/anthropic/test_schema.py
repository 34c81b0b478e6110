from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api.raw import Raw
from proxy.errors import BadRequest
from proxy.providers.anthropic.schema import held_to
from tests.support.bad_streams import budget
from tests.support.strict_messages import check_schema


def held(schema: Any) -> dict[str, Any]:
    made = held_to(Raw(json.dumps(schema).encode()), "text.format.schema")
    check_schema(made)
    return made


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "string", "title": "T", "default": "a"}, {"type": "string", "title": "T", "default": "a"}),
        ({"enum": ["a", 1]}, {"enum": ["a", 1]}),
        ({"type": "object", "properties": {}}, {"type": "object", "properties": {}, "additionalProperties": False}),
        (
            {"type": "object", "additionalProperties": {"type": "string"}, "$schema": "x"},
            {"type": "object", "additionalProperties": False},
        ),
        ({"oneOf": [{"type": "null"}, {"type": "string"}]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
        (
            {"type": "array", "items": {"const": 1}, "minItems": 1},
            {"type": "array", "items": {"const": 1}, "minItems": 1},
        ),
        ({"type": "string", "format": "uuid"}, {"type": "string", "format": "uuid"}),
        ({"type": "string", "format": "binary"}, {"type": "string", "description": 'format: "binary"'}),
        (
            {"type": "integer", "minimum": 1, "maximum": 9, "description": "A figure."},
            {"type": "integer", "description": "A figure.\n\nminimum: 1; maximum: 9"},
        ),
        ({"type": "array", "items": {}, "minItems": 2}, {"type": "array", "items": {}, "description": "minItems: 2"}),
        ({"type": ["object", "null"]}, {"type": ["object", "null"], "additionalProperties": False}),
        ({"$ref": "#/$defs/a", "description": "x"}, {"$ref": "#/$defs/a"}),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"b": {"pattern": "x"}}}}},
            {
                "$ref": "#/$defs/a",
                "$defs": {"a": {"properties": {"b": {"description": 'pattern: "x"'}}, "additionalProperties": False}},
            },
        ),
    ],
)
def test_what_becomes_of_a_schema(given: Any, expected: Any) -> None:
    assert held(given) == expected


def test_properties_may_bear_the_names_of_rules() -> None:
    made = held({"type": "object", "properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}}})
    assert set(made["properties"]) == {"pattern", "$ref"}


@pytest.mark.parametrize("raw", [b"[]", b"5", b"{", b'"a"'])
def test_what_is_no_schema(raw: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        held_to(Raw(raw), "text.format.schema")
    assert caught.value.param == "text.format.schema"


LEAVES = st.sampled_from([
    {"type": "string"}, {"type": "integer", "minimum": 0}, {"enum": [1, "a"]}, {"$ref": "#/$defs/a"}, {}, True,
    {"type": "string", "pattern": "^a", "format": "date"},
])  # fmt: skip
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda p: {"type": "object", "properties": p, "minProperties": 1},
                  st.dictionaries(st.sampled_from(["a", "type", "items"]), inner, max_size=3)),
        st.builds(lambda i: {"type": "array", "items": i, "uniqueItems": True}, inner),
        st.builds(lambda a: {"oneOf": a}, st.lists(inner, max_size=3)),
        st.builds(lambda a, n: {"allOf": a, "not": n}, st.lists(inner, max_size=2), inner),
        st.builds(lambda d: {"$defs": {"a": d}, "type": "object"}, inner),
    ),
    max_leaves=8,
)  # fmt: skip


@budget(60)
@given(schema=SCHEMAS)
def test_every_schema_becomes_one_that_is_taken(schema: Any) -> None:
    if isinstance(schema, dict) and b"true" not in json.dumps(schema).encode():
        made = held(schema)
        assert held(made) == made
