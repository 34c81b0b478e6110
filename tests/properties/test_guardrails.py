"""Whatever the rules, and wherever an answer is cut: nothing banned reaches the client, and all is well formed."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.events import (
    Annotation,
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from proxy.guardrails.asking_watch import AskingWatch
from proxy.guardrails.check import ALLOWED, Asked, Verdict
from tests.support.drive import exchange_of
from tests.support.encoding import encode
from tests.support.fake_clock import in_no_time
from tests.support.guarding import Oracle, asking, guard, without

CITATION = {"type": "url_citation", "url": "https://x.example/", "start_index": 0, "end_index": 0}
WORDS = ("abba", "bab", "cab cab", "aac")
PLACES = ("output", "reasoning", "arguments")
PARTS = "parts"
"""Citations, items of tools and names of calls: what rules for text or for arguments look at."""


@st.composite
def _events(draw: st.DrawFn) -> list[Event]:
    """Draws an answer: text and thinking in turns, then perhaps a call with the rest of the letters as arguments."""
    letters = st.text(st.sampled_from("abc A"), min_size=1, max_size=6)
    made: list[Event] = []
    for _ in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from([TextDelta, TextDelta, TextDelta, ReasoningDelta]))
        made.append(kind(draw(letters)))
    if draw(st.booleans()):
        made.insert(draw(st.integers(0, len(made))), Annotation({**CITATION, "title": draw(letters)}))
    if draw(st.booleans()):
        action = {"type": "search", "query": draw(letters)}
        item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action}
        made.insert(draw(st.integers(0, len(made))), OutputItem(item))
    if draw(st.booleans()):
        pieces = ['{"a":"', *draw(st.lists(letters, max_size=5)), '"}']
        name = draw(st.sampled_from(["f", "f", "f", "abba_f", "x_aac"]))
        made += [ToolCallStart(0, "call_0", name), *(ToolCallDelta(0, piece) for piece in pieces)]
    return [*made, Finish()]


@st.composite
def _rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draws rules: each bans one word in some places, in one of the ways there are."""
    rules = []
    for number in range(draw(st.integers(1, 3))):
        word = draw(st.sampled_from(WORDS))
        way = draw(st.sampled_from(["words", "re2", "python", "ask", "ask for masks"]))
        fields: dict[str, Any] = {"name": f"r{number}", "word": word, "way": way}
        fields["scan"] = draw(st.lists(st.sampled_from(PLACES), min_size=1, unique=True))
        if not way.startswith("ask"):
            fields["action"] = draw(st.sampled_from(["block", "mask"]))
        rules.append(fields)
    return rules


def _written(rule: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in rule.items() if name not in ("word", "way")}
    if rule["way"] == "words":
        return {**fields, "words": [rule["word"]], "mask": "#"}
    if rule["way"].startswith("ask"):
        return {**fields, "match": "http", "url": "http://127.0.0.1:9/", "window": len(rule["word"])}
    return {**fields, "match": "regex", "pattern": rule["word"], "engine": rule["way"], "mask": "#"}


def _said(events: list[Event]) -> dict[str, str]:
    """Returns what the client sees of each place, in small letters."""
    said = dict.fromkeys((*PLACES, PARTS), "")
    for event in events:
        if isinstance(event, TextDelta):
            said["output"] += event.text
        elif isinstance(event, ReasoningDelta):
            said["reasoning"] += event.text
        elif isinstance(event, ToolCallDelta):
            said["arguments"] += event.arguments
        elif isinstance(event, ToolCallStart):
            said[PARTS] += f"\0{event.name}"
        elif isinstance(event, Annotation):
            said[PARTS] += f"\0{event.annotation['title']}"
        elif isinstance(event, OutputItem):
            said[PARTS] += f"\0{event.item['action']['query']}"
    return {where: text.lower() for where, text in said.items()}


def _knows(word: str, *, masks: bool) -> Oracle:
    """Returns one who looks at what he is asked about together with what went before, which cannot be masked."""

    def says(asked: Asked) -> Verdict:
        texts = tuple(re.sub(word, "#", text, flags=re.IGNORECASE) for text in asked.texts) if masks else asked.texts
        first, *rest = texts
        bad = any(word in text.lower() for text in (asked.context + first, *rest))
        return Verdict(bad=bad) if bad else Verdict(texts=texts)

    return Oracle(says)


async def _through(rules: list[dict[str, Any]], batches: list[list[Event]]) -> list[Event]:
    """Returns what the client sees of an answer that comes in batches; between them others have some turns."""
    stage = await guard(*(_written(rule) for rule in rules))
    for asks in stage._askings:
        await asks.close()
        rule = next(rule for rule in rules if rule["name"] == asks.rule.name)
        asks._check = _knows(rule["word"], masks=rule["way"] == "ask for masks")
    exchange = exchange_of()
    nudged = asyncio.Event()
    exchange.nudge = nudged.set
    one = await stage.on_request(exchange)
    assert one is not None
    seen: list[Event] = []

    async def pass_on(events: list[Event]) -> None:
        result = one.on_events(exchange, events)
        seen.extend(await result if isinstance(one, AskingWatch) else result)  # type: ignore[arg-type, misc]

    for batch in batches:
        await pass_on(batch)
        for _ in range(len(batch) % 4):
            await asyncio.sleep(0)
        if nudged.is_set():
            nudged.clear()
            await pass_on([])
    while not isinstance(seen[-1] if seen else None, Finish):
        async with asyncio.timeout(5):
            await nudged.wait()
        nudged.clear()
        await pass_on([])
    exchange.outcome = "completed"
    await one.on_end(exchange)
    return seen


_CITED = [Annotation({"type": "url_citation", "start_index": 0, "end_index": 0, "title": "AAc"}), Finish()]
_CUT_BY_THINKING = [TextDelta("a"), ReasoningDelta("x"), TextDelta("acb"), Finish()]


@settings(max_examples=150, deadline=None)
@example(_CUT_BY_THINKING, [{"name": "r", "word": "aac", "way": "ask", "scan": ["output"]}], [4])
@example(_CITED, [{"name": "r", "word": "aac", "way": "words", "scan": ["arguments"], "action": "mask"}], [1])
@given(_events(), _rules(), st.lists(st.integers(1, 4), min_size=1))
def test_nothing_banned_reaches_the_client_at_any_chunking(
    events: list[Event], rules: list[dict[str, Any]], sizes: list[int]
) -> None:
    batches, rest, turn = [], list(events), 0
    while rest:
        size = sizes[turn % len(sizes)]
        batches.append(rest[:size])
        rest, turn = rest[size:], turn + 1
    seen = asyncio.run(_through(rules, batches))
    said = _said(seen)
    for rule in rules:
        for where in rule["scan"]:
            assert rule["word"] not in said[where], (rule, said)
        assert rule["scan"] == ["reasoning"] or rule["word"] not in said[PARTS], (rule, said)
    assert [event for event in seen if isinstance(event, Finish)] == seen[-1:]
    shown = [event for event in seen[:-1] if not isinstance(event, OutputItem)]
    checked = encode(*shown, finish=seen[-1])  # the judge of streams has nothing to say against it
    assert checked.text.lower() == said["output"]
    if seen[-1] == Finish():
        calls = [event for event in events if isinstance(event, ToolCallStart)]
        assert len(checked.calls) == len(calls)
    else:
        assert checked.calls == []
        assert checked.response["incomplete_details"] == {"reason": "content_filter"}


def test_nothing_waits_longer_than_max_delay() -> None:
    """Three minutes of an answer, beside somebody who is now quick, now slow, and sometimes hangs."""
    rules = {"max_delay": "250ms", "on_timeout": "release", "timeout": "3s", "on_error": "allow", "window": 20}
    chance = random.Random(7)

    async def run() -> list[float]:
        clock = asyncio.get_running_loop().time

        async def ask(asked: Asked) -> Verdict:
            await asyncio.sleep(chance.choice([*[0.001] * 30, 0.02, 0.2, 0.4, 60.0]))
            return ALLOWED

        oracle = Oracle(without("nothing"))
        oracle.ask = ask  # type: ignore[method-assign]
        watch = AskingWatch(None, [asking(oracle, **rules)])
        exchange = exchange_of()
        nudged = asyncio.Event()
        exchange.nudge = nudged.set
        came: list[float] = []
        delays: list[float] = []

        def note(events: list[Event]) -> bool:
            delays.extend(clock() - came[len(delays)] for event in events if isinstance(event, TextDelta))
            return any(isinstance(event, Finish) for event in events)

        async def turns() -> None:
            while True:
                await nudged.wait()
                nudged.clear()
                if note(await watch.on_events(exchange, [])):
                    return

        turning = asyncio.create_task(turns())
        for number in range(3000):
            came.append(clock())
            note(await watch.on_events(exchange, [TextDelta(f"{number} ")]))
            await asyncio.sleep(chance.choice([0.0, 0.01, 0.05, 0.2]))
        ended = clock()
        if not note(await watch.on_events(exchange, [Finish()])):
            await turning
        turning.cancel()
        assert clock() - ended <= 0.2501
        exchange.outcome = "completed"
        await watch.on_end(exchange)
        assert any(mark["action"] == "late" for mark in exchange.marks["guardrail"])
        return delays

    delays = in_no_time(run())
    assert len(delays) == 3000
    assert max(delays) <= 0.2501
    assert sum(delay < 0.24 for delay in delays) > 300  # many were let go by a verdict
