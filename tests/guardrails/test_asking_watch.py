"""Streams beside which somebody is asked: what waits, what goes out when, and what is left when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.errors import UpstreamCut, UpstreamError
from proxy.events import (
    Annotation,
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from proxy.exchange import Exchange
from proxy.guardrails.asking_watch import AskingWatch
from proxy.guardrails.check import ALLOWED, Asked, Verdict
from proxy.matching.answer import WITHHELD
from tests.support.drive import exchange_of
from tests.support.guarding import Oracle, asking, fails, masking, without


def good(asked: Asked) -> Verdict:
    return ALLOWED


class Stream:
    """One answer on its way through a watch; a turn is taken when the watch asks for it."""

    def __init__(self, *pairs: tuple[Oracle, dict[str, Any]]) -> None:
        self.exchange: Exchange = exchange_of()
        askings = [asking(oracle, **{"window": 0, **fields}) for oracle, fields in pairs]
        self.watch = AskingWatch(None, askings, declared=lambda name: name != "made up")
        self.nudged = asyncio.Event()
        self.exchange.nudge = self.nudged.set
        self.seen: list[Event] = []

    async def feed(self, *events: Event) -> list[Event]:
        """Passes one batch; returns what came out at once."""
        out = await self.watch.on_events(self.exchange, list(events))
        self.seen += out
        return out

    async def turn(self) -> list[Event]:
        """Waits for the watch to ask for a turn; returns what came out of it."""
        async with asyncio.timeout(10):
            await self.nudged.wait()
        self.nudged.clear()
        return await self.feed()

    async def to_the_end(self) -> list[Event]:
        """Takes turns until the answer has ended; returns all that came out."""
        while not (self.seen and isinstance(self.seen[-1], (Finish, UpstreamFailed))):
            await self.turn()
        return self.seen

    async def end(self, outcome: Any = "completed") -> list[dict[str, str]]:
        """Ends the exchange; returns its marks."""
        self.exchange.outcome = outcome
        await self.watch.on_end(self.exchange)
        marks: list[dict[str, str]] = self.exchange.marks.get("guardrail", [])
        return marks


def text(seen: list[Event]) -> str:
    return "".join(event.text for event in seen if isinstance(event, TextDelta))


async def test_text_waits_for_its_verdict_and_what_comes_meanwhile_joins_the_next_question() -> None:
    oracle = Oracle(good, waits=True)
    stream = Stream((oracle, {}))
    assert await stream.feed(TextDelta("one ")) == []
    await oracle.asked_so_often(1)
    assert await stream.feed(TextDelta("two "), Usage(output_tokens=1)) == [Usage(output_tokens=1)]
    assert await stream.feed(TextDelta("three ")) == []
    oracle.go()
    assert await stream.turn() == [TextDelta("one ")]  # without a word of the upstream
    await oracle.asked_so_often(2)
    assert await stream.feed(TextDelta("four"), Finish()) == []
    assert stream.watch.ends_later
    oracle.go()
    assert await stream.turn() == [TextDelta("two "), TextDelta("three ")]
    oracle.go()
    assert await stream.turn() == [TextDelta("four"), Finish()]
    assert not stream.watch.ends_later
    assert [asked.texts for asked in oracle.asked] == [("one ",), ("two three ",), ("four",)]
    assert [asked.context for asked in oracle.asked] == ["", "one ", "one two three "]
    assert oracle.most == 1
    assert await stream.end() == []


async def test_the_window_lets_nothing_be_missed_for_being_cut_in_two() -> None:
    oracle = Oracle(without("secret"))
    stream = Stream((oracle, {"window": 5}))
    for piece in ("it is a se", "cr", "et!"):
        await stream.feed(TextDelta(piece))
        await stream.turn()
    assert await stream.to_the_end() == [Finish("content_filter")]  # pieces go out whole, or not at all
    assert await stream.end() == [{"rule": "rule", "action": "blocked", "where": "output", "reason": "it says secret"}]


async def test_nothing_goes_out_after_a_bad_verdict() -> None:
    oracle = Oracle(without("bad"))
    stream = Stream((oracle, {}))
    await stream.feed(TextDelta("good "))
    await stream.turn()
    await stream.feed(TextDelta("bad "))
    await stream.feed(TextDelta("more"), Usage(output_tokens=7), Finish(service_tier="flex"))
    seen = await stream.to_the_end()
    assert seen == [TextDelta("good "), Usage(output_tokens=7), Finish("content_filter", "flex")]
    assert await stream.feed(TextDelta("late")) == []


async def test_masks_are_put_in_and_places_behind_them_move() -> None:
    stream = Stream((Oracle(masking("Ann", "[name]")), {"window": 3}))
    await stream.feed(TextDelta("I am A"))
    await stream.turn()
    await stream.feed(TextDelta("nn, "), TextDelta("you know"), Finish())
    assert text(await stream.to_the_end()) == "I am [name], you know"
    assert (await stream.end())[0]["action"] == "masked"


@pytest.mark.parametrize(("on_error", "outcome"), [("block", "content_filter"), ("allow", "stop")])
async def test_a_check_that_did_not_run_is_told_as_not_run(on_error: str, outcome: Any) -> None:
    stream = Stream((Oracle(fails), {"on_error": on_error}))
    await stream.feed(TextDelta("a"), Finish())
    seen = await stream.to_the_end()
    assert (text(seen), seen[-1]) == ("" if on_error == "block" else "a", Finish(outcome))
    marks = await stream.end()
    assert marks[0] == {"rule": "rule", "action": "not_run", "where": "output", "reason": "error"}
    assert [mark["action"] for mark in marks[1:]] == (["blocked"] if on_error == "block" else [])


async def test_at_the_end_there_is_one_question_about_all_of_it() -> None:
    oracle = Oracle(good)
    stream = Stream((oracle, {"mode": "end"}))
    for piece in ("one ", "two ", "three"):
        assert await stream.feed(TextDelta(piece)) == []
    await stream.feed(Finish())
    assert text(await stream.to_the_end()) == "one two three"
    assert [asked.texts for asked in oracle.asked] == [("one two three",)]


@pytest.mark.parametrize("action", ["block", "mask"])
async def test_arguments_are_delivered_whole_or_not_at_all(action: str) -> None:
    oracle = Oracle(without("rm -rf"), waits=True)
    stream = Stream((oracle, {"scan": ["arguments"], "action": action}))
    assert await stream.feed(TextDelta("I will"), ToolCallStart(0, "c", "sh")) == [TextDelta("I will")]
    assert await stream.feed(ToolCallDelta(0, '{"cmd": "rm'), ToolCallStart(1, "d", "ls")) == []
    assert await stream.feed(ToolCallDelta(1, "{}"), ToolCallDelta(0, ' -rf /"}'), Finish()) == []
    oracle.go()
    assert await stream.to_the_end() == [TextDelta("I will"), Finish("content_filter")]
    assert oracle.asked[0].texts == ('{"cmd": "rm -rf /"}', "{}")


async def test_good_arguments_come_in_order_and_masked_ones_are_still_json() -> None:
    stream = Stream((Oracle(masking("key", "***")), {"scan": ["arguments", "output"]}))
    calls: list[Event] = [ToolCallStart(0, "c", "sh"), ToolCallDelta(0, '{"a":'), ToolCallDelta(0, '"key"}')]
    await stream.feed(TextDelta("key "), *calls, TextDelta("after"), Finish())
    assert await stream.to_the_end() == [
        TextDelta("*** "), calls[0], ToolCallDelta(0, '{"a":"***"}'), TextDelta("after"), Finish()]  # fmt: skip
    broken = Stream((Oracle(masking('"', "")), {"scan": ["arguments"]}))
    await broken.feed(*calls, Finish())
    assert await broken.to_the_end() == [Finish("content_filter")]


async def test_calls_of_an_answer_that_failed_are_dropped_and_its_text_is_asked_about() -> None:
    stream = Stream((Oracle(good), {"scan": ["arguments", "output"]}))
    failed = UpstreamFailed(UpstreamCut("cut"))
    await stream.feed(TextDelta("a"), ToolCallStart(0, "c", "f"), ToolCallDelta(0, "{"), failed)
    assert await stream.to_the_end() == [TextDelta("a"), failed]


async def test_all_kinds_of_text_are_asked_about_apart_and_keep_their_order() -> None:
    oracle = Oracle(good)
    stream = Stream((oracle, {"scan": ["reasoning", "output"]}))
    events = [ReasoningDelta("hm"), ReasoningDelta("so", summary=True), TextDelta("yes"), Finish()]
    await stream.feed(*events)
    assert await stream.to_the_end() == events
    assert [(asked.where, asked.texts, asked.context) for asked in oracle.asked] == [
        ("output", ("yes",), ""),
        ("reasoning", ("hm",), ""),
        ("reasoning", ("so",), "hm"),
    ]


async def test_what_has_waited_for_max_delay_goes_out_and_is_told_as_late() -> None:
    oracle = Oracle(without("bad"), waits=True)
    stream = Stream((oracle, {"max_delay": "20ms", "on_timeout": "release", "window": 100}))
    assert await stream.feed(TextDelta("bad ")) == []
    assert await stream.turn() == [TextDelta("bad ")]
    oracle.go()
    assert await stream.turn() == [Finish("content_filter")]  # late is better than never
    marks = await stream.end()
    assert [mark["action"] for mark in marks] == ["late", "blocked"]


async def test_an_answer_that_comes_whole_is_awaited() -> None:
    oracle = Oracle(masking("a", "b"))
    stream = Stream((oracle, {}))
    stream.exchange.nudge = None
    assert await stream.feed(TextDelta("aha"), Usage(), Finish()) == [Usage(), TextDelta("bhb"), Finish()]


async def test_a_client_that_leaves_leaves_nothing_behind() -> None:
    held, seen = Oracle(good, waits=True), Oracle(good, waits=True)
    stream = Stream((held, {}), (seen, {"mode": "observe"}), (Oracle(good), {"max_delay": "1h"}))
    await stream.feed(TextDelta("a"))
    await held.asked_so_often(1)
    assert await stream.end("cancelled") == []
    assert held.cancelled == 1
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_the_upstream_waits_when_far_too_much_is_held() -> None:
    oracle = Oracle(good, waits=True)
    stream = Stream((oracle, {}))
    await stream.feed(TextDelta("a"))
    feeding = asyncio.create_task(stream.feed(TextDelta("b" * 300_000)))
    await oracle.asked_so_often(1)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not feeding.done()
    oracle.go(2)
    async with asyncio.timeout(10):
        await feeding
    assert len(text(stream.seen)) == 300_001
    await stream.end()


CITATION = Annotation({"type": "url_citation", "url": "https://a.example", "title": "a bad page"})
SEARCH = OutputItem({"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "bad birds"}})
MADE_UP = ToolCallStart(0, "c", "made up")


@pytest.mark.parametrize("event", [CITATION, SEARCH, MADE_UP], ids=["citation", "item", "name"])
async def test_what_is_no_running_text_is_asked_about_too(event: Event) -> None:
    word = "made" if event is MADE_UP else "bad"
    blocked = Stream((Oracle(without(word)), {}))
    await blocked.feed(TextDelta("a "), event, TextDelta("b"), Finish())
    assert event not in await blocked.to_the_end()
    assert blocked.seen[-1] == Finish("content_filter")
    assert "blocked" in {mark["action"] for mark in await blocked.end()}
    masked = Stream((Oracle(masking(word)), {"scan": ["output", "arguments"], "action": "mask"}))
    await masked.feed(TextDelta("a "), event, TextDelta("b"), Finish())
    seen = await masked.to_the_end()
    assert word not in str(seen)
    assert seen[-1] == Finish("content_filter" if event is MADE_UP else "stop")
    arguments = Stream((Oracle(without(word)), {"scan": ["arguments"]}))
    await arguments.feed(event, Finish())
    assert await arguments.to_the_end() == [Finish("content_filter")]
    passed = Stream((Oracle(good), {}))
    await passed.feed(event, Finish())
    assert await passed.to_the_end() == [event, Finish()]


async def test_what_an_upstream_says_of_its_failure_is_asked_about() -> None:
    async def told(says: Any, **fields: Any) -> str:
        oracle = Oracle(says)
        stream = Stream((oracle, {"scan": ["output"], **fields}))
        error = UpstreamError("it said a bad thing")
        await stream.feed(TextDelta("a"), UpstreamFailed(error))
        seen = await stream.to_the_end()
        assert isinstance(seen[-1], UpstreamFailed)
        assert ("it said a bad thing",) in [asked.texts for asked in oracle.asked]
        other = UpstreamError("it said a bad thing")
        await stream.watch.on_error(stream.exchange, other)
        assert other.message == error.message
        return error.message

    assert await told(without("bad")) == WITHHELD
    assert await told(masking("bad"), action="mask") == "it said a # thing"
    assert await told(good) == "it said a bad thing"
