"""What waits of an answer, without anybody who is asked: order, windows, calls, and times."""

from __future__ import annotations

from proxy.events import (
    Annotation,
    Event,
    Finish,
    MessageStart,
    OutputItem,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from proxy.guardrails.held import Held
from proxy.guardrails.rules import Where


def held(*wheres: Where, window: int = 0, to_the_end: bool = False) -> Held:
    return Held(wheres or ("output",), window=window, to_the_end=to_the_end, declared=lambda name: name == "f")


def pass_all(one: Held) -> None:
    for piece in one.unchecked():
        piece.checked = piece.end
    for part in one.unchecked_parts():
        part.checked = True


def test_what_nobody_is_asked_about_does_not_wait_unless_something_in_front_of_it_does() -> None:
    one = held()
    assert one.add([ReasoningDelta("r"), MessageStart()], 0) == [ReasoningDelta("r"), MessageStart()]
    assert one.add([TextDelta("a"), ReasoningDelta("s"), TextDelta("b")], 0) == []
    assert one.ready() == []
    pass_all(one)
    assert one.ready() == [TextDelta("a"), ReasoningDelta("s"), TextDelta("b")]
    assert one.empty
    one.add([TextDelta("c"), ReasoningDelta("s"), TextDelta("d")], 0)
    assert [one.before(piece) for piece in one.unchecked()] == ["ab", "abc"]


def test_of_a_piece_that_may_grow_the_window_stays() -> None:
    one = held(window=3)
    one.add([TextDelta("ab"), TextDelta("cd"), TextDelta("e")], 0)
    pass_all(one)
    assert one.ready() == [TextDelta("ab")]
    one.add([TextDelta("f"), MessageStart()], 0)
    assert one.ready() == []  # nobody has looked at the last character
    assert [piece.text for piece in one.unchecked()] == ["cdef"]
    pass_all(one)
    assert one.ready() == [TextDelta("cd"), TextDelta("e"), TextDelta("f"), MessageStart()]
    assert one.chars == 0


def test_a_mask_goes_in_front_of_what_came_meanwhile_and_moves_annotations() -> None:
    one = held(window=2)
    one.add([TextDelta("Ann"), TextDelta(" is")], 0)
    (piece,) = one.unchecked()
    end = piece.end
    one.add([TextDelta(" x"), Annotation({"start_index": 4, "end_index": 6})], 0)
    one.mask(piece, "[name] is", end)
    pass_all(one)
    moved = Annotation({"start_index": 7, "end_index": 9})
    assert one.ready() == [TextDelta("[name] is"), TextDelta(" x"), moved]


def test_calls_wait_for_the_end_and_what_follows_waits_for_them() -> None:
    one = held("arguments")
    start, other = ToolCallStart(0, "c", "f"), ToolCallStart(1, "d", "g")
    assert one.add([TextDelta("a"), start, ToolCallDelta(0, "{"), other], 0) == [TextDelta("a")]
    one.add([ToolCallDelta(0, "}"), TextDelta("b")], 0)
    assert (one.unchecked(), one.ready(99.0), one.oldest()) == ([], [], None)
    one.add([Finish()], 0)
    pass_all(one)
    out: list[Event] = [start, ToolCallDelta(0, "{"), ToolCallDelta(0, "}"), other, TextDelta("b")]
    assert one.ready() == out


def test_texts_are_let_go_by_the_time_they_came() -> None:
    one = held(window=50)
    one.add([TextDelta("a")], 1.0)
    one.add([TextDelta("b")], 2.0)
    assert one.oldest() == 1.0
    assert one.ready(1.5) == [TextDelta("a")]
    assert one.oldest() == 2.0
    assert one.ready(2.0) == [TextDelta("b")]
    assert one.oldest() is None


def test_to_the_end_means_to_the_end() -> None:
    one = held(to_the_end=True)
    one.add([TextDelta("a"), MessageStart()], 0)
    assert (one.unchecked(), one.ready()) == ([], [])
    one.add([TextDelta("b"), Finish()], 0)
    assert [piece.text for piece in one.unchecked()] == ["a", "b"]
    pass_all(one)
    assert one.ready() == [TextDelta("a"), MessageStart(), TextDelta("b")]


CITATION = Annotation({"type": "url_citation", "url": "https://a.example", "title": "A"})
SEARCH = OutputItem({"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "birds"}})


def test_items_citations_and_names_that_nobody_has_declared_wait_as_a_whole() -> None:
    one = held("output", "arguments")
    made_up, known = ToolCallStart(0, "c", "made up"), ToolCallStart(1, "d", "f")
    assert one.add([SEARCH, TextDelta("a"), CITATION, made_up, known, Finish()], 0) == []
    assert [part.texts for part in one.unchecked_parts()] == [("birds",), ("https://a.example", "A"), ("made up",)]
    assert one.oldest() == 0
    search, _, name = one.unchecked_parts()
    assert search.put(("fish",))
    assert not name.put(("f",))
    search.checked = True
    assert one.ready() == [OutputItem({**SEARCH.item, "action": {"type": "search", "query": "fish"}})]
    assert SEARCH.item["action"]["query"] == "birds"
    for piece in one.unchecked():
        piece.checked = piece.end
    assert one.ready() == [TextDelta("a")]
    assert one.ready(released_until=1) == [CITATION, made_up, known]
    assert (one.chars, one.empty) == (0, True)
    assert held("reasoning").add([SEARCH, CITATION, made_up], 0) == [SEARCH, CITATION, made_up]
