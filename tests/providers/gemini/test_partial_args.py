import json

import pytest

from proxy.providers.gemini.chunk import PartialArg
from proxy.providers.gemini.partial_args import PartialArgs, parse_path


def put(*pieces):
    args = PartialArgs()
    for piece in pieces:
        args.take([piece])
    return json.loads(args.text())


def text(path, value, *, more=False):
    return PartialArg(json_path=path, string_value=value, will_continue=more)


def number(path, value):
    return PartialArg(json_path=path, number_value=value)


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$.a", ("a",)),
        ("$.a.b[0].c", ("a", "b", 0, "c")),
        ("$['a b']", ("a b",)),
        ('$["a\\"b"][12]', ('a"b', 12)),
        ("$['it\\'s'].x", ("it's", "x")),
        ("$.naïve", ("naïve",)),
        ("$", None),
        ("", None),
        ("a.b", None),
        ("$[0]", None),
        ("$.a[-1]", None),
        ("$.a[", None),
        ("$..a", None),
        ("$" + ".a" * 65, None),
    ],
)
def test_paths(path, steps):
    assert parse_path(path) == steps


def test_a_text_goes_on_until_it_says_that_it_does_not():
    assert put(text("$.a", "Os", more=True), text("$.a", "l", more=True), text("$.a", "o"), text("$.b", "x")) == {
        "a": "Oslo",
        "b": "x",
    }


def test_a_text_that_is_not_ended_ends_with_the_next_place_or_the_call():
    assert put(text("$.a", "Os", more=True), number("$.n", 2), text("$.b", "cut", more=True)) == {
        "a": "Os",
        "n": 2,
        "b": "cut",
    }


def test_values_of_all_kinds_in_containers():
    assert put(
        number("$.list[0].n", 0.5),
        PartialArg(json_path="$.list[0].b", bool_value=False),
        PartialArg(json_path="$.list[1]", number_value=None),
        number("$.list[3]", 7),
        number("$.other['x y'].z", 1),
    ) == {"list": [{"n": 0.5, "b": False}, None, None, 7], "other": {"x y": {"z": 1}}}


def test_places_may_come_in_any_order():
    assert put(number("$.a.x", 1), number("$.b", 2), number("$.a.y", 3)) == {"a": {"x": 1, "y": 3}, "b": 2}


def test_a_value_gives_way_to_a_container_in_its_place():
    assert put(number("$.a", 1), number("$.a.b", 2)) == {"a": {"b": 2}}


@pytest.mark.parametrize("path", ["$.a[5000]", "nowhere", "$.a.b"])
def test_what_has_no_place_is_left_out(path):
    assert put(number("$.a[0]", 1), number(path, 2))["a"] == [1]


def test_nothing_at_all_is_the_empty_object():
    assert PartialArgs().text() == "{}"


def told(*pieces):
    """Returns what was told piece by piece, and the rest."""
    args = PartialArgs(at_once=True)
    return [args.take([piece]) for piece in pieces], args.rest()


def test_what_comes_in_order_is_told_as_it_comes():
    assert told(
        text("$.city", 'O"s', more=True), text("$.city", "lo"), number("$.n", 2), text("$.opts.tags[0]", "a"),
        text("$.opts.tags[1]", "b", more=True), text("$.opts.x", "y"),
    ) == (
        ['{"city":"O\\"s', 'lo"', ',"n":2', ',"opts":{"tags":["a"', ',"b', '"],"x":"y"'],
        "}}",
    )  # fmt: skip


def test_what_is_left_out_of_the_order_waits_for_the_end():
    assert told(number("$.a[0]", 1), number("$.a[3]", 2), number("$.b", 3)) == (
        ['{"a":[1', "", ""],
        ',null,null,2],"b":3}',
    )


def test_what_was_told_and_has_changed_is_noticed():
    assert told(number("$.a.x", 1), number("$.b", 2), number("$.a.y", 3))[1] is None
    assert told(number("$.a", 1), number("$.a.b", 2))[1] is None
    assert told() == ([], "{}")
