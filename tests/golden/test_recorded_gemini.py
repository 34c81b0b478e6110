"""Every recorded stream of Gemini and Vertex AI through the machines: judged, and compared with the facts."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import pytest

from proxy.api.chat.encoder import ChatEncoder
from proxy.api.responses.encoder_options import EncoderOptions
from tests.golden.test_recorded import sha
from tests.support.fixtures import SHARED, needs_shared, recording, recordings
from tests.support.gemini import GeminiTranslation, decoder, sealed_output, translate, translate_whole
from tests.support.grammar import Checked, Profile, check_response
from tests.support.grammar import check_stream as check
from tests.support.machines import Setup
from tests.support.sdk_types import check_event, check_object

ROWS = {row["path"]: row for row in recordings("gemini-generate-content-stream")}
EXAMPLES = sorted((SHARED / "examples-upstream").glob("gemini-*.sse")) if SHARED else []

ENDS = {
    "gemini/stream-prompt-blocked.sse": "content_filter",
    "gemini/stream-recitation-no-content.sse": "content_filter",
    "vertex/stream-finish-safety.sse": "content_filter",
}
"""Streams that end because a filter wanted it."""
FAILED = {"vertex/stream-error-mid-stream.sse": ("server_error", "The operation was cancelled.")}
"""Streams that break off, and what with."""
PARTIAL = {
    "gemini/stream-partial-args-no-terminal.sse": {
        "operations": [
            {"action": "add", "description": "Fresh red apple", "itemid": "apple_001", "price": 0.5},
            {"action": "add", "description": "Ripe yellow banana", "itemid": "banana_001", "price": 0.3},
        ]
    },
    "vertex/stream-partial-args-nested.sse": None,
}
"""Streams of arguments in pieces, of which the facts give the pieces."""


def profile(raw: bytes) -> Profile:
    """Returns what is demanded: all, but for the fields of items that tell of Google's own tools."""
    hosted = b"code_interpreter_call" in raw
    return Profile(hosted=hosted, exact_fields=not hosted)


def check_stream(raw: bytes) -> Checked:
    """Judges a stream."""
    return check(raw, profile=profile(raw))


@cache
def translated(path: str) -> Checked:
    """Returns what the judge read from the translation of a recording."""
    return check_stream(translate(recording(path)))


@needs_shared
def test_there_are_fourteen_streams() -> None:
    assert len(ROWS) == 14
    assert set(ENDS) | set(FAILED) | set(PARTIAL) <= set(ROWS)


@pytest.mark.parametrize("path", ROWS)
def test_the_stream_says_what_the_upstream_said(path: str) -> None:
    facts, said = ROWS[path]["facts"], translated(path)
    assert (len(said.text), sha(said.text)) == (facts["text"]["chars"], facts["text"]["sha256"])
    thoughts = facts.get("thoughts", {"chars": 0, "sha256": sha("")})
    assert (len(said.reasoning), sha(said.reasoning)) == (thoughts["chars"], thoughts["sha256"])
    if path in PARTIAL:
        return
    calls = [(item["name"], json.loads(item["arguments"])) for item in said.output if item["type"] == "function_call"]
    assert calls == [(call["name"], call["args"]) for call in facts.get("function_calls", [])]
    ids = [item["call_id"] for item in said.output if item["type"] == "function_call"]
    for id, call in zip(ids, facts.get("function_calls", []), strict=True):
        assert id == call.get("id", id)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", [path for path in PARTIAL if path in ROWS])
def test_arguments_in_pieces_are_put_together(path: str) -> None:
    (call,) = [item for item in translated(path).output if item["type"] == "function_call"]
    arguments = json.loads(call["arguments"])
    if PARTIAL[path] is not None:
        assert arguments == PARTIAL[path]
    else:
        recipe = arguments["recipe"]
        assert len(recipe["steps"]) == 10
        assert recipe["steps"][9] == "Let stand for 15 minutes before serving."
        assert recipe["ingredients"][0] == {"amount": "16 oz", "name": "Lasagna noodles"}


@pytest.mark.parametrize("path", ROWS)
def test_the_end_is_told_truly(path: str) -> None:
    final, usage = translated(path).response, ROWS[path]["facts"]["last_usage"]
    if path in FAILED:
        assert (final["error"]["code"], final["error"]["message"]) == FAILED[path]
    elif path in ENDS:
        assert final["incomplete_details"] == {"reason": ENDS[path]}
    else:
        assert final["status"] == "completed"
    if usage is None:
        assert final["usage"] is None
        return
    thoughts = usage.get("thoughtsTokenCount", 0)
    assert final["usage"] == {
        "input_tokens": usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0),
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage["candidatesTokenCount"] + thoughts,
        "output_tokens_details": {"reasoning_tokens": thoughts},
        "total_tokens": usage["totalTokenCount"],
    }


@pytest.mark.parametrize("path", ROWS)
def test_sdk_types_take_every_event_and_the_response(path: str) -> None:
    said = translated(path)
    for event in said.events:
        check_event(event)
    check_object(check_response(said.response, profile(json.dumps(said.response).encode())))


@pytest.mark.parametrize("path", ROWS)
def test_where_the_network_cuts_makes_no_difference(path: str) -> None:
    raw, whole = recording(path), translate(recording(path))
    places = range(1, len(raw))
    assert translate(raw, places) == whole
    for cut in places if len(raw) < 1500 else random.Random(path).sample(places, 40):
        assert translate(raw, (cut,)) == whole, f"cut behind {raw[max(0, cut - 60) : cut]!r}"


@pytest.mark.parametrize("path", ROWS)
def test_a_stream_that_just_stops_is_told_to_the_end(path: str) -> None:
    raw = recording(path)
    for cut in random.Random(path).sample(range(len(raw)), 12):
        said = check_stream(translate(raw[:cut]))
        assert said.response["status"] in ("failed", "completed", "incomplete")
        if b"finishReason" not in raw[:cut] and b"blockReason" not in raw[:cut]:
            assert said.response["error"]["message"] == "The upstream closed the stream before it was complete."


@pytest.mark.parametrize("path", [path for path in ROWS if path not in FAILED and path not in ENDS])
def test_one_array_says_the_same_as_the_events(path: str) -> None:
    lines = [line[6:] for line in recording(path).splitlines() if line.startswith(b"data: ")]
    assert translate_whole(b"[" + b"\r\n,\r\n".join(lines) + b"]") == translated(path).response
    assert check_stream(translate(b"[" + b",\n".join(lines) + b"]\n")).response == translated(path).response


@pytest.mark.parametrize("path", ROWS)
def test_chat_clients_get_the_same(path: str) -> None:
    machine, encoder = GeminiTranslation(Setup()), ChatEncoder(id="chatcmpl-1", model="m", created=1)
    said = translated(path)
    events = machine.decoder.feed(machine.parser.feed(recording(path)))
    events += machine.decoder.feed(machine.parser.finish()) + machine.decoder.finish()
    encoder.begin()
    encoder.encode(events)
    answer: dict[str, Any] = json.loads(encoder.final())
    if path in FAILED:
        assert answer["error"]["message"] == FAILED[path][1]
        return
    choice = answer["choices"][0]
    assert (choice["message"]["content"] or "") == said.text
    assert choice["message"].get("reasoning_content", "") == said.reasoning
    calls = [one["function"] for one in choice["message"].get("tool_calls", ())]
    assert [(one["name"], one["arguments"]) for one in calls] == said.calls
    wanted = "content_filter" if path in ENDS else "tool_calls" if calls else "stop"
    assert choice["finish_reason"] == wanted


@pytest.mark.parametrize("path", [path for path in ROWS if "p:thoughtSignature" in ROWS[path]["features"]])
@pytest.mark.parametrize("shown", ["content", "drop"])
def test_signatures_are_sealed_and_change_nothing_else(path: str, shown: str) -> None:
    kept = [item for item in sealed_output(recording(path)) if item["type"] == "reasoning"]
    assert any(item.get("encrypted_content") for item in kept)
    options = EncoderOptions(reasoning=shown)
    said = check_stream(translate(recording(path), setup=Setup(options=options, seal=lambda state, text: "sealed")))
    assert (said.text, said.calls) == (translated(path).text, translated(path).calls)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_the_official_sdk_took_is_taken(path: Any) -> None:
    said = check_stream(translate(path.read_bytes()))
    for event in said.events:
        check_event(event)
    expected: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
        "gemini-blocked-prompt": ("incomplete", "", []),
        "gemini-error-midstream": ("failed", "Partial ", []),
        "gemini-safety-stop": ("incomplete", "Partial ", []),
        "gemini-text-thought": ("completed", "Four plus four is eight — «huit» 🎱.", []),
        "gemini-tools": ("completed", "", [("get_weather", '{"city":"Oslo","days":2}'), ("list_alerts", "{}")]),
        "gemini-vertex-partial-args": (
            "completed", "", [("get_weather", '{"city":"Oslo","days":2,"opts":{"tags":["a"]}}')]
        ),
    }  # fmt: skip
    assert (said.response["status"], said.text, said.calls) == expected[path.stem]


@pytest.mark.parametrize("path", [path for path in ROWS if "grounding" in path])
def test_what_a_search_has_found_is_cited_where_it_belongs(path: str) -> None:
    part = translated(path).output[-1]["content"][0]
    cited = {part["text"][one["start_index"] : one["end_index"]]: one["title"] for one in part["annotations"]}
    assert cited["Some sources suggest the high could reach up to 85°F."] == "wunderground.com"
    assert len(part["annotations"]) == 9


@pytest.mark.parametrize("path", [path for path in ROWS if "code-execution" in path])
def test_code_that_was_run_is_an_item(path: str) -> None:
    item = translated(path).output[0]
    assert item["type"] == "code_interpreter_call"
    assert item["code"].endswith("print(result)")
    assert item["outputs"] == [{"type": "logs", "logs": "-428330955.97745\n"}]


def test_a_decoder_that_has_ended_takes_no_more() -> None:
    machine = decoder()
    machine.feed([(b"", b'{"error":{"code":503,"message":"busy"}}')])
    assert machine.done
    assert machine.feed([(b"", b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}')]) == []
    assert machine.finish() == []
