"""Which types, fields and values stand where in a config struct."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec
import pytest

from proxy.config import shapes
from tests.support.config_nodes import node_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Words(msgspec.Struct, tag_field="match", tag="words"):
    words: list[str]
    colour: Colour = Colour.RED


class Regex(msgspec.Struct, tag_field="match", tag="regex"):
    pattern: str


class Whole(msgspec.Struct, rename={"from_": "from"}):
    from_: int
    rules: tuple[Words | Regex, ...] = ()
    by_name: dict[str, list[Literal["a", "b"]]] = {}
    pair: tuple[int, str] = (1, "")
    mode: int | Literal["auto"] | None = None


NODE = node_of(
    "from: 1\nrules: [{match: words, colour: red}, {match: other}]\nby_name: {x: [a]}\npair: [1, b]\nmode: auto\n"
)


def names(path: list[str | int]) -> list[str]:
    return [type(shape).__name__ for shape in shapes.at(Whole, NODE, path)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([], ["StructType"]),
        (["from"], ["IntType"]),
        (["rules"], ["VarTupleType"]),
        (["rules", 0], ["StructType", "StructType"]),
        (["rules", 0, "match"], ["LiteralType", "LiteralType"]),
        (["rules", 0, "words"], ["ListType"]),
        (["by_name", "x", 0], ["LiteralType"]),
        (["pair", 1], ["StrType"]),
        (["mode"], ["IntType", "LiteralType", "NoneType"]),
    ],
)
def test_types_by_path(path, expected):
    if path[-1:] == ["words"]:
        node = node_of("rules: [{match: words, words: [a]}]")
        assert [type(shape).__name__ for shape in shapes.at(Whole, node, path)] == expected
    else:
        assert names(path) == expected


def test_the_tag_says_which_fields_there_are():
    at = shapes.at(Whole, NODE, ["rules", 0])
    assert list(shapes.fields(at, shapes.child(shapes.child(NODE, "rules"), 0))) == ["match", "words", "colour"]
    assert list(shapes.fields(shapes.at(Whole, NODE, []), NODE)) == ["from", "rules", "by_name", "pair", "mode"]


@pytest.mark.parametrize(
    ("path", "values"),
    [(["mode"], ["auto"]), (["rules", 0, "match"], ["words", "regex"]), (["rules", 0, "colour"], ["red", "blue"])],
)
def test_the_values_there_are(path, values):
    assert shapes.values(shapes.at(Whole, NODE, path)) == values


@pytest.mark.parametrize(
    ("text", "missing"),
    [("{}", ("match",)), ("{match: words}", ("words",)), ("{match: words, words: []}", ()), ("{match: no}", ())],
)
def test_what_is_missing(text, missing):
    rules = node_of(f"from: 1\nrules: [{text}]\n")
    node = shapes.child(shapes.child(rules, "rules"), 0)
    assert shapes.missing(shapes.at(Whole, rules, ["rules", 0]), node) == missing


def test_there_is_no_way_into_a_scalar():
    with pytest.raises(KeyError):
        shapes.child(node_of("a"), "b")
