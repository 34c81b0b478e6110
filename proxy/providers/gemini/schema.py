"""Brings JSON Schema to what Gemini takes of it (wire reference, section 6.6).

The keywords it knows stay as they are. Of the others those that have an equal among the known become it (`const`,
`allOf`, `definitions`), and the rest, which would be refused or ignored, is left out: what it would have demanded is a
narrower answer, never another one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from ...api import invalid
from ...api.raw import Raw

_PLAIN = frozenset(
    (
        "$anchor",
        "$id",
        "$ref",
        "additionalProperties",
        "description",
        "enum",
        "format",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "propertyOrdering",
        "required",
        "title",
        "type",
    )
)
"""Keywords that are taken as they are."""
_SCHEMAS = ("items", "additionalProperties")
_LISTS = ("prefixItems", "anyOf", "oneOf")
_MAPS = ("properties", "$defs")
_MAX_DEPTH = 100
_OLD_REF = "#/definitions/"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def clean_schema(schema: Raw, path: str) -> Raw:
    """Returns a schema that the API takes; `path` is where it stands. Raises BadRequest when it is no object."""
    try:
        return _cleaned(bytes(schema))
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, path) from None


@lru_cache(maxsize=1024)  # the same tools come with every request of a conversation
def _cleaned(schema: bytes) -> Raw:
    value = _decode(schema)
    made = _clean(value, 0)
    return Raw(schema if made == value else msgspec.json.encode(made))


def takes_nothing(schema: Raw) -> bool:
    """Tells whether a schema is that of an object without properties: such parameters are left out."""
    value = _decode(schema)
    return not any(value.get(name) for name in (*_MAPS, *_LISTS, "$ref", "additionalProperties"))


def _clean(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema if isinstance(schema, bool) else {}
    schema = _with_equals(schema, depth)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        # beside a reference nothing may stand but what begins with a dollar
        schema = {name: value for name, value in schema.items() if name.startswith("$")}
        schema["$ref"] = reference.replace(_OLD_REF, "#/$defs/", 1)
    made: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _SCHEMAS and not isinstance(value, bool):
            made[name] = _clean(value, depth + 1)
        elif name in _LISTS and isinstance(value, list):
            made[name] = [_clean(one, depth + 1) for one in value]
        elif name in _MAPS and isinstance(value, dict):
            made[name] = {key: _clean(one, depth + 1) for key, one in value.items()}
        elif name in _PLAIN:
            made[name] = value
    return made


def _with_equals(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    """Returns a schema with those keywords replaced that others can say."""
    if "const" in schema:
        schema = {**schema, "enum": [schema["const"]]}
        del schema["const"]
    if isinstance(schema.get("definitions"), dict):
        schema = {**schema, "$defs": {**schema["definitions"], **_mapping(schema.get("$defs"))}}
        del schema["definitions"]
    parts = schema.get("allOf")
    if isinstance(parts, list) and all(isinstance(part, dict) for part in parts):
        schema = {name: value for name, value in schema.items() if name != "allOf"}
        for part in parts:
            schema = _merged(schema, _with_equals(part, depth + 1) if depth < _MAX_DEPTH else part)
    return schema


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Returns what both schemas demand, as far as one can say it: properties and required ones add up."""
    merged = {**other, **one}
    for name in _MAPS:
        if name in one and name in other:
            merged[name] = {**_mapping(other[name]), **_mapping(one[name])}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        merged["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return merged


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
