"""Every recorded Responses stream through the machines: passed on, translated, and told to chat clients.

Judged by the grammar, read by the `openai` SDK's types, compared with the facts of INDEX.json and with the bytes that
the upstream sent. Where the result must be another than the recording, it stands in a table with the reason.
"""

from __future__ import annotations

import hashlib
import json
import random
from functools import cache
from typing import Any

import pytest

from proxy.events import OutputItem
from proxy.providers.responses.decoder import ResponsesDecoder
from proxy.providers.responses.relay import ResponsesRelay
from tests.support.chat_streams import accumulate
from tests.support.encoding import encoder
from tests.support.fixtures import needs_shared, recording, recordings
from tests.support.grammar import Checked, check_stream
from tests.support.responses_streams import LOOSE, as_chat, events_of, payloads, relayed, translated, whole
from tests.support.sdk_types import EVENTS, check_event

STREAMS = {row["path"]: row["facts"] for row in recordings("openai-responses-stream")}
BODIES = [row["path"] for row in recordings("openai-responses-json")]

FAILED = {"openai/responses-failed-quota.sse"}
SHORTENED = {"openai/responses-shell-container.sse"}
"""The source shortened the deltas but not the text: what was told first stays."""
ODD = {"openai/responses-program.sse"}
"""A call is done with the status `in_progress`, and one with a field of its own is told whole."""
UNKNOWN = {"openai/responses-web-search-reasoning.sse"}
"""A source that the SDK's types do not know."""
NAMESPACE = {"openai/responses-tool-search.sse"}
"""A tool in a namespace, which only the request's tools could take apart again."""
FREEFORM = {"openai/responses-custom-tool.sse"}
"""The SDK's type of a chunk knows no freeform call."""
REPAIRED = {
    "bedrock-openai/responses-gptoss-no-event-lines.sse": "other names, and a part that begins at 1",
    "lmstudio/responses-reasoning-message-function-call.sse": "arguments without a delta",
    "openai/responses-background-resume.sse": "a stream from its middle on: other numbers",
    "openai/responses-background-queued.sse": "one event of waiting, which was not ours: other numbers",
    "openai/responses-function-call-no-sequence.sse": "no numbers",
    "openai/responses-shell-container.sse": "see above",
    "openrouter/responses-gptoss-reasoning-text.sse": "two items open at once",
}
"""Streams of which some events cannot stay as they are; all others are passed on byte for byte."""
LIFE = ("response.created", "response.queued", "response.in_progress", "response.completed", "response.incomplete")


def seal(state: dict[str, Any], text: str) -> str | None:
    details = state.get("details") or [{}]
    sealed: str | None = details[0].get("data")
    return sealed


@cache
def passed(path: str) -> bytes:
    return relayed(recording(path))


@cache
def judged(path: str) -> Checked:
    return check_stream(passed(path), profile=LOOSE)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def told(item: dict[str, Any], fact: dict[str, Any]) -> dict[str, Any]:
    """Returns of an item what a fact says of it."""
    text = "".join(part.get("text", "") for part in item.get("content") or ())
    known = {**item, "text": {"chars": len(text), "sha256": sha(text)}}
    return {name: known.get(name) for name in fact}


@needs_shared
def test_there_are_thirty_six_streams() -> None:
    assert len(STREAMS) == 36
    assert FAILED | SHORTENED | ODD | set(REPAIRED) <= set(STREAMS)


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in ODD | FAILED])
def test_a_relayed_stream_keeps_to_the_grammar(path: str) -> None:
    assert (
        judged(path).response["id"] != json.loads(recording(path).split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
    )


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in SHORTENED | FAILED])
def test_a_relayed_stream_says_what_the_upstream_said(path: str) -> None:
    facts = STREAMS[path]
    final = payloads(passed(path))[-2]["response"]
    assert final["status"] == facts["status"]
    assert len(final["output"]) == len(facts["output"])
    assert [told(item, fact) for item, fact in zip(final["output"], facts["output"], strict=True)] == facts["output"]
    usage = facts["last_usage"]
    assert usage is None or {name: final["usage"][name] for name in ("input_tokens", "output_tokens")} == {
        name: usage[name] for name in ("input_tokens", "output_tokens")
    }


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in REPAIRED.keys() | FAILED])
def test_what_needs_no_repair_is_passed_on_byte_for_byte(path: str) -> None:
    raw = recording(path)
    theirs = [line for line in raw.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data: ")]
    ours = [line for line in passed(path).split(b"\n") if line.startswith(b"data: ")]
    theirs = [line for line in theirs if line != b"data: [DONE]"]
    assert ours.pop() == b"data: [DONE]"
    assert len(ours) == len(theirs)
    for mine, its in zip(ours, theirs, strict=True):
        if json.loads(its[6:])["type"] not in LIFE:
            assert mine == its


@pytest.mark.parametrize("path", REPAIRED if STREAMS else [])
def test_what_is_repaired_needed_it(path: str) -> None:
    theirs = set(recording(path).split(b"\n"))
    ours = [line for line in passed(path).split(b"\n") if line.startswith(b"data: {")]
    assert [line for line in ours if line not in theirs and json.loads(line[6:])["type"] not in LIFE]


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in ODD | FAILED | UNKNOWN])
def test_sdk_types_take_what_is_translated(path: str) -> None:
    for event in payloads(translated(recording(path), seal=seal))[:-1]:
        if event["type"] in EVENTS:
            check_event(event)


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in ODD | FAILED])
def test_a_translated_stream_says_the_same(path: str) -> None:
    said = check_stream(translated(recording(path), seal=seal), profile=LOOSE)
    plain = judged(path)
    assert (said.text, said.refusal) == (plain.text, plain.refusal)
    assert said.calls == plain.calls or path in NAMESPACE
    assert said.reasoning == plain.reasoning
    assert said.response["usage"] == plain.response["usage"]
    empty = [item for item in plain.output if item["type"] == "reasoning" and not told_thinking(item)]
    kinds = [item["type"] for item in plain.output if item not in empty]
    assert [item["type"] for item in said.output] == kinds
    phases = [item.get("phase") for item in plain.output if item["type"] == "message"]
    assert [item.get("phase") for item in said.output if item["type"] == "message"] == phases


def told_thinking(item: dict[str, Any]) -> bool:
    return bool(item.get("content") or item.get("summary") or item.get("encrypted_content"))


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in FAILED | FREEFORM])
def test_a_chat_client_gets_the_same(path: str) -> None:
    final = payloads(passed(path))[-2]["response"]
    said = payloads(as_chat(recording(path)))
    assert said[-1] == "[DONE]"
    completion = accumulate(as_chat(recording(path)))
    texts = [part.get("text", "") for item in final["output"] if item["type"] == "message" for part in item["content"]]
    message = completion.choices[0].message
    assert (message.content or "") == "\n\n".join(texts)
    own = {item["call_id"] for item in final["output"] if item.get("caller")}
    calls = [
        (item["call_id"], item["name"] if not item.get("namespace") else f"{item['namespace']}__{item['name']}")
        for item in final["output"]
        if item["type"] == "function_call" and item["call_id"] not in own
    ]
    assert [(call.id, call.function.name) for call in message.tool_calls or ()] == calls
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == final["usage"]["input_tokens"]
    reason = {"incomplete": "length"}.get(final["status"], "tool_calls" if calls else "stop")
    assert completion.choices[0].finish_reason == reason


@pytest.mark.parametrize("path", [path for path in STREAMS if len(recording(path)) < 6500] if STREAMS else [])
def test_where_the_network_cuts_makes_no_difference(path: str) -> None:
    raw = recording(path)
    ways: list[Any] = [relayed, translated, as_chat] if path not in FAILED else [events_of]
    for way in ways:
        expected = way(raw)
        for cut in range(1 + len(raw) % 3, len(raw), 3 if len(raw) < 3700 else 17):
            assert joined(way(raw, [cut])) == joined(expected), cut


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in FAILED])
def test_random_reads_make_no_difference(path: str) -> None:
    raw = recording(path)
    dice = random.Random(path)
    cuts = sorted(dice.randrange(len(raw)) for _ in range(40))
    for way in (relayed, translated, as_chat):
        assert joined(way(raw, cuts)) == joined(way(raw))


def joined(out: Any) -> Any:
    """Returns a stream as it is, and events without what is made anew each time."""
    return out if isinstance(out, bytes) else [repr(one) for one in out if not hasattr(one, "error")]


@pytest.mark.parametrize("path", sorted(FAILED) if STREAMS else [])
def test_a_failure_before_any_output_can_be_retried(path: str) -> None:
    with pytest.raises(Exception, match="exceeded your current quota") as caught:
        relayed(recording(path))
    assert (caught.value.code, caught.value.status) == ("insufficient_quota", 429)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", BODIES)
def test_whole_bodies(path: str) -> None:
    body = json.loads(recording(path))
    mine = whole(recording(path), encoder(), ResponsesRelay())
    assert mine["output"] == body["output"]
    assert mine["usage"]["total_tokens"] == body["usage"]["total_tokens"]
    again = whole(recording(path), encoder(seal=seal), ResponsesDecoder())
    calls = [item["arguments"] for item in body["output"] if item["type"] == "function_call"]
    assert [item["arguments"] for item in again["output"] if item["type"] == "function_call"] == calls


@pytest.mark.parametrize("path", [path for path in STREAMS if "web-search" in path or "compaction" in path])
def test_hosted_items_are_told_whole(path: str) -> None:
    items = [event.item for event in events_of(recording(path)) if isinstance(event, OutputItem)]
    hosted = [item for item in judged(path).output if item["type"] not in ("message", "reasoning", "function_call")]
    assert items == hosted
