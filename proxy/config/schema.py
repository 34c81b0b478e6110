"""The JSON Schema of `pipeline.yaml`, made from the same structs that read it.

Draft 7, because that is what the YAML language server of editors reads; so there are no keys beside `$ref`.
"""

from __future__ import annotations

import inspect as python_inspect
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from ..pricing.config import ModelPrices
from ..providers.provider import Provider
from ..stage import Stage
from .describe import describe
from .fields import description
from .file import File, ModelTarget
from .types import ConfigValue

Schema = dict[str, Any]

_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_LENGTHS = {"StrType": ("minLength", "maxLength"), "DictType": ("minProperties", "maxProperties")}


def schema(providers: Mapping[str, type[Provider]], stages: Mapping[str, type[Stage]]) -> Schema:
    """Returns the schema of a file that may name these kinds of upstream and these stages."""
    definitions = {f"upstream.{kind}": _upstream(kind, provider) for kind, provider in sorted(providers.items())}
    definitions |= {f"stage.{name}": of(inspect.type_info(stage.Config)) for name, stage in sorted(stages.items())}
    whole = of(inspect.type_info(File))
    whole["properties"]["upstreams"] |= {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[^/*]+$"},
        "additionalProperties": {"oneOf": [_ref(f"upstream.{kind}") for kind in sorted(providers)]},
    }
    whole["properties"]["models"] |= _models()
    whole["properties"]["prices"] |= _prices()
    whole["properties"]["pipeline"] |= {"type": "array", "minItems": 1, "items": _entry(stages)}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Penstock's pipeline.yaml",
        **whole,
        "definitions": definitions,
    }


def of(shape: inspect.Type, inside: tuple[type, ...] = ()) -> Schema:
    """Returns the schema of one type. A struct that contains itself is not described again inside."""
    if isinstance(shape, inspect.Metadata):
        return {**of(shape.type, inside), **(shape.extra_json_schema or {})}
    if isinstance(shape, inspect.UnionType):
        return _union(_tagged(shape, inside))
    if isinstance(shape, inspect.StructType):
        return {} if shape.cls in inside else _struct(shape, (*inside, shape.cls))
    if isinstance(shape, inspect.DictType):
        return {"type": "object", "additionalProperties": of(shape.value_type, inside), **_limits(shape)}
    if isinstance(shape, (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)):
        return {"type": "array", "items": of(shape.item_type, inside), **_limits(shape)}
    if isinstance(shape, inspect.TupleType):
        count = len(shape.item_types)
        items = [of(inner, inside) for inner in shape.item_types]
        return {"type": "array", "items": items, "minItems": count, "maxItems": count}
    return _scalar(shape)


def _scalar(shape: inspect.Type) -> Schema:
    if isinstance(shape, inspect.CustomType) and issubclass(shape.cls, ConfigValue):
        return dict(shape.cls.schema)
    if isinstance(shape, inspect.LiteralType):
        return {"enum": sorted(shape.values, key=str)}
    if isinstance(shape, inspect.EnumType):
        return {"enum": [member.value for member in shape.cls]}
    names = {
        inspect.IntType: "integer",
        inspect.FloatType: "number",
        inspect.StrType: "string",
        inspect.BoolType: "boolean",
        inspect.NoneType: "null",
    }
    name = names.get(type(shape))
    return {} if name is None else {"type": name, **_limits(shape)}


def _limits(shape: inspect.Type) -> Schema:
    """Returns the bounds of a number or the lengths of a text or collection."""
    lengths = _LENGTHS.get(type(shape).__name__, ("minItems", "maxItems"))
    keys = {**_BOUNDS, "pattern": "pattern", "min_length": lengths[0], "max_length": lengths[1]}
    found = {key: getattr(shape, attribute, None) for attribute, key in keys.items()}
    return {key: value for key, value in found.items() if value is not None}


def _union(parts: list[Schema]) -> Schema:
    return {"anyOf": parts} if len(parts) > 1 else parts[0]


def _tagged(shape: inspect.UnionType, inside: tuple[type, ...]) -> list[Schema]:
    """Returns the schemas of a union's types. Of several structs each must say which it is; a single one may."""
    structs = [inner for inner in shape.types if isinstance(inner, inspect.StructType)]
    parts = []
    for inner in shape.types:
        part = of(inner, inside)
        if isinstance(inner, inspect.StructType) and inner.tag_field is not None and len(structs) > 1:
            part["required"] = [inner.tag_field, *part.get("required", [])]
        parts.append(part)
    return parts


def _struct(shape: inspect.StructType, inside: tuple[type, ...]) -> Schema:
    properties: Schema = {}
    if shape.tag_field is not None:
        properties[shape.tag_field] = {"const": shape.tag}
    for field in shape.fields:
        properties[field.encode_name] = {**of(field.type, inside), **_default(field)}
        if text := description(field.type):
            properties[field.encode_name]["description"] = text
    required = [field.encode_name for field in shape.fields if field.required]
    doc = shape.cls.__dict__.get("__doc__")
    return {
        **({"description": python_inspect.cleandoc(doc)} if doc else {}),
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _default(field: inspect.Field) -> Schema:
    value = field.default
    if isinstance(value, ConfigValue):
        return {"default": value.written}
    if value is None or value is msgspec.NODEFAULT or isinstance(value, msgspec.Struct):
        return {}
    return {"default": list(value) if isinstance(value, tuple) else value}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _upstream(kind: str, provider: type[Provider]) -> Schema:
    found = of(inspect.type_info(provider.Config))
    doc = python_inspect.cleandoc(provider.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    found["properties"] = {"kind": {"const": kind, "description": doc}, **found["properties"]}
    found["required"] = ["kind", *found.get("required", [])]
    return found


def _models() -> Schema:
    target = {"anyOf": [{"type": "string", "pattern": "^[^/]+/.+$"}, of(inspect.type_info(ModelTarget))]}
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": r"^[^*]*\*?[^*]*$"},
        "additionalProperties": {"anyOf": [*target["anyOf"], {"type": "array", "minItems": 1, "items": target}]},
    }


def _prices() -> Schema:
    like = {"type": "string", "pattern": "^[^/]+/.+$", "description": "Charge what the table has for vendor/model."}
    prices = {"type": "object", "additionalProperties": {"anyOf": [like, of(inspect.type_info(ModelPrices))]}}
    return {"anyOf": [{**prices, "propertyNames": {"pattern": r"^[^*]*\*?[^*]*$"}}, {"type": "null"}]}


def _entry(stages: Mapping[str, type[Stage]]) -> Schema:
    """Returns the schema of one entry of the pipeline: a name, or one name with its settings."""
    bare = [
        {"const": name, "description": describe(stage).summary}
        for name, stage in sorted(stages.items())
        if not _required(stage)
    ]
    settings = {name: _with_settings(name, stage) for name, stage in sorted(stages.items())}
    return {
        "anyOf": [
            *bare,
            {"type": "string", "pattern": r"^[\w.]+:\w+$", "description": "A stage of your own: module:Class."},
            {
                "type": "object",
                "properties": settings,
                "patternProperties": {r"^[\w.]+:\w+$": {}},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }


def _with_settings(name: str, stage: type[Stage]) -> Schema:
    return _ref(f"stage.{name}") if _required(stage) else {"anyOf": [_ref(f"stage.{name}"), {"type": "null"}]}


def _required(stage: type[Stage]) -> bool:
    """Tells whether a stage cannot do without settings."""
    return any(field.required for field in msgspec.structs.fields(stage.Config))
