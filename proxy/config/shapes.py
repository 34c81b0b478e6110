"""What a config struct allows at each place of the file: types, fields, values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import inspect

from .nodes import Mapping, Node, Scalar
from .nodes import Sequence as SequenceNode

Step = str | int
"""One step from a node to a node in it: a key of a mapping or an index of a list."""


def unwrapped(shape: inspect.Type) -> Iterator[inspect.Type]:
    """Yields the alternatives of a type, without the metadata around them."""
    if isinstance(shape, inspect.Metadata):
        yield from unwrapped(shape.type)
    elif isinstance(shape, inspect.UnionType):
        for alternative in shape.types:
            yield from unwrapped(alternative)
    else:
        yield shape


def at(config: type, node: Node, path: Sequence[Step]) -> list[inspect.Type]:
    """Returns the types allowed at a path inside the node that is decoded as `config`."""
    shapes = list(unwrapped(inspect.type_info(config)))
    for step in path:
        shapes = [inner for shape in shapes for inner in inside(shape, node, step)]
        node = child(node, step)
    return shapes


def child(node: Node, step: Step) -> Node:
    """Returns the node one step further in."""
    if isinstance(node, Mapping) and isinstance(step, str):
        return node.entries[step].value
    if isinstance(node, SequenceNode) and isinstance(step, int):
        return node.items[step]
    raise KeyError(step)


def inside(shape: inspect.Type, node: Node, step: Step) -> Iterator[inspect.Type]:
    """Yields the types allowed one step inside a node of a type."""
    if isinstance(shape, inspect.StructType):
        if shape.tag_field == step:
            yield inspect.LiteralType((shape.tag,))
        elif _tagged(shape, node):
            yield from (inner for field in shape.fields if field.encode_name == step for inner in unwrapped(field.type))
    elif isinstance(shape, inspect.DictType):
        yield from unwrapped(shape.value_type)
    elif isinstance(shape, (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)):
        yield from unwrapped(shape.item_type)
    elif isinstance(shape, inspect.TupleType) and isinstance(step, int) and step < len(shape.item_types):
        yield from unwrapped(shape.item_types[step])


def _tagged(shape: inspect.StructType, node: Node) -> bool:
    """Tells whether the node says that it is this struct; without a tag any struct may be meant."""
    if shape.tag_field is None or not isinstance(node, Mapping) or shape.tag_field not in node.entries:
        return True
    tag = node.entries[shape.tag_field].value
    return isinstance(tag, Scalar) and tag.value == shape.tag


def fields(shapes: Sequence[inspect.Type], node: Node) -> dict[str, inspect.Field | Literal["tag"]]:
    """Returns the keys that a mapping may have where these types are allowed."""
    known: dict[str, inspect.Field | Literal["tag"]] = {}
    for shape in shapes:
        if isinstance(shape, inspect.StructType) and _tagged(shape, node):
            if shape.tag_field is not None:
                known[shape.tag_field] = "tag"
            known.update((field.encode_name, field) for field in shape.fields)
    return known


def values(shapes: Sequence[inspect.Type]) -> list[Any]:
    """Returns the literal values that these types allow."""
    found: list[Any] = []
    for shape in shapes:
        if isinstance(shape, inspect.LiteralType):
            found += shape.values
        elif isinstance(shape, inspect.EnumType):
            found += [member.value for member in shape.cls]
    return found


def missing(shapes: Sequence[inspect.Type], node: Node) -> tuple[str, ...]:
    """Returns the keys that a mapping must have and has not. Where one of several structs is meant, only its tag."""
    present = node.entries if isinstance(node, Mapping) else {}
    known = fields(shapes, node)
    tags = [name for name, field in known.items() if field == "tag" and name not in present]
    needed = [name for name, field in known.items() if field != "tag" and field.required and name not in present]
    return tuple(tags or needed)
