"""What to do about a value of the wrong type."""

from __future__ import annotations

import msgspec
import pytest

from proxy.config.explain import Explained, explain, explain_key, explain_missing
from proxy.config.nodes import Mapping
from proxy.config.shapes import at
from tests.support.config_nodes import node_of


class Whole(msgspec.Struct):
    value: int


@pytest.mark.parametrize(
    ("message", "text", "what", "fix"),
    [
        ("Expected `int`, got `str`", "'3'", 'expected a whole number, found "3"', "remove the quotes"),
        ("Expected `bool`, got `str`", "Yes", 'expected true or false, found "Yes"', "write true"),
        ("Expected `bool`, got `str`", "off", 'expected true or false, found "off"', "write false"),
        ("Expected `bool`, got `int`", "1", "expected true or false, found 1", "write true or false"),
        ("Expected `str`, got `bool`", "true", "expected text, found true", 'put it in quotes: "true"'),
        ("Expected `array`, got `int`", "5", "expected a list, found 5", "write [5]"),
        (
            "Expected `array`, got `str`",
            "|\n  - {key: SECRET}\n  - b\n",
            "expected a list, found a text of several lines",
            "remove the | or > in front of it, which makes it a text",
        ),
        ("Expected `array`, got `object`", "{}", "expected a list, found a mapping", "write a list, such as [a, b]"),
        (
            "Expected `float | null`, got `array`",
            "[]",
            "expected a number, found a list",
            "write a number, such as 0.5",
        ),
        ("Expected `null`, got `int`", "5", "expected null, found 5", "write null"),
        (
            "Expected `int | array`, got `object`",
            "{}",
            "expected a whole number or a list, found a mapping",
            "write a number without a fraction, such as 10 or a list, such as [a, b]",
        ),
        ("Expected `int` >= 1", "0", "0 is out of range", "write a whole number of at least 1"),
        ("Expected `float` <= 1.0", "2", "2 is out of range", "write a number of at most 1"),
        ("Expected `str` of length >= 1", "''", '"" is too short', "give at least 1 character"),
        ("Expected `array` of length <= 3", "[1,2,3,4]", "a list is too long", "give at most 3 items"),
        ("Expected `str` matching regex '^a'", "b", '"b" is not in the right form', "it must match ^a"),
        ("Something new", "b", "Something new", "mend the value"),
    ],
)
def test_messages(message, text, what, fix):
    explained = explain(msgspec.ValidationError(message), message, node_of(text), [])
    assert (explained.what, explained.fix) == (what, fix)


def test_a_missing_key():
    node = node_of("{}")
    assert isinstance(node, Mapping)
    message = "Object missing required field `value`"
    assert explain(msgspec.ValidationError(message), message, node, at(Whole, node, [])).missing == ("value",)
    assert explain_missing("value", node, at(Whole, node, [])) == Explained('"value" is missing', 'add "value: ..."')


def test_a_key_of_the_wrong_type():
    explained = explain_key("Expected `int`, got `str`", "x")
    assert (explained.what, explained.unknown) == ('a key here must be a whole number, found "x"', "x")
    assert explain_key("Other", "x").what == 'a key here must be in another form, found "x"'
