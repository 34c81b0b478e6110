"""The Responses API, as OpenAI's own models speak it: requests and answers."""

from __future__ import annotations

from typing import Any

from tests.support import responses_streams as wire
from tests.support.fakes.mind import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, Asked, Turn, picture, seen_url
from tests.support.fakes.server import Fake, streamed, whole
from tests.support.strict_responses import check


def asked_of(body: dict[str, Any]) -> Asked:
    """Returns what a request of the Responses API says."""
    choice = body.get("tool_choice", "auto")
    asked = Asked(
        told=body.get("instructions", ""),
        tools=[tool["name"] for tool in body.get("tools", ()) if tool["type"] == "function"],
        forced=choice["name"] if isinstance(choice, dict) else "*" if choice == "required" else "",
        parallel=body.get("parallel_tool_calls", True),
        wants_json=body.get("text", {}).get("format", {}).get("type", "text") != "text",
        thinks=body.get("reasoning", {}).get("effort", "none") != "none",
        limit=body.get("max_output_tokens"),
        temperature=body.get("temperature"),
        stream=body.get("stream", False),
    )
    if isinstance(body["input"], str):
        asked.said = body["input"]
    else:
        for item in body["input"]:
            _read(item, asked)
    return asked


def _read(item: dict[str, Any], asked: Asked) -> None:
    kind, content = item.get("type", "message"), item.get("content")
    if kind == "function_call_output":
        output = item["output"]
        asked.results += [output] if isinstance(output, str) else [part["text"] for part in output]
    elif kind == "reasoning" and item.get("encrypted_content"):
        asked.thoughts.append(item["encrypted_content"])
    elif kind == "message":
        parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
        texts = "\n".join(part["text"] for part in parts if "text" in part)
        if item["role"] in ("system", "developer"):
            asked.told = "\n".join(filter(None, (asked.told, texts)))
        elif item["role"] == "user":
            asked.said, asked.results = texts, []
            asked.seen += [_seen(part) for part in parts if part["type"] != "input_text"]


def _seen(part: dict[str, Any]) -> str:
    if part["type"] == "input_image":
        return seen_url(part["image_url"])
    data = part.get("file_data")
    if data is None:
        return str(part["file_url"])
    return seen_url(data) if data.startswith("data:") else picture("application/pdf", data)


def _items(turn: Turn, *, encrypted: bool, summary: bool) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if turn.thinking:
        shown = [{"type": "summary_text", "text": turn.thinking}] if summary else []
        thought: dict[str, Any] = {"id": "rs_0", "type": "reasoning", "summary": shown}
        items.append({**thought, "encrypted_content": turn.state} if encrypted else thought)
    if turn.text:
        status = "incomplete" if turn.limited else "completed"
        items.append(wire.message_item(turn.text, id=f"msg_{len(items)}", status=status))
    return items + [wire.call_item(call.name, call.json, len(items) + at) for at, call in enumerate(turn.calls)]


def _usage(turn: Turn) -> dict[str, Any]:
    return {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS, "cache_write_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": turn.reasoning_tokens},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }


def _ending(turn: Turn) -> dict[str, Any]:
    limited = {"reason": "max_output_tokens"} if turn.limited else None
    settings = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {}}
    return {"usage": _usage(turn), "incomplete_details": limited, **settings}


def _status(turn: Turn) -> str:
    return "incomplete" if turn.limited else "completed"


def _thought(up: wire.Upstream, item: dict[str, Any]) -> bytes:
    """Returns the events of a reasoning item, its summary in two pieces."""
    begun = {**item, "summary": []}
    pieces = [up.event("output_item.added", output_index=0, item=begun)]
    place = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
    for part in item["summary"]:
        half = len(part["text"]) // 2
        pieces.append(up.event("reasoning_summary_part.added", **place, part={**part, "text": ""}))
        for piece in (part["text"][:half], part["text"][half:]):
            pieces.append(up.event("reasoning_summary_text.delta", **place, delta=piece))
        pieces.append(up.event("reasoning_summary_text.done", **place, text=part["text"]))
        pieces.append(up.event("reasoning_summary_part.done", **place, part=part))
    return b"".join([*pieces, up.event("output_item.done", output_index=0, item=item)])


def _message(up: wire.Upstream, turn: Turn, index: int) -> bytes:
    said = up.message(*turn.halves, index=index)
    whole, cut = b'"status":"completed"', b'"status":"incomplete"'
    return said.replace(whole, cut) if turn.limited else said


def events_of(turn: Turn, items: list[dict[str, Any]]) -> list[bytes]:
    """Returns the events of a streamed answer, in pieces as they come."""
    up = wire.Upstream()
    pieces = [up.begin()]
    if turn.broken:
        place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
        item = {"id": "msg_0", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        pieces.append(up.event("output_item.added", output_index=0, item=item))
        pieces.append(up.event("content_part.added", **place, part=wire.TEXT))
        pieces.append(up.event("output_text.delta", **place, delta=turn.halves[0], logprobs=[]))
        error = {"code": "server_error", "message": "The server had an error."}
        return [*pieces, up.end(status="failed", error=error, usage=None)] if turn.broken == "break" else pieces
    for index, item in enumerate(items):
        if item["type"] == "reasoning":
            pieces.append(_thought(up, item))
        elif item["type"] == "message":
            pieces.append(_message(up, turn, index))
        else:
            pieces.append(up.call(item["name"], item["arguments"][:3], item["arguments"][3:], index=index))
    return [*pieces, up.end(*items, status=_status(turn), **_ending(turn))]


def answered(fake: Fake, body: dict[str, Any]) -> bytes:
    """Returns the answer to a body, streamed where it says so; raises what checks raise."""
    asked = asked_of(check(body))
    turn = fake.turn(asked)
    encrypted = "reasoning.encrypted_content" in body.get("include", ())
    items = _items(turn, encrypted=encrypted, summary="summary" in body.get("reasoning", {}))
    if asked.stream:
        return streamed(turn, events_of(turn, items))
    return whole(wire.response_object(_status(turn), output=items, **_ending(turn)))
