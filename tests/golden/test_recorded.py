"""Every recorded chat stream through the three machines: judged, read by the `openai` SDK, compared with the facts.

The facts of INDEX.json are a plain concatenation of what each stream says. Where the wire reference demands another
result, the difference stands in `DEMANDED`, by file and with the reason.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import openai
import pytest

from proxy.api.responses.encoder_options import EncoderOptions
from tests.support.fixtures import needs_shared, recording, recordings
from tests.support.grammar import Checked, check_response, check_stream
from tests.support.machines import Setup, final_of, translate, translate_whole
from tests.support.replay import collect, replay, without_parsed
from tests.support.sdk_types import check_event, check_object

STREAMS = {row["path"]: row["facts"] for row in recordings("openai-chat-completions-stream")}
BODIES = [row["path"] for row in recordings("openai-chat-completions-json")]

FAILED = {
    "groq/chat-error-event-tool-use-failed.sse": ("tool_use_failed", "Tool call validation failed"),
    "groq/chat-error-event-after-text.sse": ("tool_use_failed", "Tool choice is required"),
    "gpustack/chat-qwen3-error-field-line.sse": ("server_error", "failed to decode, try again"),
}
"""Streams that break off: the code of the failure, and how its message begins."""

ONLY_X_GROQ = "the facts read top-level usage only; here it stands in x_groq of the last chunk"

DEMANDED: dict[str, tuple[str, dict[str, Any]]] = {
    "xai/chat-reasoning-tool-call.sse": (
        "xAI counts reasoning outside completion_tokens: output is total - prompt",
        {"output_tokens": 253},
    ),
    "groq/chat-llama3-x-groq-usage.sse": (
        ONLY_X_GROQ,
        {"input_tokens": 12, "output_tokens": 26, "total_tokens": 38},
    ),
    "groq/chat-r1-think-tags.sse": (
        ONLY_X_GROQ,
        {"input_tokens": 21, "output_tokens": 988, "total_tokens": 1009},
    ),
    "groq/chat-compound-executed-tools.sse": (
        ONLY_X_GROQ,
        {"input_tokens": 512, "output_tokens": 154, "total_tokens": 666},
    ),
}
"""What differs from the facts, file by file: the reason and the fields of the result."""

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@cache
def translated(path: str) -> Checked:
    """Returns what the judge read from the translation of a recording."""
    return check_stream(translate(recording(path)))


def sha(text: str) -> str:
    """Returns the digest that INDEX.json uses for texts."""
    return hashlib.sha256(text.encode()).hexdigest()


def expected_usage(usage: dict[str, Any] | None, changes: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the Responses usage for chat usage, by section 3.3 of the wire reference."""
    if usage is None and not changes:
        return None
    usage = usage or {}
    read = usage.get("prompt_tokens_details") or {}
    made = usage.get("completion_tokens_details") or {}
    cached = read.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens") or 0
    flat = {
        "input_tokens": usage.get("prompt_tokens", 0),
        "output_tokens": usage.get("completion_tokens", 0),
        "total_tokens": usage.get("total_tokens", 0),
    } | changes
    return {
        **flat,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": read.get("cache_write_tokens") or 0},
        "output_tokens_details": {
            "reasoning_tokens": made.get("reasoning_tokens") or usage.get("reasoning_tokens") or 0
        },
    }


@needs_shared
def test_there_are_sixty_one_streams() -> None:
    assert len(STREAMS) == 61
    assert set(FAILED) | set(DEMANDED) <= set(STREAMS)


@pytest.mark.parametrize("path", STREAMS)
def test_the_stream_says_what_the_upstream_said(path: str) -> None:
    facts = STREAMS[path]
    choice = next(choice for choice in facts["choices"] if choice["index"] == 0)
    said = translated(path)
    assert (len(said.text), sha(said.text)) == (choice["text"]["chars"], choice["text"]["sha256"])
    reasoning = choice.get("reasoning", {"chars": 0, "sha256": sha("")})
    assert (len(said.reasoning), sha(said.reasoning)) == (reasoning["chars"], reasoning["sha256"])
    calls = [
        {"id": item["call_id"], "name": item["name"], "arguments": item["arguments"]}
        for item in said.output
        if item["type"] == "function_call"
    ]
    assert calls == choice.get("tool_calls", [])
    assert said.calls == [(entry["name"], entry["arguments"]) for entry in calls]


@pytest.mark.parametrize("path", STREAMS)
def test_the_end_is_told_truly(path: str) -> None:
    facts = STREAMS[path]
    finish = next(choice["finish_reasons"] for choice in facts["choices"] if choice["index"] == 0)
    final = translated(path).response
    if path in FAILED:
        code, message = FAILED[path]
        assert final["status"] == "failed"
        assert final["error"]["code"] == code
        assert final["error"]["message"].startswith(message)
    elif finish and finish[0] in INCOMPLETE:
        assert final["incomplete_details"] == {"reason": INCOMPLETE[finish[0]]}
    else:
        assert final["status"] == "completed"
    assert final["usage"] == expected_usage(facts["last_usage"], DEMANDED.get(path, ("", {}))[1])


@pytest.mark.parametrize("path", STREAMS)
def test_sdk_types_take_every_event(path: str) -> None:
    for event in translated(path).events:
        check_event(event)


@pytest.mark.parametrize("path", STREAMS)
def test_the_kept_response_is_the_one_that_was_sent(path: str) -> None:
    said = translated(path).response
    assert final_of(recording(path)) == said
    check_object(check_response(said))


@pytest.mark.parametrize("path", [path for path in STREAMS if STREAMS[path]["choices"][0].get("reasoning")])
def test_reasoning_as_summary_says_the_same(path: str) -> None:
    setup = Setup(options=EncoderOptions(reasoning="summary"))
    said, raw = check_stream(translate(recording(path), setup=setup)), translated(path)
    assert (said.text, said.reasoning, said.calls) == (raw.text, raw.reasoning, raw.calls)
    assert not said.of("reasoning_text.delta")


@pytest.mark.parametrize("path", ["openai/chat-logprobs-top5.sse"] if STREAMS else [])
def test_logprobs_reach_the_part_when_asked_for(path: str) -> None:
    said = check_stream(translate(recording(path), setup=Setup(options=EncoderOptions(logprobs=True))))
    entries = said.output[0]["content"][0]["logprobs"]
    assert "".join(entry["token"] for entry in entries) == said.text
    assert {len(entry["top_logprobs"]) for entry in entries} == {5}


@pytest.mark.parametrize("path", STREAMS)
async def test_the_sdk_accumulates_the_same_response(path: str) -> None:
    said = translated(path)
    seen: list[str] = []
    async with replay(translate(recording(path)), list(STREAMS).index(path)) as stream:
        if path in FAILED:
            with pytest.raises(openai.APIError, match=FAILED[path][1]):
                await collect(stream, seen)
            assert seen == [event["type"] for event in said.events[:-2]]
            return
        event = await collect(stream, seen)
        assert seen == [event["type"] for event in said.events]
        if said.response["status"] == "incomplete":
            assert event.response.incomplete_details.reason == said.response["incomplete_details"]["reason"]
            return
        final = await stream.get_final_response()
    assert without_parsed(final.to_dict(mode="json")) == said.response
    assert final.output_text == said.text


def completion(path: str) -> bytes:
    """Returns the non-streamed body that says what a recorded stream said."""
    said, facts = translated(path), STREAMS[path]
    finish = next(choice["finish_reasons"] for choice in facts["choices"] if choice["index"] == 0)
    calls = [
        {"id": item["call_id"], "function": {"name": item["name"], "arguments": item["arguments"]}}
        for item in said.output
        if item["type"] == "function_call"
    ]
    message = {"content": said.text or None, "reasoning_content": said.reasoning, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": finish[0] if finish else "stop"}
    usage = said.response["usage"] and {
        "prompt_tokens": said.response["usage"]["input_tokens"],
        "completion_tokens": said.response["usage"]["output_tokens"],
        "total_tokens": said.response["usage"]["total_tokens"],
        "prompt_tokens_details": said.response["usage"]["input_tokens_details"],
        "completion_tokens_details": said.response["usage"]["output_tokens_details"],
    }
    tier = said.response["service_tier"]
    return json.dumps({"choices": [choice], "usage": usage, "service_tier": tier}).encode()


CITED = {"perplexity/chat-sonar-search-results.sse", "openrouter/chat-url-citation-annotations.sse"}


@pytest.mark.parametrize("path", [path for path in STREAMS if path not in FAILED and path not in CITED])
def test_a_plain_answer_gives_what_the_stream_ends_with(path: str) -> None:
    assert translate_whole(completion(path)) == translated(path).response


@pytest.mark.parametrize("path", sorted(CITED) if STREAMS else [])
def test_citations_reach_the_part(path: str) -> None:
    part = translated(path).output[-1]["content"][-1]
    assert part["annotations"]
    assert all(entry["url"].startswith("http") for entry in part["annotations"])
    assert len(translated(path).of("output_text.annotation.added")) == len(part["annotations"])


@pytest.mark.parametrize("path", BODIES)
def test_whole_bodies_become_responses(path: str) -> None:
    raw = recording(path)
    final = check_response(translate_whole(raw))
    check_object(final)
    body = json.loads(raw)
    choice = body["choices"][0]
    message = choice.get("message") or {}
    texts = [part for item in final["output"] if item["type"] == "message" for part in item["content"]]
    assert "".join(part.get("text", "") for part in texts) == (message.get("content") or "")
    assert "".join(part.get("refusal", "") for part in texts) == (message.get("refusal") or "")
    calls = [item for item in final["output"] if item["type"] == "function_call"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in calls] == [
        (entry["id"], entry["function"]["name"], entry["function"]["arguments"])
        for entry in message.get("tool_calls") or []
    ]
    reason = INCOMPLETE.get(choice["finish_reason"])
    assert final["incomplete_details"] == (reason and {"reason": reason})
    assert final["usage"] == expected_usage(body.get("usage"), {})
