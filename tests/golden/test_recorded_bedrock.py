"""Every recorded stream of Bedrock through framing, decoder and both encoders: judged, and compared with the facts.

The facts of INDEX.json are a plain concatenation of what each stream says; what the upstream ran itself is no call of
the client's.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import pytest

from proxy.providers.bedrock.families import family_of
from proxy.providers.bedrock.sealing import opened, sealer
from tests.support.asked import SEALING
from tests.support.converse import completion, decoder, translate, translate_whole
from tests.support.fixtures import SHARED, needs_shared, recording, recordings
from tests.support.grammar import Checked, check_response, check_stream
from tests.support.machines import Setup
from tests.support.replay import collect, replay, without_parsed
from tests.support.sdk_types import check_event, check_object

ROWS = {row["path"]: row for row in recordings("aws-converse-stream")}
STREAMS = {path: row["facts"] for path, row in ROWS.items()}
RUN_UPSTREAM = frozenset(("nova_code_interpreter",))
INCOMPLETE = {"guardrail_intervened": "content_filter", "max_tokens": "max_output_tokens"}
EXAMPLES = ("text", "thinking-tools", "guardrail", "throttled-midstream", "bad-crc")


def machine(path: str) -> Any:
    """Returns a decoder as the provider makes it for the model of a recording."""
    return decoder(summaries=family_of(ROWS[path]["model"]).summaries)


@cache
def translated(path: str) -> Checked:
    """Returns what the judge read from the translation of a recording."""
    return check_stream(translate(recording(path), machine=machine(path)))


def example(name: str) -> bytes:
    """Returns the bytes of one of the written examples."""
    assert SHARED is not None
    return (SHARED / "examples-upstream" / f"bedrock-{name}").read_bytes()


def sha(text: str) -> str:
    """Returns the digest that INDEX.json uses for texts."""
    return hashlib.sha256(text.encode()).hexdigest()


def facts_of(text: str) -> dict[str, Any]:
    """Returns what INDEX.json says of a text."""
    return {"chars": len(text), "sha256": sha(text)}


def expected_calls(facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Returns the client's calls."""
    return [
        (one["id"], one["name"], one["arguments"])
        for one in facts.get("tool_uses", ())
        if one["name"] not in RUN_UPSTREAM
    ]


def expected_usage(said: dict[str, int]) -> dict[str, Any]:
    """Returns the Responses usage for Bedrock's, by section 0.4 of the wire reference."""
    cached, written = said.get("cacheReadInputTokens", 0), said.get("cacheWriteInputTokens", 0)
    return {
        "input_tokens": said["inputTokens"] + cached + written,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": said["outputTokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said["totalTokens"],
    }


@needs_shared
def test_there_are_ten_streams() -> None:
    assert len(STREAMS) == 10


@pytest.mark.parametrize("path", STREAMS)
def test_the_stream_says_what_the_upstream_said(path: str) -> None:
    facts, said = STREAMS[path], translated(path)
    assert facts_of(said.text) == facts["text"]
    assert facts_of(said.reasoning) == facts.get("reasoning", facts_of(""))
    calls = [one for one in said.output if one["type"] == "function_call"]
    assert [(one["call_id"], one["name"], one["arguments"]) for one in calls] == expected_calls(facts)
    assert said.calls == [(name, arguments) for _, name, arguments in expected_calls(facts)]


@pytest.mark.parametrize("path", STREAMS)
def test_the_end_is_told_truly(path: str) -> None:
    facts, final = STREAMS[path], translated(path).response
    reason = INCOMPLETE.get(facts["stop_reason"])
    assert final["incomplete_details"] == (reason and {"reason": reason})
    assert final["status"] == ("incomplete" if reason else "completed")
    assert final["usage"] == expected_usage(facts["last_usage"])


@pytest.mark.parametrize("path", STREAMS)
def test_sdk_types_take_every_event(path: str) -> None:
    for event in translated(path).events:
        check_event(event)
    check_object(check_response(translated(path).response))


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize("size", [1, 13, 240, 1999])
def test_where_the_network_cuts_makes_no_difference(path: str, size: int) -> None:
    raw = recording(path)
    assert translate(raw, range(size, len(raw), size), machine=machine(path)) == translate(raw, machine=machine(path))


@pytest.mark.parametrize("path", STREAMS)
async def test_the_sdk_accumulates_the_same_response(path: str) -> None:
    said = translated(path)
    seen: list[str] = []
    async with replay(translate(recording(path), machine=machine(path)), list(STREAMS).index(path)) as stream:
        event = await collect(stream, seen)
        assert seen == [one["type"] for one in said.events]
        if said.response["status"] == "incomplete":
            assert event.response.incomplete_details.reason == said.response["incomplete_details"]["reason"]
            return
        final = await stream.get_final_response()
    assert without_parsed(final.to_dict(mode="json")) == said.response


@pytest.mark.parametrize("path", STREAMS)
def test_chat_clients_get_the_same(path: str) -> None:
    facts = STREAMS[path]
    chunks, whole = completion(recording(path), machine=machine(path))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    message = whole["choices"][0]["message"]
    text = "".join(delta.get("content") or "" for delta in deltas)
    assert facts_of(text) == facts["text"] == facts_of(message["content"] or "")
    thinking = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert facts_of(thinking) == facts.get("reasoning", facts_of(""))
    calls = [
        (one["id"], one["function"]["name"], one["function"]["arguments"]) for one in message.get("tool_calls", ())
    ]
    assert calls == expected_calls(facts)
    ends = {"end_turn": "stop", "tool_use": "tool_calls", "guardrail_intervened": "content_filter"}
    assert whole["choices"][0]["finish_reason"] == ends[facts["stop_reason"]]
    assert chunks[-1]["usage"] == whole["usage"]


def plain(path: str) -> bytes:
    """Returns the body of Converse that says what a recorded stream said."""
    said, facts = translated(path), STREAMS[path]
    content: list[dict[str, Any]] = []
    if said.reasoning:
        content.append({"reasoningContent": {"reasoningText": {"text": said.reasoning}}})
    if said.text:
        content.append({"text": said.text})
    for id, name, arguments in expected_calls(facts):
        content.append({"toolUse": {"toolUseId": id, "name": name, "input": json.loads(arguments)}})
    message = {"role": "assistant", "content": content}
    return json.dumps(
        {"output": {"message": message}, "stopReason": facts["stop_reason"], "usage": facts["last_usage"]},
        separators=(",", ":"),
    ).encode()


@pytest.mark.parametrize("path", [path for path in STREAMS if "citations" not in path])
def test_a_plain_answer_gives_what_the_stream_ends_with(path: str) -> None:
    assert translate_whole(plain(path), machine=machine(path)) == translated(path).response


@pytest.mark.parametrize("path", [path for path in STREAMS if "reasoning-" in path])
def test_thinking_can_be_given_back(path: str) -> None:
    model = ROWS[path]["model"]
    setup = Setup(seal=sealer(model, SEALING), request={"include": ["reasoning.encrypted_content"]})
    raw = translate(recording(path), setup=setup, machine=machine(path))
    thoughts = [item for item in check_stream(raw).output if item["type"] == "reasoning"]
    blocks = [block for item in thoughts for block in opened(item["encrypted_content"] or "", model, SEALING)]
    if "signature" in path:
        assert [sha(block["thinking"]) for block in blocks] == [STREAMS[path]["reasoning"]["sha256"]]
        assert all(block["signature"] for block in blocks)
    else:
        assert [block["type"] for block in blocks] == ["redacted_thinking", "redacted_thinking"]


# --- examples


@pytest.mark.parametrize("name", EXAMPLES if SHARED is not None else [])
def test_examples_keep_the_grammar(name: str) -> None:
    raw = example(f"{name}.eventstream")
    checked = check_stream(translate(raw))
    for event in checked.events:
        check_event(event)
    for size in (1, 7, 100):
        assert translate(raw, range(size, len(raw), size)) == translate(raw)


@needs_shared
def test_what_examples_say() -> None:
    checked = check_stream(translate(example("thinking-tools.eventstream")))
    assert checked.calls == [("get_weather", '{"city": "Oslo"}'), ("list_alerts", "{}")]
    assert (checked.text, checked.reasoning) == ("Checking both.", "Two cities, so two calls.")
    throttled = check_stream(translate(example("throttled-midstream.eventstream"))).response
    assert (throttled["status"], throttled["error"]["code"]) == ("failed", "rate_limit_exceeded")
    assert throttled["output"][0]["content"][0]["text"] == "Partial ans"
    broken = check_stream(translate(example("bad-crc.eventstream"))).response
    assert (broken["status"], broken["error"]["code"]) == ("failed", "server_error")
    assert "checksum" in broken["error"]["message"]
    whole = translate_whole(example("converse.json"))
    assert [item["type"] for item in whole["output"]] == ["reasoning", "message"]
    assert whole["output"][1]["content"][0]["text"] == "Eight."
