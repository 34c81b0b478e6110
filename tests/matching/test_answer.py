"""A whole answer on its way out: kinds of text side by side, tool calls, annotations, the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamError
from proxy.events import (
    Annotation,
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from proxy.matching import AnswerScreen, Folding, Matcher, Pattern, Word, Words
from proxy.matching.answer import WITHHELD

FOLDING = Folding(case_sensitive=False, normalize=True)
BLOCK = Matcher([Words([Word("banned")], FOLDING)], [None])
MASK = Matcher([Words([Word("banned")], FOLDING)], ["***"])
CALL = ToolCallStart(7, "call_1", "find")


def text(*pieces: str) -> list[Event]:
    return [TextDelta(piece) for piece in pieces]


def out(screen: AnswerScreen, *batches: Event | Sequence[Event]) -> list[Event]:
    seen: list[Event] = []
    for batch in batches:
        seen += screen.take([batch] if isinstance(batch, Event) else batch)
    return seen


def test_what_cannot_match_passes_untouched_and_at_once() -> None:
    screen = AnswerScreen(BLOCK, BLOCK, None)
    events = [*text("Hello ", "there"), ReasoningDelta("hm"), CALL, ToolCallDelta(7, "{}"), Usage(1, 2), Finish()]
    events.insert(2, TextDelta("!", logprobs=[{"token": "!"}]))
    for event in events:
        (passed,) = screen.take([event])
        assert passed is event
    assert (screen.blocked, screen.found) == (False, [])


def test_a_word_over_deltas_ends_the_answer_in_front_of_it() -> None:
    screen = AnswerScreen(BLOCK, None, None)
    assert out(screen, *text("so ba", "nn", "ed it is")) == [TextDelta("so "), Finish("content_filter")]
    assert screen.blocked
    assert screen.found == [(0, "output")]
    assert screen.take([TextDelta("more"), Finish()]) == []


def test_what_a_batch_says_of_usage_outlives_the_block() -> None:
    screen = AnswerScreen(BLOCK, None, None)
    seen = screen.take([TextDelta("x banned"), Usage(1, 1), Usage(3, 4), Finish("stop", "flex")])
    assert seen == [TextDelta("x "), Usage(3, 4), Finish("content_filter", "flex")]


def test_held_text_comes_in_front_of_the_end() -> None:
    for end in (Finish(), Finish("length"), UpstreamFailed(UpstreamCut("cut"))):
        assert out(AnswerScreen(BLOCK, None, None), *text("a ban"), end) == [*text("a ", "ban"), end]


def test_a_mask_lets_the_rest_through() -> None:
    screen = AnswerScreen(MASK, None, None)
    assert out(screen, *text("a ban", "ned b"), Finish()) == [*text("a ", "*** "), *text("b"), Finish()]
    assert screen.found == [(0, "output")]


def test_log_probabilities_go_with_text_that_was_held_or_changed() -> None:
    seen = out(
        AnswerScreen(MASK, None, None),
        *(TextDelta(piece, logprobs=[{"token": piece}]) for piece in ("ok ", "ba", "ck ", "banned", "!")),
        Finish(),
    )
    assert [(event.text, event.logprobs is not None) for event in seen if isinstance(event, TextDelta)] == [
        ("ok ", True),
        ("back ", False),
        ("***", False),
        ("!", True),
    ]


def test_log_probabilities_that_tell_of_a_word_stay_here() -> None:
    others = [{"token": "an", "top_logprobs": [{"token": "banned"}]}]
    for screen in (AnswerScreen(MASK, None, None), AnswerScreen(BLOCK, None, None)):
        for _ in range(2):  # the second comes by the quick way
            assert out(screen, TextDelta("an", logprobs=others)) == [TextDelta("an")]
            assert out(screen, TextDelta("an", logprobs=[{"token": "an"}])) == [TextDelta("an", [{"token": "an"}])]


QUOTED = {"type": "url_citation", "url": "http://banned.test", "title": "x", "start_index": 0, "end_index": 2}
ITEMS = (
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "a banned one"}},
    {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": [{"type": "logs", "logs": "banned"}]},
    {"type": "image_generation_call", "id": "ig_1", "result": "aGk=", "revised_prompt": "banned"},
    {"type": "mcp_call", "id": "mcp_1", "arguments": '{"q":"b\\u0061nned"}', "output": "fine"},
)


@pytest.mark.parametrize("event", [Annotation(QUOTED), *map(OutputItem, ITEMS)])
def test_citations_and_items_of_tools_are_searched(event: Event) -> None:
    kinds = [AnswerScreen(BLOCK, None, None)]
    if isinstance(event, OutputItem):
        kinds.append(AnswerScreen(None, None, BLOCK))
    for screen in kinds:
        assert out(screen, *text("fine"), event, *text("more")) == [*text("fine"), Finish("content_filter")]
        assert out(screen, *text("more")) == []
    screen = AnswerScreen(MASK, None, None)
    (masked,) = out(screen, event)
    assert "***" in str(masked)
    assert all(word not in str(masked) for word in ("banned", "u0061nned"))
    assert screen.found == [(0, "output")]
    noting = AnswerScreen(Matcher([], [None], [Words([Word("banned")], FOLDING)]), None, None)
    assert out(noting, event) == [event]
    assert noting.flagged() == [(0, "output")]


def test_what_items_say_of_themselves_is_no_text() -> None:
    picture = "banned" * 2000
    item = OutputItem({"type": "banned", "id": "banned", "status": "banned", "result": picture, "banned": 1})
    assert out(AnswerScreen(BLOCK, None, BLOCK), item) == [item]


@pytest.mark.parametrize("other", [CALL, ReasoningDelta("hm"), ReasoningState({}), Refusal("no")])
def test_the_order_stays_and_half_a_word_never_becomes_whole(other: Event) -> None:
    screen = AnswerScreen(BLOCK, None, None)
    assert out(screen, *text("a ban"), other) == [*text("a ", "ban"), other]
    assert out(screen, *text("k is near"), Finish()) == [*text("k is near"), Finish()]
    screen = AnswerScreen(BLOCK, None, None)
    assert out(screen, *text("a ban"), other, *text("ned b")) == [*text("a ", "ban"), other, Finish("content_filter")]


def test_usage_between_is_no_boundary() -> None:
    assert out(AnswerScreen(BLOCK, None, None), *text("a ban"), Usage(1), *text("ned")) == [
        TextDelta("a "),
        Usage(1),
        Finish("content_filter"),
    ]


def test_each_kind_of_text_is_a_text_of_its_own() -> None:
    screen = AnswerScreen(BLOCK, BLOCK, None)
    pieces = [ReasoningDelta("ban"), TextDelta("ned "), ReasoningDelta("s", summary=True), Refusal("ned"), Finish()]
    assert out(screen, *pieces) == pieces
    assert out(AnswerScreen(BLOCK, None, None), ReasoningDelta("banned"), Finish()) == [
        ReasoningDelta("banned"),
        Finish(),
    ]
    screen = AnswerScreen(None, MASK, None)
    assert out(screen, ReasoningDelta("ban", summary=True), ReasoningDelta("ned", summary=True), Finish()) == [
        ReasoningDelta("***", summary=True),
        Finish(),
    ]
    assert screen.found == [(0, "reasoning")]
    assert out(AnswerScreen(BLOCK, None, None), Refusal("banned")) == [Finish("content_filter")]


def cite(start: int, end: int) -> Annotation:
    return Annotation({"type": "url_citation", "url": "u", "start_index": start, "end_index": end})


def test_annotations_follow_their_text_and_move_with_it() -> None:
    screen = AnswerScreen(MASK, None, None)
    seen = out(screen, *text("see banned pages", " ban"), cite(11, 16), *text("d "), cite(17, 21), Finish())
    assert seen == [
        *text("see *** pages", " "),
        *text("band "),
        cite(8, 13),
        cite(14, 18),
        Finish(),
    ]
    plain = cite(0, 1)
    assert out(AnswerScreen(MASK, None, None), plain, Finish())[0] is plain


def test_arguments_wait_for_the_end_and_go_whole() -> None:
    screen = AnswerScreen(BLOCK, None, BLOCK)
    calls: list[Event] = [CALL, ToolCallDelta(7, '{"q":'), ToolCallDelta(7, '"fine"}'), *text("and ", "more")]
    assert out(screen, *text("look: "), *calls, Usage(1)) == [TextDelta("look: "), Usage(1)]
    assert screen.take([Finish()]) == [CALL, ToolCallDelta(7, '{"q":"fine"}'), *text("and ", "more"), Finish()]


def test_arguments_that_are_blocked_are_not_seen_at_all() -> None:
    screen = AnswerScreen(None, None, BLOCK)
    clean: list[Event] = [ToolCallStart(1, "call_0", "look"), ToolCallDelta(1, "{}")]
    banned: list[Event] = [CALL, ToolCallDelta(7, '{"q": "ban'), ToolCallDelta(7, 'ned"}')]
    assert out(screen, *text("on it"), *clean, *banned, [Usage(5), Finish()]) == [
        TextDelta("on it"),
        Usage(5),
        Finish("content_filter"),
    ]
    assert screen.found == [(0, "arguments")]


def test_arguments_are_masked_in_place() -> None:
    screen = AnswerScreen(None, None, MASK)
    assert out(screen, CALL, ToolCallDelta(7, '{"q": "ban'), ToolCallDelta(7, 'ned"}'), Finish()) == [
        CALL,
        ToolCallDelta(7, '{"q":"***"}'),
        Finish(),
    ]


def test_calls_of_a_failed_answer_are_not_complete() -> None:
    failed = UpstreamFailed(UpstreamCut("cut"))
    events: list[Event] = [CALL, ToolCallDelta(7, '{"q": "b'), *text("text"), failed]
    assert out(AnswerScreen(BLOCK, None, BLOCK), *events) == [*text("text"), failed]


PIECES = st.lists(
    st.one_of(
        st.text("aban ned", max_size=6).filter(bool).map(TextDelta),
        st.text("banedx", max_size=6).filter(bool).map(ReasoningDelta),
        st.just(Usage(1)),
        st.just(CALL),
    ),
    max_size=25,
)


def joined(events: Sequence[Event], kind: type[TextDelta | ReasoningDelta]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


@given(PIECES, st.lists(st.integers(1, 4), min_size=30, max_size=30))
def test_whatever_comes_in_the_word_never_goes_out(events: list[Event], sizes: list[int]) -> None:
    matcher = Matcher(
        [Words([Word("banned"), Word("ned", whole=True)], FOLDING), Pattern("aa+b", max_match=20)], [None] * 2
    )
    screen = AnswerScreen(matcher, matcher, None)
    rest = [*events, Finish()]
    seen: list[Event] = []
    while rest:
        size = sizes.pop()
        seen += screen.take(rest[:size])
        rest = rest[size:]
        for kind in (TextDelta, ReasoningDelta):
            assert "banned" not in joined(seen, kind)
            assert "aab" not in joined(seen, kind)
    assert isinstance(seen[-1], Finish)
    assert sum(isinstance(event, Finish) for event in seen) == 1
    if not screen.blocked:
        for kind in (TextDelta, ReasoningDelta):
            assert joined(seen, kind) == joined(events, kind)
        others = [event for event in seen if not isinstance(event, TextDelta | ReasoningDelta)]
        assert others == [event for event in [*events, Finish()] if not isinstance(event, TextDelta | ReasoningDelta)]


def test_flags_let_everything_through_at_once_arguments_too() -> None:
    watching = Matcher([], [None], [Words([Word("bird")], Folding(case_sensitive=False, normalize=True))])
    screen = AnswerScreen(watching, None, watching)
    events = [
        TextDelta("a bi"),
        TextDelta("rd"),
        ToolCallStart(0, "c", "f"),
        ToolCallDelta(0, '"b'),
        ToolCallDelta(0, 'ird"'),
    ]
    for event in events:
        assert screen.take([event]) == [event]
    assert screen.take([Finish()]) == [Finish()]
    assert screen.flagged() == [(0, "arguments"), (0, "output")]
    assert screen.found == []


def test_what_is_held_back_can_be_let_go_and_the_rest_of_the_word_is_not() -> None:
    screen = AnswerScreen(
        Matcher([Words([Word("bird")], Folding(case_sensitive=False, normalize=True))], [None]), None, None
    )
    assert screen.take([TextDelta("a bi")]) == [TextDelta("a ")]
    assert screen.holding == (4, 2)
    assert screen.let_go() == [TextDelta("bi")]
    assert screen.holding is None
    assert screen.take([TextDelta("rd")])[-1] == Finish("content_filter")


def test_what_a_model_writes_into_the_name_of_a_call_is_searched_and_cannot_be_masked() -> None:
    for matcher in (MASK, BLOCK):
        for screen in (AnswerScreen(matcher, None, None), AnswerScreen(None, None, matcher)):
            assert out(screen, ToolCallStart(0, "c", "a_banned_f"), ToolCallDelta(0, "{}"), Finish()) == [
                Finish("content_filter")
            ]
            assert len(screen.found) == 1
        known = AnswerScreen(matcher, None, matcher, declared=lambda name: name == "a_banned_f")
        start = ToolCallStart(0, "c", "a_banned_f")
        assert out(known, start, ToolCallDelta(0, "{}"), Finish()) == [start, ToolCallDelta(0, "{}"), Finish()]
    second = AnswerScreen(None, None, BLOCK)
    calls = [ToolCallStart(0, "c", "f"), ToolCallStart(1, "d", "banned"), Finish()]
    assert out(second, *calls) == [Finish("content_filter")]


def test_the_message_of_a_failure_is_searched_like_text() -> None:
    def failed(matcher: Matcher | None) -> UpstreamError:
        error = UpstreamError("it said banned things", code="banned", param="x")
        assert out(AnswerScreen(matcher, None, None), TextDelta("a"), UpstreamFailed(error))[-1] == UpstreamFailed(
            error
        )
        return error

    masked, withheld, untouched = failed(MASK), failed(BLOCK), failed(None)
    assert (masked.message, str(masked), masked.code, masked.param) == ("it said *** things",) * 2 + (None, "x")
    assert withheld.message == WITHHELD
    assert "banned" not in str(withheld.to_dict()) + str(withheld)
    assert untouched.to_dict()["message"] == "it said banned things"


def test_pieces_of_plain_text_pass_at_once_unless_something_may_begin_in_them() -> None:
    screen = AnswerScreen(MASK, None, None)
    assert screen.quick is None
    assert out(screen, TextDelta("hello")) == [TextDelta("hello")]
    said = []
    for piece in (" is", " it", " ba", "nned", " no", "b", " x", " Ban", "ana"):
        if screen.quick is not None and screen.quick.passes(piece):
            said.append(piece)
        else:
            said += [event.text for event in screen.take([TextDelta(piece)]) if isinstance(event, TextDelta)]
    assert "".join(said) == " is it *** nob x Banana"
    assert said[:2] == [" is", " it"]
    out(screen, ReasoningDelta("x"))
    assert screen.quick is None


def test_text_that_nobody_looks_at_keeps_its_log_probabilities() -> None:
    screen = AnswerScreen(None, BLOCK, None)
    events = [TextDelta(piece, logprobs=[{"token": "banned"}]) for piece in ("banned", " word")]
    assert [screen.take([event])[0] for event in events] == events
