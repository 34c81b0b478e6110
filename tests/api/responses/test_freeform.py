"""FreeformInput: the raw input of a custom tool out of JSON arguments that stream in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.api.responses.freeform import FreeformInput
from tests.support.cost import check_growth


def read(pieces: Iterable[str], field: str = "input") -> str:
    """Returns the input that arguments in pieces stand for."""
    freeform = FreeformInput(field)
    return "".join([freeform.feed(piece) for piece in pieces]) + freeform.finish()


def test_the_string_streams_piece_by_piece() -> None:
    freeform = FreeformInput("input")
    assert freeform.feed('{"inp') == ""
    assert freeform.feed('ut": "*** Be') == "*** Be"
    assert freeform.feed("gin\\nPatch") == "gin\nPatch"
    assert freeform.feed('"}') == ""
    assert freeform.finish() == ""


def test_white_space_of_the_json_is_not_the_tools() -> None:
    assert read([' \n{ "input"', ' :\t" x "', " } "]) == " x "


@pytest.mark.parametrize(
    ("escaped", "raw"),
    [
        (r"a\nb\tc\"d\\e\/f", 'a\nb\tc"d\\e/f'),
        (r"\u00e9\u90A3", "é那"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83dx\ude00", "\ufffdx\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\u0041\\ud83d", r"\u0041\ud83d"),
        ("raw\nline", "raw\nline"),
        (r"\d+\ n\n", "\\d+\\ n\n"),
        (r"\u12G4\n", "\\u12G4\n"),
        (r"\ud83d\uZZ", "\ufffd\\uZZ"),
        ("那\U0001f600", "那\U0001f600"),
    ],
)
def test_escapes_are_undone_wherever_they_are_cut(escaped: str, raw: str) -> None:
    arguments = f'{{"input":"{escaped}"}}'
    assert read([arguments]) == raw
    assert read(arguments) == raw
    for cut in range(len(arguments)):
        assert read([arguments[:cut], arguments[cut:]]) == raw


def test_half_an_escape_waits_for_its_rest() -> None:
    freeform = FreeformInput("input")
    freeform.feed('{"input":"')
    assert [freeform.feed(piece) for piece in ("a\\", "n", "\\u0", "0e", "9", "\\ud83d", "\\ude", "00")] == [
        "a", "\n", "", "", "é", "", "", "\U0001f600",
    ]  # fmt: skip


def test_what_was_cut_short_gives_what_stands_of_it() -> None:
    assert read(['{"input":"ls -l\\']) == "ls -l"
    assert read(['{"input":"a\\ud83d']) == "a"
    assert read(['{"inp']) == ""
    assert read(["{"]) == ""
    assert read([]) == ""


def test_fields_behind_the_input_are_left_out() -> None:
    assert read(['{"input":"a","note":"b"}']) == "a"


def test_another_field_name_can_be_the_input() -> None:
    assert read(['{"patch":"', 'a"}'], field="patch") == "a"


@pytest.mark.parametrize(
    ("arguments", "raw"),
    [
        ('{"note":"b","input":"a"}', "a"),
        ('{"text":"a\\n"}', "a\n"),
        ('"just\\ttext"', "just\ttext"),
        ("*** Begin Patch\n+x", "*** Begin Patch\n+x"),
        ('{"input":{"a":1}}', '{"input":{"a":1}}'),
        ('{"a":"1","b":"2"}', '{"a":"1","b":"2"}'),
        ("{}", ""),
        ("[1]", "[1]"),
        ('{"text":"\\ud83d"}', "\ufffd"),
        ('{"a":' * 2000, '{"a":' * 2000),
    ],
)
def test_arguments_of_another_form_are_read_whole(arguments: str, raw: str) -> None:
    assert read([arguments]) == raw
    assert read(arguments) == raw


INPUTS = st.text(st.sampled_from('"\\ \n\tab/u{}:é那\U0001f600\x00\x1f'), max_size=12)


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(text=INPUTS, ascii=st.booleans(), cuts=st.lists(st.integers(0, 120), max_size=5))
def test_any_input_comes_back_in_any_pieces(text: str, ascii: bool, cuts: list[int]) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii)
    places = [0, *sorted(min(cut, len(arguments)) for cut in cuts), len(arguments)]
    assert read(arguments[a:b] for a, b in pairwise(places)) == text
    assert read(arguments) == text


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(body=st.text(st.sampled_from('\\\\\\unud83de0"x'), max_size=18))
@example(body="\\\\ud83d\\u12")
def test_the_cuts_make_no_difference_to_sloppy_input_either(body: str) -> None:
    arguments = '{"input":"' + body
    assert read(arguments) == read([arguments])


def test_the_cost_grows_with_the_text_and_not_with_its_square() -> None:
    for piece in ("\\n", "\\", "x"):
        check_growth(lambda size, piece=piece: read(['{"input":"', *[piece] * size, '"}']), 2_000)
    assert len(read(['{"input":"' + "a\\n" * 200_000 + '"}'])) == 400_000
