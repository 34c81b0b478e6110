"""Who only observes: one question at a time, about all that was said, and about nothing once nobody listens."""

from __future__ import annotations

from proxy.errors import UpstreamError
from proxy.events import (
    Annotation,
    Event,
    OutputItem,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
)
from proxy.guardrails.check import ALLOWED
from proxy.guardrails.observer import Observer
from tests.support.drive import exchange_of
from tests.support.guarding import Oracle, asking, without


async def test_it_asks_about_everything_in_turn_and_about_arguments_at_the_end() -> None:
    oracle = Oracle(lambda asked: ALLOWED, waits=True)
    exchange = exchange_of()
    observer = Observer([asking(oracle, scan=["output", "arguments"])], lambda: None)
    observer.see(exchange, [TextDelta("a"), ReasoningDelta("unseen"), ToolCallDelta(0, "{")])
    await oracle.asked_so_often(1)
    observer.see(exchange, [TextDelta("b"), TextDelta("c"), ToolCallDelta(0, "}")])
    oracle.go(9)
    exchange.outcome = "completed"
    await observer.finish(exchange)
    assert [(asked.where, asked.texts, asked.context) for asked in oracle.asked] == [
        ("output", ("a",), ""),
        ("output", ("bc",), "a"),
        ("arguments", ("{}",), ""),
    ]
    assert oracle.most == 1


async def test_what_it_finds_bad_is_told_and_nothing_more_is_asked() -> None:
    told: list[str] = []
    oracle = Oracle(without("bad"))
    exchange = exchange_of()
    observer = Observer([asking(oracle)], lambda: told.append("bad"))
    observer.see(exchange, [TextDelta("bad")])
    await oracle.asked_so_often(1)
    exchange.outcome = "incomplete"
    await observer.finish(exchange)
    observer.see(exchange, [TextDelta("more")])
    await observer.finish(exchange)
    assert (told, observer.blocked, len(oracle.asked)) == (["bad"], "rule", 1)


async def test_nobody_is_asked_about_an_answer_that_nobody_has_waited_for() -> None:
    oracle = Oracle(lambda asked: ALLOWED, waits=True)
    exchange = exchange_of()
    observer = Observer([asking(oracle)], lambda: None)
    observer.see(exchange, [TextDelta("a")])
    await oracle.asked_so_often(1)
    observer.see(exchange, [TextDelta("b")])
    exchange.outcome = "cancelled"
    await observer.finish(exchange)
    assert (oracle.cancelled, len(oracle.asked)) == (1, 1)


async def test_what_is_no_running_text_is_shown_too() -> None:
    events: list[Event] = [
        TextDelta("a"),
        Annotation({"type": "url_citation", "title": "b"}),
        OutputItem({"type": "web_search_call", "id": "ws", "action": {"query": "c"}}),
        ToolCallStart(0, "c", "d"),
        UpstreamFailed(UpstreamError("e")),
    ]
    for scan, wanted in (
        (["output"], "a\nb\n\nc\n\nd\n\ne\n"),
        (["arguments"], "\nb\n\nc\n\nd\n\ne\n"),
        (["reasoning"], None),
    ):
        oracle = Oracle(lambda asked: ALLOWED)
        exchange = exchange_of()
        observer = Observer([asking(oracle, scan=scan)], lambda: None)
        observer.see(exchange, events)
        assert observer.waits == (wanted is not None)
        exchange.outcome = "failed"
        await observer.finish(exchange)
        assert [asked.texts for asked in oracle.asked] == ([] if wanted is None else [(wanted,)])
        assert not observer.waits
