"""Claude, wherever it is served: requests and answers of the Messages API; and Anthropic's own server."""

from __future__ import annotations

from typing import Any

from tests.support import messages as wire
from tests.support.fakes.mind import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, Asked, Turn, picture
from tests.support.fakes.server import KEY, Fake, Received, Refused, Told, streamed, told_error, whole
from tests.support.strict_messages import check

_INPUT = {
    "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
    "cache_read_input_tokens": CACHED_TOKENS,
    "cache_creation_input_tokens": 0,
}


def _error(kind: str, message: str = "{}") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


ERRORS = {
    "key": Told(401, _error("authentication_error", "invalid x-api-key")),
    "rate": Told(429, _error("rate_limit_error"), "retry-after: 0.1\r\n"),
    "long": Told(400, _error("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum")),
    "mistake": Told(400, _error("invalid_request_error")),
}


def asked_of(body: dict[str, Any]) -> Asked:
    """Returns what a request of the Messages API says."""
    choice = body.get("tool_choice", {})
    asked = Asked(
        told="\n".join(block["text"] for block in body.get("system", ())),
        tools=[tool["name"] for tool in body.get("tools", ()) if "input_schema" in tool],
        forced={"any": "*", "tool": choice.get("name", "")}.get(choice.get("type", ""), ""),
        parallel=not choice.get("disable_parallel_tool_use", False),
        wants_json="format" in body.get("output_config", {}),
        thinks=body.get("thinking", {}).get("type") in ("adaptive", "enabled"),
        limit=body["max_tokens"],
        temperature=body.get("temperature"),
        stops=body.get("stop_sequences", []),
        stream=body.get("stream", False),
    )
    for message in body["messages"]:
        for block in message["content"]:
            _read(block, message["role"], asked)
    return asked


def _read(block: dict[str, Any], role: str, asked: Asked) -> None:
    kind = block["type"]
    if kind == "tool_result":
        asked.results += [one["text"] for one in block["content"] if one["type"] == "text"]
        asked.seen += [_seen(one) for one in block["content"] if one["type"] != "text"]
    elif kind in ("image", "document"):
        asked.seen.append(_seen(block))
    elif kind == "thinking":
        asked.thoughts.append(block["signature"])
    elif kind == "text" and role == "user":
        asked.said, asked.results = block["text"], []


def _seen(block: dict[str, Any]) -> str:
    source = block["source"]
    return source["url"] if source["type"] == "url" else picture(source["media_type"], source["data"])


def _output(turn: Turn) -> dict[str, Any]:
    thought = {"output_tokens_details": {"thinking_tokens": turn.reasoning_tokens}} if turn.thinking else {}
    return {"output_tokens": OUTPUT_TOKENS, **thought}


def _reason(turn: Turn) -> str:
    return "max_tokens" if turn.limited else "tool_use" if turn.calls else "end_turn"


def message_of(turn: Turn) -> bytes:
    """Returns a whole answer."""
    blocks: list[dict[str, Any]] = []
    if turn.thinking:
        blocks.append({"type": "thinking", "thinking": turn.thinking, "signature": turn.state})
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    for index, call in enumerate(turn.calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{index}", "name": call.name, "input": call.arguments})
    return wire.answer(*blocks, reason=_reason(turn), **_INPUT, **_output(turn))


def events_of(turn: Turn) -> list[bytes]:
    """Returns the events of a streamed answer, in pieces as they come."""
    pieces = [wire.start(**_INPUT, output_tokens=1)]
    index = 0
    if turn.broken:
        pieces += [wire.opened(0, type="text", text=""), wire.said(0, turn.halves[0])]
        if turn.broken == "break":
            pieces.append(wire.event("error", error={"type": "overloaded_error", "message": "Overloaded"}))
        return pieces
    if turn.thinking:
        half = len(turn.thinking) // 2
        pieces.append(wire.thinking(0, turn.thinking[:half], turn.thinking[half:], signature=turn.state))
        index += 1
    if turn.text:
        pieces.append(wire.text(index, *turn.halves))
        index += 1
    for place, call in enumerate(turn.calls):
        pieces.append(wire.tool(index + place, f"toolu_{place}", call.name, "", call.json[:3], call.json[3:]))
    return [*pieces, wire.end(_reason(turn), {**_INPUT, **_output(turn)})]


def answered(fake: Fake, body: dict[str, Any]) -> bytes:
    """Returns the answer to a body, streamed where it says so; raises what checks raise."""
    asked = asked_of(check(body))
    turn = fake.turn(asked)
    return streamed(turn, events_of(turn)) if asked.stream else whole(message_of(turn))


def check_key(request: Received) -> None:
    """Raises Refused for a request without the key, AssertionError for one without a version."""
    given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if given != KEY:
        raise Refused("key", "")
    assert request.headers.get("anthropic-version"), "anthropic-version: header is required"


class Anthropic(Fake):
    """Anthropic's own API."""

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request."""
        assert (request.method, request.target) == ("POST", "/v1/messages"), request.target
        check_key(request)
        return answered(self, request.fields)

    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer."""
        return told_error(kind, ERRORS, message)
