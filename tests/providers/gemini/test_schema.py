import json

import pytest

from proxy.api.raw import Raw
from proxy.errors import BadRequest
from proxy.providers.gemini.schema import clean_schema, takes_nothing
from tests.support.strict_gemini import check_schema


def cleaned(schema):
    made = json.loads(bytes(clean_schema(Raw(json.dumps(schema).encode()), "tools[0].parameters")))
    check_schema(made)
    return made


def test_what_is_known_stays_the_very_same_bytes():
    raw = Raw(b'{ "type":"object", "properties":{"a":{"type":["string","null"],"enum":["x"]}},"required":["a"]}')
    assert bytes(clean_schema(raw, "x")) == bytes(raw)


REQUIRED = [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"required": ["b", "a"]}]
ODD = {"additionalProperties": {"if": {}}, "prefixItems": [True, {"else": 1}]}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string", "pattern": "^a", "minLength": 1, "default": "a", "examples": ["a"]}, {"type": "string"}),
        ({"const": 5}, {"enum": [5]}),
        ({"$schema": "x", "type": "object", "strict": True}, {"type": "object"}),
        (
            {"allOf": REQUIRED, "required": ["c"]},
            {"properties": {"a": {"enum": [1]}}, "required": ["c", "a", "b"]},
        ),
        (
            {"definitions": {"T": {"minLength": 1}}, "properties": {"t": {"$ref": "#/definitions/T", "title": "t"}}},
            {"$defs": {"T": {}}, "properties": {"t": {"$ref": "#/$defs/T"}}},
        ),
        (
            {"properties": {"pattern": {"type": "string", "pattern": "x"}, "const": {"type": "null"}}},
            {"properties": {"pattern": {"type": "string"}, "const": {"type": "null"}}},
        ),
        (
            {"items": {"anyOf": [{"not": {}}, {"type": "integer", "multipleOf": 2}]}, "additionalProperties": False},
            {"items": {"anyOf": [{}, {"type": "integer"}]}, "additionalProperties": False},
        ),
        (ODD, {"additionalProperties": {}, "prefixItems": [True, {}]}),
    ],
)
def test_what_is_not_known_becomes_its_equal_or_goes(schema, made):
    assert cleaned(schema) == made


def test_nesting_without_end_ends():
    schema = {"type": "string"}
    for _ in range(150):
        schema = {"allOf": [{"items": schema}]}
    assert cleaned(schema)


def test_what_is_no_json_is_the_clients_mistake():
    with pytest.raises(BadRequest) as caught:
        clean_schema(Raw(b'{"a":}'), "tools[0].parameters")
    assert caught.value.param == "tools[0].parameters"


@pytest.mark.parametrize(
    ("schema", "nothing"),
    [
        ({"type": "object", "properties": {}}, True),
        ({"type": "object", "additionalProperties": False}, True),
        ({"type": "object", "additionalProperties": True}, False),
        ({"type": "object", "properties": {"a": {}}}, False),
        ({"$ref": "#/$defs/T"}, False),
        ({"anyOf": [{}]}, False),
    ],
)
def test_parameters_that_are_none(schema, nothing):
    assert takes_nothing(Raw(json.dumps(schema).encode())) is nothing
