"""JSON schemas in the form to which the Messages API can hold a model (wire reference, section 5.6).

It takes a part of JSON Schema. What lies outside is not thrown away but told in words, in the `description` of the
place where it stood, so that the model still knows of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...api import invalid
from ...api.raw import Raw

Schema = dict[str, Any]

_KEPT = frozenset(
    ("type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "title", "description", "default")
)
_DEFINITIONS = ("$defs", "definitions")
_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)  # fmt: skip
_UNSAID = frozenset(("$schema", "$id", "$comment", "examples", "additionalProperties", "strict"))
"""What says nothing to a model, or is the same in every schema."""
_MAX_DEPTH = 100

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def held_to(raw: Raw, path: str) -> Schema:
    """Returns a schema as the API takes it; raises BadRequest for one that cannot be read."""
    try:
        schema = _decode(raw)
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, path) from None
    made: Schema = _mended(schema, 0)
    return made


def _mended(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema
    if isinstance(schema.get("$ref"), str):
        return _reference(schema, depth)
    made: Schema = {}
    told: Schema = {}
    for name, value in schema.items():
        if name == "oneOf":
            made["anyOf"] = [_mended(one, depth + 1) for one in _list(value)]
        elif name in _DEFINITIONS or name == "properties":
            made[name] = {key: _mended(one, depth + 1) for key, one in _dict(value).items()}
        elif name in ("anyOf", "allOf"):
            made[name] = [_mended(one, depth + 1) for one in _list(value)]
        elif name == "items":
            made[name] = _mended(value, depth + 1)
        elif name in _KEPT or _taken(name, value):
            made[name] = value
        elif name not in _UNSAID:
            told[name] = value
    if _is_object(made):
        made["additionalProperties"] = False
    if told:
        made["description"] = _with(made.get("description"), told)
    return made


def _reference(schema: Schema, depth: int) -> Schema:
    """Returns a reference: nothing may stand beside it but, at the top, what it refers to."""
    made: Schema = {"$ref": schema["$ref"]}
    for name in _DEFINITIONS:
        if name in schema:
            made[name] = {key: _mended(one, depth + 1) for key, one in _dict(schema[name]).items()}
    return made


def _taken(name: str, value: Any) -> bool:
    """Tells whether a rule is taken with that value."""
    if name == "minItems":
        return value in (0, 1)
    return name == "format" and value in _FORMATS


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _with(description: Any, told: Schema) -> str:
    """Returns a description with rules in words behind it."""
    rules = "; ".join(f"{name}: {_encode(value).decode()}" for name, value in told.items())
    return f"{description}\n\n{rules}" if isinstance(description, str) and description else rules


def _dict(value: Any) -> Schema:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
