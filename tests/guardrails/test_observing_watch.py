"""Streams that somebody only observes: everything goes out at once, and ends when that turns out to be bad."""

from __future__ import annotations

import asyncio
import json

import pytest

from proxy.events import Event, Finish, TextDelta, ToolCallStart, Usage
from proxy.guardrails.observing_watch import ObservingWatch
from tests.support.drive import exchange_of
from tests.support.guarding import Oracle, asking, guard, without
from tests.support.house import house
from tests.support.machines import chunk as in_chunk
from tests.support.scripted import ScriptedProvider, body, chunk, stream
from tests.test_shortcut import Answer


async def test_who_observes_holds_nothing_and_ends_a_stream_that_has_turned_bad() -> None:
    oracle = Oracle(without("bad"), waits=True)
    watch, exchange, nudged = ObservingWatch(None, [asking(oracle, mode="observe")]), exchange_of(), asyncio.Event()
    exchange.nudge = nudged.set
    for piece in ("good ", "bad ", "more "):
        assert watch.on_events(exchange, [TextDelta(piece)]) == [TextDelta(piece)]
        await oracle.asked_so_often(1)
    oracle.go(2)
    async with asyncio.timeout(10):
        await nudged.wait()
    assert watch.wants_turn
    assert watch.on_events(exchange, [Usage()]) == [Usage(), Finish("content_filter")]
    assert watch.on_events(exchange, [TextDelta("late")]) == []
    assert [asked.texts for asked in oracle.asked] == [("good ",), ("bad more ",)]
    exchange.outcome = "incomplete"
    await watch.on_end(exchange)
    assert exchange.marks["guardrail"][-1]["action"] == "blocked"


async def test_pieces_that_go_the_short_way_are_searched_and_shown_as_well() -> None:
    stage = await guard(
        {"words": ["red fox"], "scan": ["output"], "action": "mask"},
        {"match": "http", "url": "http://127.0.0.1:9/", "scan": ["output"], "mode": "observe"},
    )
    told: dict[bool, tuple[bytes, list[str], str]] = {}
    for short in (False, True):
        oracle = Oracle(without("evil"), waits=True)
        stage._answering[0]._check = oracle
        watch = await stage.on_request(exchange_of())
        assert isinstance(watch, ObservingWatch)
        answer = Answer("responses", [watch], short=short)
        for piece in ("one ", "two ", "a r", "ed fox", " ", "three ", "evil ", "four "):
            answer.take(in_chunk({"content": piece}))
            await oracle.asked_so_often(1)
        oracle.go()
        await oracle.asked_so_often(2)
        oracle.go()
        async with asyncio.timeout(10):
            while watch._observer.blocked is None:
                await asyncio.sleep(0)
        answer.take(in_chunk({"content": "five"}))
        assert answer.taken == (8 if short else 0)
        final = json.loads(answer.side.get_encoder().final())
        asked = [text for one in oracle.asked for text in one.texts]
        told[short] = answer.client.body, asked, final["output"][0]["content"][0]["text"]
        answer.exchange.outcome = "incomplete"
        await watch.on_end(answer.exchange)
    assert told[True] == told[False]
    assert told[True][2] == "one two a [rule 0] three evil four "


async def test_flags_hold_nothing_and_are_there_for_the_log() -> None:
    oracle = Oracle(without("bad"), waits=True)
    watch, exchange = ObservingWatch(None, [asking(oracle, action="flag")]), exchange_of()
    events: list[Event] = [TextDelta("bad"), ToolCallStart(0, "c", "f"), Finish()]
    assert watch.on_events(exchange, events) == events
    oracle.go(2)
    exchange.outcome = "completed"
    await watch.on_end(exchange)
    marks = exchange.marks["guardrail"]
    assert marks == [{"rule": "rule", "action": "flagged", "where": "output", "reason": "it says bad"}]


async def test_a_stream_that_stands_still_is_ended_too_and_its_upstream_closed() -> None:
    oracle = Oracle(without("bad"))
    stage = await guard({"match": "http", "url": "http://127.0.0.1:9/", "scan": ["output"], "mode": "observe"})
    provider = ScriptedProvider("a", stream(chunk(content="bad"), asyncio.Event()))
    async with house(provider, stages=[stage]) as home:
        stage._askings[0]._check = oracle
        _, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert b"response.incomplete" in data
    assert exchange.outcome == "incomplete"
    assert provider.client.responses[0].released or provider.client.responses[0].closed.is_set()


WHOLE = b'{"choices":[{"message":{"content":"bad"},"finish_reason":"stop"}]}'


async def test_no_answer_waits_for_a_verdict_which_is_in_the_record_when_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.pipeline._SETTLED_WITHIN_S", 600)  # what other ends may keep an answer for
    hook = {"match": "http", "url": "http://127.0.0.1:9/", "scan": ["output"]}
    for more in ({"mode": "observe"}, {"action": "flag"}):
        oracle = Oracle(without("bad"), waits=True)
        stage = await guard({**hook, **more})
        async with house(ScriptedProvider("a", body(WHOLE)), stages=[stage]) as home:
            stage._askings[0]._check = oracle
            async with asyncio.timeout(30):
                status, _, data = await home.ask()
            assert (status, b"bad" in data, home.watcher.ended) == (200, True, [])
            await oracle.asked_so_often(1)
            oracle.go()
            exchange = await home.settled()
        (mark,) = exchange.marks["guardrail"]
        assert mark["action"] == ("flagged" if "action" in more else "blocked")
