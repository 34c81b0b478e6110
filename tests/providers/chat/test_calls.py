"""ToolCalls: the table of section 5.5 of the wire reference, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.events import Event, ToolCallDelta, ToolCallStart
from proxy.providers.chat.calls import ToolCalls
from proxy.providers.chat.chunk import CustomPiece, FunctionPiece, ToolCallPiece
from tests.support.cost import check_growth
from tests.support.decoding import calls as calls_of


def piece(
    index: int | None = 0, id: str | None = None, name: str | None = None, arguments: Any = None
) -> ToolCallPiece:
    """Returns a fragment; None leaves a field out."""
    return ToolCallPiece(index, id, FunctionPiece(name, arguments))


def take(*pieces: ToolCallPiece, split_names: bool = False) -> list[Event]:
    """Returns the events of fragments."""
    numbers = iter(range(1, 100))
    calls = ToolCalls(lambda: f"made_{next(numbers)}", split_names=split_names)
    events: list[Event] = []
    for one in pieces:
        calls.take(one, events)
    calls.flush(events)
    return events


def said(*pieces: ToolCallPiece) -> list[tuple[str, str, str]]:
    """Returns id, name and arguments of the calls."""
    return calls_of(take(*pieces))


def test_a_new_index_with_id_and_name_opens_a_call_at_once() -> None:
    assert take(piece(0, "a", "f", "")) == [ToolCallStart(0, "a", "f")]


def test_fragments_are_found_by_their_index() -> None:
    pieces = [piece(0, "a", "f", "{"), piece(1, "b", "g", "["), piece(0, arguments="}"), piece(1, arguments="]")]
    assert said(*pieces) == [("a", "f", "{}"), ("b", "g", "[]")]


def test_the_first_index_may_be_any() -> None:
    assert said(piece(1, "a", "f", "{}"), piece(7, "b", "g", "{}")) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_fragments_of_one_index_in_one_chunk_are_one_call() -> None:
    assert said(piece(0, "a", "f", "{"), piece(0, arguments='"x"'), piece(0, arguments=":1}")) == [
        ("a", "f", '{"x":1}')
    ]


def test_id_and_name_that_are_repeated_or_empty_change_nothing() -> None:
    begin = piece(0, "a", "f", '{"p"')
    assert said(begin, piece(0, "a", "f", ":1}")) == [("a", "f", '{"p":1}')]
    assert said(begin, piece(0, "", "", ":1}")) == [("a", "f", '{"p":1}')]


def test_another_id_with_a_name_on_a_used_index_is_another_call() -> None:
    assert said(piece(0, "a", "f", '{"p":"a"}'), piece(0, "b", "f", '{"p":"b"}')) == [
        ("a", "f", '{"p":"a"}'),
        ("b", "f", '{"p":"b"}'),
    ]


def test_another_id_before_any_arguments_is_the_same_call() -> None:
    assert said(piece(0, "a", "f", ""), piece(0, "b", "f", "{}")) == [("a", "f", "{}")]


def test_another_id_and_another_name_are_another_call_even_without_arguments() -> None:
    assert said(piece(0, "a", "f"), piece(0, "b", "g")) == [("a", "f", ""), ("b", "g", "")]


def test_ids_that_number_fragments_are_no_new_calls() -> None:
    assert said(piece(0, "a1", "f", "{"), piece(0, "a2", None, "}")) == [("a1", "f", "{}")]


@pytest.mark.parametrize("id", [None, "", " ", "x" * 65])
def test_a_call_without_a_usable_id_gets_one_of_ours(id: str | None) -> None:
    assert said(piece(0, id, "f", "{}")) == [("made_1", "f", "{}")]


def test_an_id_that_comes_late_is_not_waited_for() -> None:
    assert said(piece(0, None, "f", "{"), piece(0, "late", None, "}")) == [("made_1", "f", "{}")]


def test_an_id_that_was_used_in_this_answer_is_replaced() -> None:
    assert said(piece(0, "0", "f", "{}"), piece(1, "0", "g", "{}")) == [("0", "f", "{}"), ("made_1", "g", "{}")]


def test_arguments_wait_for_the_name() -> None:
    events = take(piece(0, "a", None, "{"), piece(0, None, None, '"x":'), piece(0, None, "f", "1}"))
    assert events == [ToolCallStart(0, "a", "f"), ToolCallDelta(0, '{"x":'), ToolCallDelta(0, "1}")]


def test_whole_arguments_are_one_delta() -> None:
    assert take(piece(0, "a", "f", '{"x":1}'))[1:] == [ToolCallDelta(0, '{"x":1}')]


def test_arguments_as_an_object_are_serialised() -> None:
    assert said(piece(0, "a", "f", {"x": [1, "é"]}), piece(1, "b", "g", {}), piece(2, "c", "h", None)) == [
        ("a", "f", '{"x":[1,"é"]}'),
        ("b", "g", "{}"),
        ("c", "h", ""),
    ]


def test_without_an_index_a_new_id_is_a_new_call_and_none_continues() -> None:
    pieces = [piece(None, "a", "f", "{"), piece(None, arguments="}"), piece(None, "b", "f", "{}")]
    assert said(*pieces) == [("a", "f", "{}"), ("b", "f", "{}")]


def test_without_an_index_a_known_id_finds_its_call() -> None:
    pieces = [
        piece(None, "a", "f", "{"),
        piece(None, "b", "g", "["),
        piece(None, "a", None, "}"),
        piece(None, "b", None, "]"),
    ]
    assert said(*pieces) == [("a", "f", "{}"), ("b", "g", "[]")]


def test_without_index_and_id_a_whole_call_is_a_new_one() -> None:
    pieces = [piece(None, None, "f", '{"p":1}'), piece(None, None, "f", '{"p":2}'), piece(None, None, "g", "{}")]
    assert [one[1:] for one in said(*pieces)] == [("f", '{"p":1}'), ("f", '{"p":2}'), ("g", "{}")]


def test_without_index_and_id_a_repeated_name_continues_arguments_that_are_not_whole() -> None:
    assert [one[1:] for one in said(piece(None, None, "f", '{"p"'), piece(None, None, "f", ":1}"))] == [
        ("f", '{"p":1}')
    ]


def test_more_arguments_behind_whole_ones_are_another_call() -> None:
    pieces = [piece(0, None, "f", '{"p":1}'), piece(0, None, "f", '{"p":2}'), piece(0, None, "g", "")]
    assert [one[1:] for one in said(*pieces)] == [("f", '{"p":1}'), ("f", '{"p":2}'), ("g", "")]


def test_a_whole_call_that_is_repeated_is_one_call() -> None:
    assert said(*[piece(0, "a", "f", '{"p":1}')] * 3, piece(0, "a", "f", "")) == [("a", "f", '{"p":1}')]
    assert said(piece(0, "a", "f", '{"p":1}'), piece(0, "a", "f", '{"p":2}')) == [
        ("a", "f", '{"p":1}'),
        ("made_1", "f", '{"p":2}'),
    ]
    assert len(said(*[piece(0, None, "f", "{}")] * 2)) == 2


def test_an_empty_fragment_says_nothing() -> None:
    assert take(ToolCallPiece(), ToolCallPiece(0), piece(0, "", "", "")) == []
    assert said(piece(0, "a", "f", "{}"), ToolCallPiece(0), piece(0, None, None, "")) == [("a", "f", "{}")]


def test_freeform_calls_are_marked_and_their_input_is_no_json() -> None:
    events = take(
        ToolCallPiece(0, "a", custom=CustomPiece("patch", "*** ")), ToolCallPiece(0, custom=CustomPiece(None, "Begin"))
    )
    assert events == [ToolCallStart(0, "a", "patch", True), ToolCallDelta(0, "*** "), ToolCallDelta(0, "Begin")]


def test_the_old_function_call_field_is_one_call() -> None:
    calls = ToolCalls(lambda: "made")
    events: list[Event] = []
    calls.take_legacy(FunctionPiece("f", "{"), events)
    calls.take_legacy(FunctionPiece(None, "}"), events)
    assert calls_of(events) == [("made", "f", "{}")]


def test_nameless_and_cut_tell_what_is_missing() -> None:
    def calls(*pieces: ToolCallPiece) -> ToolCalls:
        taken = ToolCalls(lambda: "made")
        for one in pieces:
            taken.take(one, [])
        return taken

    assert not calls().seen
    assert calls(piece(0, "a", None, "{}")).nameless()
    assert not calls(piece(0, "a", "f")).nameless()
    assert calls(piece(0, "a", "f", "{}"), piece(1, "b", "f", "{")).cut()
    assert not calls(piece(0, "a", "f", "{}"), piece(1, "b", "f")).cut()
    assert not calls(ToolCallPiece(0, "a", custom=CustomPiece("p", "{"))).cut()


def test_a_name_in_every_fragment_costs_no_more_than_the_text() -> None:
    def work(size: int) -> None:
        take(piece(0, "a", "f", "["), *[piece(0, "a", "f", "{},")] * size)

    check_growth(work, 2_000)


@pytest.mark.parametrize(
    "names",
    [
        ["get_", "weather"],
        ["get_", "get_weather"],
        ["get_weather", "get_weather"],
        ["get_weather"],
        ["g", "", "et_weather"],
    ],
)
def test_a_name_in_pieces_is_held_until_its_arguments_begin(names) -> None:
    first, *rest = names
    pieces = [piece(0, "a", first, ""), *(piece(0, None, one, "") for one in rest)]
    assert take(*pieces, piece(0, arguments="{"), piece(0, arguments="}"), split_names=True) == [
        ToolCallStart(0, "a", "get_weather"),
        ToolCallDelta(0, "{"),
        ToolCallDelta(0, "}"),
    ]


def test_a_name_in_pieces_is_complete_when_another_call_or_the_end_comes() -> None:
    pieces = [piece(0, "a", "f"), piece(0, name="oo"), piece(1, "b", "ba"), piece(1, name="r"), piece(1, arguments="")]
    assert take(*pieces, split_names=True) == [ToolCallStart(0, "a", "foo"), ToolCallStart(1, "b", "bar")]
    whole = [piece(0, "a", "f", "{}"), piece(0, "b", "g", "[]")]  # one index for all
    assert calls_of(take(*whole, split_names=True)) == [("a", "f", "{}"), ("b", "g", "[]")]
    nameless = [piece(None, "", "f"), piece(None, "", "oo"), piece(None, "", "", "{}")]
    assert calls_of(take(*nameless, split_names=True)) == [("made_1", "foo", "{}")]


def test_arguments_that_come_before_a_split_name_wait_for_it() -> None:
    pieces = [piece(0, "a", arguments="{"), piece(0, name="f"), piece(0, name="oo"), piece(0, arguments="}")]
    assert take(*pieces, split_names=True) == [
        ToolCallStart(0, "a", "foo"),
        ToolCallDelta(0, "{"),
        ToolCallDelta(0, "}"),
    ]
