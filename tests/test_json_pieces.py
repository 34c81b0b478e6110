"""JsonPieces: when the arguments of a call are whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.json_pieces import JsonPieces
from tests.support.cost import check_growth


def pieces(*texts: str) -> JsonPieces:
    """Returns the collection of some pieces."""
    json_pieces = JsonPieces()
    json_pieces.pieces.extend(texts)
    return json_pieces


@pytest.mark.parametrize(
    "texts",
    [
        ("{}",),
        ('{"a":1}', " \n"),
        ('{"a"', ':"}', '"', "}"),
        ("[", "1,", "[2]]"),
        ('{"a":"\\', '"}"', "}"),
        ('{"a":"\\\\"}',),
        ('{"a":"\\u00', '7b"}'),
        ("", "{", "", "}", ""),
    ],
)
def test_a_closed_object_or_list_is_whole(texts: tuple[str, ...]) -> None:
    assert pieces(*texts).whole()


@pytest.mark.parametrize(
    "texts",
    [
        (),
        (" ",),
        ('{"a":"}',),
        ('{"a":1', "\n"),
        ('{"a":"\\"}',),
        ("5",),
        ("null",),
        ('"{}"',),
        ('{"a":1}{"b":2}',),
        ('{"a":1}', "x"),
        ("{a}",),
        ("]",),
        ("x{}",),
    ],
)
def test_what_can_go_on_or_is_no_json_is_not_whole(texts: tuple[str, ...]) -> None:
    assert not pieces(*texts).whole()


def test_it_may_be_asked_after_every_piece() -> None:
    collected = JsonPieces()
    said = []
    for char in '{"a":{"b":"\\"}"}} ':
        collected.pieces.append(char)
        said.append(collected.whole())
    assert said == [False] * 16 + [True, True]
    collected.pieces.append("{")
    assert not collected.whole()


def test_text_and_blank_tell_what_has_come() -> None:
    assert pieces("a", "b").text() == "ab"
    assert pieces().blank()
    assert pieces("", " \n").blank()
    assert not pieces(" ", "x").blank()


VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.text('a"\\{}[]\n', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"}', max_size=2), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, derandomize=True, deadline=None, database=None)
@given(value=st.lists(VALUES, max_size=3) | st.dictionaries(st.text('k"', max_size=2), VALUES, max_size=3))
def test_any_value_is_whole_at_its_last_character_and_not_before(value: object) -> None:
    text = json.dumps(value)
    collected = JsonPieces()
    for place, char in enumerate(text):
        collected.pieces.append(char)
        assert collected.whole() == (place == len(text) - 1)


def test_asking_after_every_piece_costs_no_more_than_the_text() -> None:
    def work(size: int) -> None:
        collected = pieces("{")
        for _ in range(size):
            collected.pieces.append('"a":{},')
            collected.whole()

    check_growth(work, 2_000)
