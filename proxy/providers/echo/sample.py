"""Makes a value that fits a JSON Schema, out of a text: the arguments of an echo model's tool calls.

Only what a schema requires is filled, and what the text names (`city=Oslo`, `count: 3`). Other strings get the whole
text, other numbers the first one of the text. A schema that goes on without end is filled to a certain depth and size.
"""

from __future__ import annotations

import re
from typing import Any

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T12:00:00Z",
    "time": "12:00:00Z",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DEEP = 5
_DEEPEST = 12
_MAX_VALUES = 1000
_MAX_ITEMS = 100
_MAX_TEXT = 2000


class Sampler:
    """Makes one value for one schema out of one text."""

    def __init__(self, schema: dict[str, Any], text: str) -> None:
        self._root = schema
        self._text = text[:_MAX_TEXT]
        self._left = _MAX_VALUES

    def value(self) -> Any:
        """Returns a value for the whole schema."""
        return self._value(self._root, "", 0)

    def _value(self, schema: Any, name: str, depth: int) -> Any:
        """Returns a value for a part of the schema that stands under the property `name`."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return None
        schema = self._resolve(schema, depth)
        if "const" in schema:
            return schema["const"]
        if values := _list(schema, "enum"):
            return self._chosen(values, name)
        if choices := _list(schema, "anyOf") or _list(schema, "oneOf"):
            deep = depth > _DEEP
            return self._value(next((one for one in choices if _is_null(one) == deep), choices[0]), name, depth + 1)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, name, whole=kind == "integer")
        if kind == "boolean":
            return self._named(name) not in ("false", "no", "off")
        return None if kind == "null" else self._string(schema, name)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = _dict(schema, "properties")
        names = [one for one in _list(schema, "required") if isinstance(one, str)]
        names += [one for one in properties if one not in names and self._named(one) is not None]
        return {name: self._value(properties.get(name), name, depth + 1) for name in names}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        least = schema.get("minItems")
        count = least if isinstance(least, int) else 0
        if depth <= _DEEP and schema.get("maxItems") != 0:
            count = max(1, count)
        return [self._value(schema.get("items"), name, depth + 1) for _ in range(min(count, _MAX_ITEMS))]

    def _number(self, schema: dict[str, Any], name: str, *, whole: bool) -> float:
        said = _NUMBER.search(self._named(name) or "") or _NUMBER.search(self._text)
        number = float(said[0]) if said else 1.0
        low, high = schema.get("minimum"), schema.get("maximum")
        if isinstance(low, (int, float)):
            number = max(number, low)
        if isinstance(high, (int, float)):
            number = min(number, high)
        return int(number) if whole else number

    def _string(self, schema: dict[str, Any], name: str) -> str:
        text = self._named(name)
        if text is None:
            text = _FORMATS.get(str(schema.get("format")), self._text)
        longest, shortest = schema.get("maxLength"), schema.get("minLength")
        if isinstance(longest, int):
            text = text[: max(0, longest)]
        if isinstance(shortest, int):
            text = text.ljust(min(shortest, _MAX_TEXT), "x")
        return text

    def _named(self, name: str) -> str | None:
        """Returns the value that the text gives to a property, if it does."""
        if not name:
            return None
        found = re.search(rf"(?<!\w){re.escape(name)}\s*[=:]\s*(?:\"([^\"]*)\"|([^\s,;]+))", self._text)
        return None if found is None else found[1] if found[1] is not None else found[2]

    def _chosen(self, values: list[Any], name: str) -> Any:
        """Returns the value of an enumeration that the text gives to the property or mentions, else the first."""
        named = self._named(name)
        if named is not None and named in values:
            return named
        text = self._text.lower()
        return next((one for one in values if isinstance(one, str) and one and one.lower() in text), values[0])

    def _resolve(self, part: Any, depth: int) -> dict[str, Any]:
        """Returns the schema with its reference followed and its `allOf` put together."""
        self._left -= 1
        if not isinstance(part, dict) or self._left < 0:
            return {}
        schema: dict[str, Any] = part
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            target: Any = self._root
            for key in filter(None, reference[1:].split("/")):
                target = target.get(key) if isinstance(target, dict) else None
            schema = target if isinstance(target, dict) else {}
        parts = _list(schema, "allOf")
        if not parts or depth > _DEEPEST:
            return schema
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for one in parts:
            other = self._resolve(one, depth + 1)
            properties = {**_dict(merged, "properties"), **_dict(other, "properties")}
            required = [*_list(merged, "required"), *_list(other, "required")]
            merged = {**merged, **other, "properties": properties, "required": required}
        return merged


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if _dict(schema, "properties") else "array" if "items" in schema else "string"


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _list(schema: dict[str, Any], key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _dict(schema: dict[str, Any], key: str) -> dict[str, Any]:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}
