"""The validated pairs: what an upstream sent, and to the event what the client must get for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.responses.request import ResponsesRequest
from tests.support.fixtures import SHARED
from tests.support.grammar import Profile, check_response
from tests.support.grammar_framing import Event, read_events
from tests.support.machines import Setup, chunk, final_of, pieces, translate, translate_whole

FOLDER = SHARED / "examples" if SHARED else None
NAMES = sorted(path.name.split(".")[0] for path in FOLDER.glob("*.request.json")) if FOLDER else []
EXAMPLE = Profile(id_forms=False)


def load(name: str, kind: str) -> Any:
    """Returns one file of an example: bytes of a stream, or parsed JSON."""
    assert FOLDER is not None
    raw = (FOLDER / f"{name}.{kind}").read_bytes()
    return raw if kind.endswith(".sse") else json.loads(raw)


def setup(name: str) -> Setup:
    """Returns ids, clock and request as the examples were made with."""
    request = load(name, "request.json")
    return Setup(
        request=request,
        echo=ResponsesRequest.parse(json.dumps(request).encode()).echo(),
        response_id=f"resp_ex_{name}",
        item_id=f"{{prefix}}_ex_{name}_{{index}}",
    )


def produced(name: str) -> list[Event]:
    """Returns our events for an example."""
    return read_events(translate(load(name, "chunks.sse"), setup=setup(name)), EXAMPLE)


@pytest.mark.parametrize("name", NAMES)
def test_events_are_the_expected_ones(name: str) -> None:
    assert produced(name) == read_events(load(name, "events.sse"), EXAMPLE)


@pytest.mark.parametrize("name", NAMES)
def test_the_framing_is_the_expected_one(name: str) -> None:
    def frames(raw: bytes) -> list[bytes]:
        return [line[:6] if line.startswith(b"data: {") else line for line in raw.split(b"\n")]

    assert frames(translate(load(name, "chunks.sse"), setup=setup(name))) == frames(load(name, "events.sse"))


@pytest.mark.parametrize("name", NAMES)
def test_the_final_response_is_the_expected_one(name: str) -> None:
    assert check_response(final_of(load(name, "chunks.sse"), setup(name)), EXAMPLE) == load(name, "response.json")


@pytest.mark.parametrize("name", NAMES)
def test_one_byte_at_a_time(name: str) -> None:
    raw = load(name, "chunks.sse")
    assert translate(raw, range(1, len(raw)), setup(name)) == translate(raw, setup=setup(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "midstream_error"])
def test_the_plain_answer_is_what_the_stream_ends_with(name: str) -> None:
    assert translate_whole(completion_of(load(name, "chunks.sse")), setup(name)) == load(name, "response.json")


def completion_of(raw: bytes) -> bytes:
    """Returns the non-streamed body that says the same as a stream of well-formed chunks."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    body: dict[str, Any] = {"object": "chat.completion", "usage": None}
    finish = None
    for line in raw.split(b"\n"):
        if not line.startswith(b"data: {"):
            continue
        part = json.loads(line[6:])
        body["usage"] = part.get("usage") or body["usage"]
        for choice in part["choices"]:
            finish = choice["finish_reason"] or finish
            for name in ("content", "reasoning_content"):
                if choice["delta"].get(name):
                    message[name] = (message.get(name) or "") + choice["delta"][name]
            for piece in choice["delta"].get("tool_calls", ()):
                call = calls.setdefault(piece["index"], {"function": {"arguments": ""}})
                call["id"] = piece.get("id", call.get("id"))
                call["function"]["name"] = piece["function"].get("name", call["function"].get("name"))
                call["function"]["arguments"] += piece["function"].get("arguments", "")
    if calls:
        message["tool_calls"] = [{"type": "function", **call} for call in calls.values()]
    body["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    return json.dumps(body).encode()


def test_pieces_are_the_whole() -> None:
    raw = chunk({"content": "a"})
    assert b"".join(pieces(raw, range(1, len(raw)))) == raw
