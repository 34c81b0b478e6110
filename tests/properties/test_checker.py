"""Is the judge of streams any good? It accepts what is known to be right, and notices every single slip."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.fixtures import SHARED, needs_shared, recording, recordings
from tests.support.good_streams import GOOD, Script
from tests.support.grammar import STRICT, GrammarViolation, Profile, check_events, check_response, check_stream, frame
from tests.support.grammar_framing import Event, read_events
from tests.support.grammar_items import CALLS
from tests.support.machines import translate
from tests.support.mutations import Mutation, mutations
from tests.support.sdk_types import check_event

EXAMPLE = Profile(id_forms=False)
"""The examples have short readable ids."""

OLDER = frozenset({
    "response.completed_at", "response.presence_penalty", "response.frequency_penalty", "response.prompt_cache_key",
    "response.safety_identifier", "response.top_logprobs", "response.background", "response.service_tier",
    "response.instructions", "response.max_tool_calls", "item.status", "item.content", "item.call_id",
    "usage.cache_write_tokens", "event.name", "part.logprobs", "event.logprobs", "text.verbosity", "logprob.bytes",
    "reasoning.summary",
})  # fmt: skip

OPENAI = Profile(
    done_marker=None, id_forms=False, exact_fields=False, null_is_absent=True, flat_error=False, exact_logprobs=False,
    sealed_changes=True, hosted=True, may_omit=OLDER,
)  # fmt: skip
"""What OpenAI itself leaves out in some recordings: older ones have fewer fields."""

UNFIT = {
    "openai/responses-background-resume.sse": "starts in the middle of a response; a test of its own",
    "openai/responses-program.sse": "an item is done while its status is in_progress",
    "openai/responses-shell-container.sse": "the source shortened the deltas but not the text",
}

EXAMPLES = sorted((SHARED / "examples").glob("*.events.sse")) if SHARED else []
CHAT = [row["path"] for row in recordings("openai-chat-completions-stream")]
GOLD = [row["path"] for row in recordings("openai-responses-stream") if row["path"].startswith("openai/")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.split(".")[0])
def test_accepts_the_validated_examples(path: Path) -> None:
    checked = check_stream(path.read_bytes(), profile=EXAMPLE)
    final = json.loads(path.with_name(path.name.replace(".events.sse", ".response.json")).read_text())
    assert checked.response == final
    assert check_response(final, EXAMPLE) == final


@pytest.mark.parametrize("path", [path for path in GOLD if path not in UNFIT])
def test_accepts_what_openai_sends(path: str) -> None:
    raw = recording(path)
    profile = dataclasses.replace(OPENAI, event_lines=b"event: " in raw, numbered="no-sequence" not in path)
    if not profile.numbered:
        profile = dataclasses.replace(profile, may_omit=profile.may_omit | {"event.sequence_number"})
    checked = check_stream(raw, profile=profile)
    messages = [item for item in checked.output if item["type"] == "message"]
    assert checked.text == "".join(part["text"] for item in messages for part in item["content"])


@needs_shared
def test_accepts_a_resumed_stream_behind_its_first_event() -> None:
    resumed = read_events(recording("openai/responses-background-resume.sse"), OPENAI)
    created = {**resumed[0], "type": "response.created", "sequence_number": 0}
    assert check_events([created, *resumed], OPENAI).types[:3] == ["created", "queued", "in_progress"]


@needs_shared
@pytest.mark.parametrize("path", ["openai/responses-program.sse", "openai/responses-shell-container.sse"])
def test_notices_the_flaws_of_recordings(path: str) -> None:
    raw = recording(path)
    with pytest.raises(GrammarViolation):
        check_stream(raw, profile=dataclasses.replace(OPENAI, event_lines=b"event: " in raw))


@pytest.mark.parametrize("name", GOOD)
def test_accepts_good_streams(name: str) -> None:
    checked = check_stream(frame(GOOD[name]))
    assert check_response(checked.response) == GOOD[name][-1]["response"]
    for event in GOOD[name]:
        check_event(event)


def legal(mutation: Mutation, events: list[Event]) -> str | None:
    """Returns why a mutated stream is still right, or None: the whole list of what may pass unnoticed."""
    kind, place = mutation.kind, mutation.place
    if kind == "drop" and events[place]["type"] == "response.in_progress" and events[-1]["type"] == "response.failed":
        return "a failure may come before response.in_progress"
    if kind != "swap":
        return None
    pair = events[place : place + 2]
    types = {event["type"].removeprefix("response.") for event in pair}
    if types == {"output_text.delta", "output_text.annotation.added"}:
        return "a citation may come anywhere behind its text"
    indexes = {event.get("output_index") for event in pair}
    if len(indexes) == 2 and all(index is not None and is_call(events, index) for index in indexes):
        return "calls may overlap"
    return None


def is_call(events: list[Event], index: int) -> bool:
    """Says whether the item with that output_index is a tool call."""
    return any(
        event["item"]["type"] in CALLS
        for event in events
        if event["type"] == "response.output_item.added" and event["output_index"] == index
    )


def unnoticed(events: list[Event], profile: Profile) -> tuple[Counter[str], list[str], int]:
    """Returns the reasons of legal mutations, the unexplained ones, and how many there were in all."""
    reasons: Counter[str] = Counter()
    missed: list[str] = []
    count = 0
    for mutation in mutations(events):
        count += 1
        try:
            check_events(mutation.events, profile)
        except GrammarViolation:
            continue
        reason = legal(mutation, events)
        if reason is None:
            missed.append(f"{mutation.kind} at {mutation.place} ({events[mutation.place]['type']})")
        else:
            reasons[reason] += 1
    return reasons, missed, count


@pytest.mark.parametrize("name", GOOD)
def test_notices_every_slip_in_good_streams(name: str) -> None:
    reasons, missed, count = unnoticed(GOOD[name], STRICT)
    assert missed == []
    assert count > 50 * len(GOOD[name])
    assert reasons.total() <= 8


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.split(".")[0])
def test_notices_every_slip_in_examples(path: Path) -> None:
    _, missed, _ = unnoticed(read_events(path.read_bytes()), EXAMPLE)
    assert missed == []


@pytest.mark.parametrize("path", [path for path in CHAT if len(recording(path)) < 2600])
def test_notices_every_slip_in_what_is_produced(path: str) -> None:
    events = read_events(translate(recording(path)))
    assert unnoticed(events, STRICT)[1] == []


def test_every_legal_mutation_occurs() -> None:
    found: set[str] = set()
    for name in ("failed before any item", "queued, cited", "overlapping calls, custom"):
        found |= set(unnoticed(GOOD[name], STRICT)[0])
    assert len(found) == 3


TEXT = frame(GOOD["text then refusal"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda raw: raw.replace(b"\n", b"\r\n"), "carriage return"),
        (lambda raw: raw[:-1], "blank line"),
        (lambda raw: raw + b"\n", "blank line"),
        (lambda raw: raw.replace(b"data: [DONE]\n\n", b""), "DONE"),
        (lambda raw: raw + b"data: [DONE]\n\n", "follows"),
        (lambda raw: raw + b": late\n\n", "follows"),
        (lambda raw: raw.replace(b"data: [DONE]", b": late\n\ndata: [DONE]"), "after the terminal"),
        (lambda raw: raw.replace(b"event: response.created\n", b""), "not one event"),
        (lambda raw: raw.replace(b"event: response.created", b"event: response.queued"), "with type"),
        (lambda raw: raw.replace(b"event: response.created", b"id: 1\nevent: response.created"), "not one event"),
        (lambda raw: raw.replace(b"event: response.created", b": ka\nevent: response.created"), "with other lines"),
        (lambda raw: raw.replace(b"event: response.created", b"retry: 1\n\nevent: response.created"), "not one event"),
        (lambda raw: raw.replace(b"\n\n", b"\n\n\n", 1), "not one event"),
        (lambda raw: raw.replace(b"data: ", b"data:", 1), "no data"),
        (lambda raw: raw.replace(b'"status"', b'"id":"twice","status"', 1), "twice"),
        (lambda raw: raw.replace(b'"temperature":1.0', b'"temperature":NaN', 1), "NaN"),
        (lambda raw: raw.replace(b'"delta":"I "', b'"delta":"\\ud83d"', 1), "strict JSON"),
        (lambda raw: raw.replace(b'"delta":"I "', b'"delta":"\xff"', 1), "UTF-8"),
        (lambda raw: b"\xef\xbb\xbf" + raw, "byte order mark"),
    ],
)  # fmt: skip
def test_notices_slips_of_framing(change: object, why: str) -> None:
    changed = change(TEXT)  # type: ignore[operator]
    assert changed != TEXT
    with pytest.raises(GrammarViolation, match=why):
        check_stream(changed)


def test_comments_stand_between_events() -> None:
    assert check_stream(TEXT.replace(b"\n\n", b"\n\n: ka\n\n", 3)).text == "I start"


def test_the_marker_may_be_forbidden_or_left_open() -> None:
    bare = TEXT.removesuffix(b"data: [DONE]\n\n")
    assert check_stream(bare, done_marker=False).types == check_stream(TEXT, done_marker=None).types
    with pytest.raises(GrammarViolation):
        check_stream(TEXT, done_marker=False)


def _script(*, overlap: bool) -> list[Event]:
    script = Script()
    first = script.call("get")
    script.argue(first, '{"a":1}')
    if not overlap:
        script.close_call(first)
    second = script.call("put")
    script.argue(second, "{}")
    if overlap:
        script.close_call(first)
    script.close_call(second)
    return script.complete()


def test_a_complete_call_is_closed_before_the_next_opens() -> None:
    assert check_events(_script(overlap=False)).calls == [("get", '{"a":1}'), ("put", "{}")]
    with pytest.raises(GrammarViolation, match="should have been closed"):
        check_events(_script(overlap=True))


def test_what_is_missing_of_a_call_may_come_when_all_calls_close() -> None:
    script = Script()
    first, second = script.call("get"), script.call("put")
    script.argue(second, '{"b":1}')
    script.argue(first, "{}")
    script.close_call(first)
    script.close_call(second)
    assert check_events(script.complete()).calls == [("get", "{}"), ("put", '{"b":1}')]


def test_calls_close_in_their_order_at_the_end() -> None:
    script = Script()
    first, second = script.call("get"), script.call("put")
    script.argue(first, '{"a')
    script.argue(second, '{"b')
    script.close_call(second, "incomplete")
    script.close_call(first, "incomplete")
    with pytest.raises(GrammarViolation, match="in the order"):
        check_events(script.cut())


def test_a_text_may_overlap_only_a_call_that_goes_on() -> None:
    script = Script()
    first = script.call("get")
    script.argue(first, '{"a"')
    index = script.add("message", "msg", role="assistant", content=[])
    script.part(index, {"type": "output_text", "annotations": [], "logprobs": []}, ["a"])
    script.done(index)
    script.argue(first, ":1}")
    script.close_call(first)
    assert check_events(script.complete()).calls == [("get", '{"a":1}')]


def test_a_text_closes_before_a_call() -> None:
    script = Script()
    script.add("message", "msg", role="assistant", content=[])
    script.call("get")
    with pytest.raises(GrammarViolation, match="still open"):
        check_events(script.complete())


def test_nothing_opens_behind_an_incomplete_item() -> None:
    script = Script()
    index = script.call("get")
    script.close_call(index, "incomplete")
    script.add("message", "msg", role="assistant", content=[])
    with pytest.raises(GrammarViolation, match="after an incomplete item"):
        check_events(script.cut())


def test_a_cut_text_is_not_said_to_be_complete() -> None:
    script = Script()
    index = script.add("message", "msg", role="assistant", content=[])
    script.part(index, {"type": "output_text", "annotations": [], "logprobs": []}, ["a"])
    script.done(index)
    with pytest.raises(GrammarViolation, match="said to be complete"):
        check_events(script.cut())
