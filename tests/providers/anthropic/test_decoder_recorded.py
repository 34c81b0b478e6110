"""Every recorded stream of the Messages API through the machines: judged, read by the `openai` SDK's types, and
compared with the facts of INDEX.json; then cut at every byte, or at many places where it is long."""

from __future__ import annotations

import hashlib
import json
import random
from functools import cache
from typing import Any

import pytest

from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.anthropic.sealing import sealer
from tests.support.asked import SEALING, request
from tests.support.fixtures import SHARED, needs_shared, recording, recordings
from tests.support.grammar import Checked, Profile, check_response, check_stream
from tests.support.machines import Setup
from tests.support.messages import completion, translate, translate_whole
from tests.support.messages_asked import NEW, build
from tests.support.sdk_types import check_event, check_object

STREAMS = {row["path"]: row["facts"] for row in recordings("anthropic-messages-stream")}
HOSTED = Profile(hosted=True, exact_fields=False)
OWN = sorted((SHARED / "examples-upstream").glob("anthropic-*.sse")) if SHARED else []
REASONS = {"max_tokens": "max_output_tokens", "pause_turn": "max_output_tokens", "refusal": "content_filter"}
SEALED = Setup(seal=lambda state, text: json.dumps(state["details"]) if state.get("details") else None)

ITEMS = {
    "anthropic/messages-mcp.sse": ["reasoning", "mcp_call", "message"],
    "anthropic/messages-web-search-citations.sse": ["web_search_call", "message"],
    "anthropic/messages-thinking-web-search.sse": [
        "reasoning", "web_search_call", "message", "web_search_call", "message"
    ],
    "anthropic/messages-redacted-thinking.sse": ["reasoning", "message"],
    "anthropic/messages-compaction.sse": ["message"],
    "anthropic/messages-tool-search.sse": ["message", "function_call"],
    "anthropic/messages-programmatic-tool-use.sse": ["function_call"],
}  # fmt: skip


@cache
def translated(path: str) -> Checked:
    """Returns what the judge read from the translation of a recording."""
    return check_stream(translate(recording(path), setup=SEALED), profile=HOSTED)


def sha(text: str) -> str:
    """Returns the digest that INDEX.json uses for texts."""
    return hashlib.sha256(text.encode()).hexdigest()


def of_kind(facts: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Returns the blocks of one kind that a recording has."""
    return [block for block in facts["blocks"] if block["type"] == kind]


def blocks_of(raw: bytes, kind: str, piece: str, field: str) -> list[str]:
    """Returns what the blocks of one kind say, read off the recording without the code under test."""
    found: dict[int, str] = {}
    for line in raw.splitlines():
        if line.startswith(b"data: "):
            said = json.loads(line[6:])
            if said["type"] == "content_block_start" and said["content_block"]["type"] == kind:
                found[said["index"]] = said["content_block"].get(field, "")
            elif said["type"] == "content_block_delta" and said["delta"]["type"] == piece and said["index"] in found:
                found[said["index"]] += said["delta"][field]
    return list(found.values())


def expected_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """Returns the Responses usage for Anthropic's, by section 0.4 of the reference of upstreams."""
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    total = usage["input_tokens"] + read + written
    return {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "output_tokens": usage["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": usage.get("output_tokens_details", {}).get("thinking_tokens", 0)},
        "total_tokens": total + usage["output_tokens"],
    }


@needs_shared
def test_there_are_sixteen_streams() -> None:
    assert len(STREAMS) == 16
    assert len(OWN) == 5
    assert set(ITEMS) <= set(STREAMS)


@pytest.mark.parametrize("path", STREAMS)
def test_the_stream_says_what_the_upstream_said(path: str) -> None:
    facts, said, raw = STREAMS[path], translated(path), recording(path)
    texts = blocks_of(raw, "text", "text_delta", "text")
    assert [sha(text) for text in texts] == [block["sha256"] for block in of_kind(facts, "text")]
    assert said.text == "".join(texts)
    thoughts = blocks_of(raw, "thinking", "thinking_delta", "thinking")
    assert [sha(text) for text in thoughts] == [block["sha256"] for block in of_kind(facts, "thinking")]
    assert said.reasoning == "".join(thoughts)
    calls = [
        {"type": "tool_use", "id": item["call_id"], "name": item["name"], "arguments": json.loads(item["arguments"])}
        for item in said.output
        if item["type"] == "function_call"
    ]
    assert calls == [
        {**block, "arguments": json.loads(block["arguments"])} for block in of_kind(facts, "tool_use")
    ]  # fmt: skip


@pytest.mark.parametrize("path", STREAMS)
def test_the_end_is_told_truly(path: str) -> None:
    facts, final = STREAMS[path], translated(path).response
    reason = REASONS.get(facts["stop_reason"])
    assert final["status"] == ("completed" if reason is None else "incomplete")
    assert final["incomplete_details"] == (reason and {"reason": reason})
    assert final["usage"] == expected_usage(facts["last_usage"])
    tier = facts["last_usage"].get("service_tier")
    assert final["service_tier"] == "default"
    assert tier in (None, "standard")


@pytest.mark.parametrize("path", STREAMS)
def test_sdk_types_take_every_event(path: str) -> None:
    for event in translated(path).events:
        check_event(event)
    check_object(check_response(translated(path).response, profile=HOSTED))


@pytest.mark.parametrize("path", ITEMS if STREAMS else [])
def test_items_stand_in_the_order_in_which_they_came(path: str) -> None:
    assert [item["type"] for item in translated(path).output] == ITEMS[path]


@pytest.mark.parametrize("path", STREAMS)
def test_a_chat_client_is_told_the_same(path: str) -> None:
    said = translated(path)
    chunks, whole = completion(recording(path))
    message = whole["choices"][0]["message"]
    assert (message["content"] or "") == said.text
    assert message.get("reasoning_content", "") == said.reasoning
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])]
    assert calls == said.calls
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]) == (
        said.text
    )
    assert whole["usage"]["prompt_tokens"] == said.response["usage"]["input_tokens"]


@pytest.mark.parametrize(
    "path",
    [path for path in STREAMS if of_kind(STREAMS[path], "thinking") + of_kind(STREAMS[path], "redacted_thinking")],
)
def test_what_has_to_come_back_is_kept_byte_for_byte(path: str) -> None:
    raw = recording(path)
    blocks = [
        block
        for item in translated(path).output
        if item["type"] == "reasoning"
        for block in json.loads(item["encrypted_content"])
    ]
    signatures = blocks_of(raw, "thinking", "signature_delta", "signature")
    thoughts = blocks_of(raw, "thinking", "thinking_delta", "thinking")
    redacted = blocks_of(raw, "redacted_thinking", "", "data")
    assert [block for block in blocks if block["type"] == "thinking"] == [
        {"type": "thinking", "thinking": text, "signature": signature}
        for text, signature in zip(thoughts, signatures, strict=True)
    ]
    assert [block["data"] for block in blocks if block["type"] == "redacted_thinking"] == redacted
    assert signatures or redacted
    _, whole = completion(raw)
    assert whole["choices"][0]["message"]["thinking_blocks"] == blocks


@needs_shared
def test_citations_of_a_search_cover_the_text_they_belong_to() -> None:
    said = translated("anthropic/messages-web-search-citations.sse")
    part = said.output[-1]["content"][0]
    cited = [part["text"][note["start_index"] : note["end_index"]] for note in part["annotations"]]
    assert cited == ["The latest stable Ruby version is 4.0.6", "was released in July 2026"]
    assert part["annotations"][0]["url"] == "https://www.ruby-lang.org/en/downloads/"
    assert part["annotations"][0]["title"] == "Download Ruby | Ruby"


@needs_shared
def test_citations_of_a_document_name_it() -> None:
    part = translated("anthropic/messages-document-citations.sse").output[0]["content"][0]
    assert part["annotations"] == [
        {"type": "file_citation", "file_id": "", "filename": "facts.txt", "index": len(part["text"])}
    ]


@needs_shared
def test_searches_tell_what_they_asked_and_where_it_was_found() -> None:
    path = "anthropic/messages-pause-turn.sse"
    searches = [item for item in translated(path).output if item["type"] == "web_search_call"]
    assert [item["status"] for item in searches] == ["completed"] * 10 + ["incomplete"]
    assert searches[0]["action"] == {
        "type": "search", "query": "San Francisco weather today", "queries": ["San Francisco weather today"]
    }  # fmt: skip
    shown = check_stream(translate(recording(path), sources=True), profile=HOSTED)
    sources = next(item for item in shown.output if item["type"] == "web_search_call")["action"]["sources"]
    found = next(
        json.loads(line[6:])["content_block"]["content"]
        for line in recording(path).splitlines()
        if b'"content_block":{"type":"web_search_tool_result"' in line
    )
    assert sources == [{"type": "url", "url": one["url"]} for one in found]


@needs_shared
@pytest.mark.parametrize(
    ("path", "tools", "extra"),
    [
        ("messages-web-search-citations", [{"type": "web_search"}], {}),
        ("messages-thinking-web-search", [{"type": "web_search"}], {}),
        ("messages-mcp", [], {"mcp_servers": [{"type": "url", "name": "deepwiki", "url": "https://mcp.deepwiki.com"}]}),
    ],
)
def test_what_claudes_own_tools_did_goes_back_as_it_came(path: str, tools: list[Any], extra: dict[str, Any]) -> None:
    raw = recording(f"anthropic/{path}.sse")
    said = check_stream(translate(raw, setup=Setup(seal=sealer(NEW, SEALING)), keeps=True), profile=HOSTED)
    turn = [json.loads(json.dumps(item)) for item in said.output]
    asked = request(input=[{"role": "user", "content": "go"}, *turn, {"role": "user", "content": "on"}], tools=tools)
    built = build(asked, profile=MessagesProfile(extra_body=extra))
    starts = [json.loads(line[6:]) for line in raw.splitlines() if b'"type":"content_block_start"' in line[:40]]
    came = [one["content_block"] for one in starts if one["content_block"]["type"] in SENT_BACK]
    went = [block for block in built.messages[1]["content"] if block["type"] in SENT_BACK]
    arguments = blocks_of_calls(raw)
    assert went == [{**block, "input": arguments.pop(0)} if "input" in block else block for block in came]
    assert len(went) >= 2
    assert built.ignored == []


SENT_BACK = ("server_tool_use", "mcp_tool_use", "web_search_tool_result", "mcp_tool_result")


def blocks_of_calls(raw: bytes) -> list[Any]:
    """Returns the arguments of calls of the upstream's own tools, read off the recording."""
    kinds = ("server_tool_use", "mcp_tool_use")
    found = [one for kind in kinds for one in blocks_of(raw, kind, "input_json_delta", "partial_json")]
    return [json.loads(one) for one in found]


@needs_shared
def test_a_tool_of_another_server_is_shown_with_what_it_gave_back() -> None:
    call = translated("anthropic/messages-mcp.sse").output[1]
    assert (call["name"], call["server_label"], call["status"]) == ("ask_question", "deepwiki", "completed")
    assert json.loads(call["arguments"])["repoName"] == "pydantic/pydantic-ai"
    assert call["output"].startswith("This repository")
    assert call["error"] is None


@pytest.mark.parametrize("path", STREAMS)
def test_a_body_read_to_its_end_gives_what_the_stream_ends_with(path: str) -> None:
    assert translate_whole(recording(path), SEALED) == translated(path).response


EXAMPLES: dict[str, tuple[str, str, int]] = {
    "anthropic-text": ("completed", "Four plus four is eight — «huit» 🎱.", 93),
    "anthropic-thinking-tools": ("completed", "Checking both.", 806),
    "anthropic-refusal": ("incomplete", "", 33),
    "anthropic-error-midstream": ("failed", "Partial ans", 10),
    "anthropic-truncated": ("failed", "Cut off wit", 10),
}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_examples_end_as_they_should(path: Any) -> None:
    said = check_stream(translate(path.read_bytes(), setup=SEALED))
    assert (said.response["status"], said.text, said.response["usage"]["total_tokens"]) == EXAMPLES[path.stem]
    for event in said.events:
        check_event(event)


@needs_shared
def test_a_plain_answer() -> None:
    assert SHARED is not None
    final = translate_whole((SHARED / "examples-upstream/anthropic-message.json").read_bytes(), SEALED)
    assert [item["type"] for item in final["output"]] == ["reasoning", "message"]
    assert final["output"][0]["summary"] == [{"type": "summary_text", "text": "Short."}]
    assert json.loads(final["output"][0]["encrypted_content"])[0]["signature"] == "RXhhbXBsZVNpZ25hdHVyZQ=="
    assert final["output"][1]["content"][0]["text"] == "Eight."
    assert final["usage"]["output_tokens_details"] == {"reasoning_tokens": 6}
    check_object(check_response(final))


@needs_shared
def test_calls_without_arguments_have_empty_ones() -> None:
    assert SHARED is not None
    said = check_stream(translate((SHARED / "examples-upstream/anthropic-thinking-tools.sse").read_bytes()))
    assert said.calls == [("get_weather", '{"city": "Oslo"}'), ("list_alerts", "{}")]
    assert translated("anthropic/messages-tool-no-args.sse").calls == [("updateIssueList", "{}")]


SHORT = [path for path in STREAMS if len(recording(path)) < 3000]
LONG = [path for path in STREAMS if path not in SHORT]


@pytest.mark.parametrize("path", SHORT)
def test_a_short_stream_cut_at_every_byte(path: str) -> None:
    raw = recording(path)
    expected = translate(raw)
    assert translate(raw, range(1, len(raw))) == expected
    for cut in range(1, len(raw)):
        assert translate(raw, (cut,)) == expected, f"cut behind {raw[max(0, cut - 60) : cut]!r}"


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_an_example_cut_at_every_byte(path: Any) -> None:
    raw = path.read_bytes()
    expected = translate(raw)
    for cut in range(1, len(raw)):
        assert translate(raw, (cut,)) == expected


@pytest.mark.parametrize("path", LONG)
@pytest.mark.parametrize("seed", range(2))
def test_a_long_stream_cut_at_200_places(path: str, seed: int) -> None:
    raw = recording(path)
    cuts = sorted(random.Random(f"{path} {seed}").sample(range(1, len(raw)), 200))
    assert translate(raw, cuts) == translate(raw)


@pytest.mark.parametrize("path", STREAMS)
def test_a_read_for_each_event(path: str) -> None:
    """The way in which events really come: pieces of text are then known by their frame."""
    raw = recording(path)
    cuts = [place + 2 for place in range(len(raw)) if raw[place : place + 2] == b"\n\n"]
    assert translate(raw, cuts, SEALED) == translate(raw, setup=SEALED)
