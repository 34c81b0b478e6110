"""The settings of a config struct as rows of a table: name, type, default, description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from .shapes import unwrapped
from .types import ConfigValue

_LISTS = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)
_PLAIN: dict[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.BoolType: "true or false",
    inspect.AnyType: "anything",
    inspect.RawType: "anything",
    inspect.NoneType: "nothing",
}


class FieldRow(msgspec.Struct, frozen=True):
    """One setting. `name` is its path in the struct (`rules[].match`); `default` is empty when there is none."""

    name: str
    type: str
    default: str
    description: str


def rows(config: type) -> tuple[FieldRow, ...]:
    """Returns the settings of a struct, those of structs inside it right below the one that holds them."""
    shape = inspect.type_info(config)
    assert isinstance(shape, inspect.StructType)
    return tuple(_of_struct(shape, "", (config,)))


def description(shape: inspect.Type) -> str:
    """Returns what the metadata of a type, or of one of its alternatives, says it is for."""
    if isinstance(shape, inspect.UnionType):
        return next(filter(None, map(description, shape.types)), "")
    if not isinstance(shape, inspect.Metadata):
        return ""
    own = (shape.extra_json_schema or {}).get("description", "")
    return own or description(shape.type)


def label(shape: inspect.Type) -> str:
    """Returns what to call a type in a table."""
    alternatives = [inner for inner in unwrapped(shape) if not isinstance(inner, inspect.NoneType)]
    return " or ".join(dict.fromkeys(_label(inner) for inner in alternatives)) or "nothing"


def default(field: inspect.Field) -> str:
    """Returns the default of a field as it would be written in the file."""
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:  # unset: what holds is said elsewhere
        return ""
    if isinstance(value, ConfigValue):
        return value.written
    if value is None or isinstance(value, msgspec.Struct):
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _label(shape: inspect.Type) -> str:
    if isinstance(shape, inspect.CustomType):
        return str(getattr(shape.cls, "label", shape.cls.__name__.lower()))
    if isinstance(shape, inspect.LiteralType):
        return " or ".join(f"`{value}`" for value in shape.values)
    if isinstance(shape, (inspect.IntType, inspect.FloatType)):
        return ("whole number" if isinstance(shape, inspect.IntType) else "number") + _bounds(shape)
    if isinstance(shape, _LISTS):
        return f"list of {label(shape.item_type)}"
    if isinstance(shape, inspect.DictType):
        return f"mapping of {label(shape.value_type)}"
    return _PLAIN.get(type(shape), "mapping")


def _bounds(shape: inspect.IntType | inspect.FloatType) -> str:
    bounds = ((">", shape.gt), ("≥", shape.ge), ("<", shape.lt), ("≤", shape.le))
    text = ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
    return f" {text}" if text else ""


def _of_struct(shape: inspect.StructType, prefix: str, inside: tuple[type, ...]) -> Iterator[FieldRow]:
    for field in shape.fields:
        name = prefix + field.encode_name
        yield FieldRow(name, label(field.type), default(field), description(field.type))
        yield from _inside(field.type, name, inside)


def _inside(shape: inspect.Type, name: str, inside: tuple[type, ...]) -> Iterator[FieldRow]:
    """Yields the rows of the structs in a type; one inside itself, or in a list beside itself, is not shown again."""
    structs: list[inspect.StructType] = []
    beside = (*inside, *(inner.cls for inner in unwrapped(shape) if isinstance(inner, inspect.StructType)))
    for inner in unwrapped(shape):
        if isinstance(inner, inspect.StructType) and inner.cls not in inside:
            structs.append(inner)
        elif isinstance(inner, _LISTS):
            yield from _inside(inner.item_type, f"{name}[]", beside)
        elif isinstance(inner, inspect.DictType):
            yield from _inside(inner.value_type, f"{name}.*", inside)
    found: dict[FieldRow, list[Any]] = {}
    for struct in structs:
        for row in _of_struct(struct, f"{name}.", (*inside, struct.cls)):
            found.setdefault(row, []).append(struct.tag)
    if structs and structs[0].tag_field is not None:
        tags = " or ".join(f"`{struct.tag}`" for struct in structs)
        yield FieldRow(f"{name}.{structs[0].tag_field}", tags, "required", "Which of the forms below it is.")
    for row, forms in found.items():
        only = "" if len(forms) == len(structs) else f"With {structs[0].tag_field}: {', '.join(map(str, forms))}. "
        yield msgspec.structs.replace(row, description=only + row.description)
