"""Answers that are searched here: what is held back for too long is let go, and what was found is noted."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.events import Event, Finish, PlainAnswer, ReasoningDelta, TextDelta
from proxy.exchange import Exchange
from proxy.guardrails.watch import Watch
from tests.support.drive import exchange_of
from tests.support.fake_clock import in_no_time
from tests.support.guarding import guard

RELEASE = {"words": ["bluebird"], "max_delay": "100ms", "on_timeout": "release"}


async def begun(**fields: Any) -> tuple[Watch, Exchange, asyncio.Event]:
    watch = await (await guard(fields)).on_request(exchange_of())
    assert isinstance(watch, Watch)
    exchange, nudged = exchange_of(), asyncio.Event()
    exchange.nudge = nudged.set
    return watch, exchange, nudged


def test_text_goes_out_when_its_time_has_come_and_the_rest_of_the_word_does_not() -> None:
    async def run() -> None:
        watch, exchange, nudged = await begun(**RELEASE)
        clock = asyncio.get_running_loop().time
        assert watch.on_events(exchange, [TextDelta("a bl")]) == [TextDelta("a ")]
        await asyncio.sleep(0.06)
        assert watch.on_events(exchange, [TextDelta("ue")]) == []
        await nudged.wait()
        assert abs(clock() - 0.1) < 0.003
        assert watch.wants_turn
        assert watch.on_events(exchange, []) == [TextDelta("blue")]
        assert watch.on_events(exchange, [TextDelta("bird")]) == [Finish("content_filter")]
        await watch.on_end(exchange)
        assert exchange.marks["guardrail"][0]["action"] == "blocked"

    in_no_time(run())


def test_the_time_counts_from_the_oldest_text_that_waits() -> None:
    async def run() -> None:
        watch, exchange, nudged = await begun(**RELEASE)
        clock = asyncio.get_running_loop().time
        watch.on_events(exchange, [TextDelta("blue")])
        await asyncio.sleep(0.08)
        assert watch.on_events(exchange, [TextDelta("berry b")]) == [TextDelta("blueberry ")]
        await nudged.wait()
        assert abs(clock() - 0.18) < 0.003
        assert watch.on_events(exchange, [ReasoningDelta("x")]) == [TextDelta("b"), ReasoningDelta("x")]
        watch.on_events(exchange, [TextDelta("blue")])
        watch.finish(exchange)
        nudged.clear()
        await asyncio.sleep(1)
        assert not nudged.is_set()  # nothing is left of an answer that has ended

    in_no_time(run())


async def test_without_a_limit_no_timer_runs_and_flags_are_told_at_the_end() -> None:
    watch, exchange, nudged = await begun(words=["bluebird"], action="flag", scan=["output", "reasoning"])
    events: list[Event] = [TextDelta("a blue"), TextDelta("bird"), ReasoningDelta("bluebird"), Finish()]
    for event in events:
        assert watch.on_events(exchange, [event]) == [event]
    assert not exchange.marks
    await watch.on_end(exchange)
    assert [mark["where"] for mark in exchange.marks["guardrail"]] == ["output", "reasoning"]
    assert not nudged.is_set()


async def test_flags_of_an_answer_that_comes_whole_are_told_in_a_header() -> None:
    watch, exchange, _ = await begun(words=["bluebird"], action="flag")
    exchange.nudge = None
    watch.on_events(exchange, [TextDelta("bluebird"), Finish()])
    assert exchange.response_headers["x-penstock-flagged"] == "rule 0"


async def test_what_holds_nothing_goes_the_short_ways() -> None:
    for action in ("block", "mask", "flag"):
        watch, exchange, _ = await begun(words=["bluebird"], action=action)
        assert [watch.on_plain(exchange, PlainAnswer(text, "stop")) for text in ("a bird", "a Bluebird")] == [
            True,
            False,
        ]
        assert not watch.on_text(exchange, "a")  # no event has come before it
        assert watch.on_events(exchange, [TextDelta("a")]) == [TextDelta("a")]
        assert [watch.on_text(exchange, text) for text in (" c", " d b")] == [True, False]
        held = watch.on_events(exchange, [TextDelta(" d b")])
        assert held == [TextDelta(" d b" if action == "flag" else " d ")]
        assert not watch.on_text(exchange, "x")
    thoughts, exchange, _ = await begun(words=["bluebird"], scan=["reasoning"])
    assert thoughts.on_plain(exchange, PlainAnswer("bluebird", "stop"))
    thoughts.on_events(exchange, [TextDelta("a")])
    assert thoughts.on_text(exchange, "bluebird")
