"""Feeds a chat decoder with chunks written as Python values, and reads what its events say."""

from __future__ import annotations

import json
from typing import Any

from proxy.events import (
    Annotation,
    Event,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.provider import Payload

Said = dict[str, Any]
END = (b"", b"[DONE]")


def decoder(**options: Any) -> ChatDecoder:
    """Returns a decoder that makes the call ids `made_1`, `made_2` and so on."""
    numbers = iter(range(1, 1000))
    return ChatDecoder(make_call_id=lambda: f"made_{next(numbers)}", **options)


def payload(value: Any) -> Payload:
    """Returns an event: of a delta, of a whole chunk, of bytes as they are, or (name, data) itself."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, bytes):
        return b"", value
    chunk = value if {"choices", "usage", "error"} & value.keys() else {"choices": [{"index": 0, "delta": value}]}
    return b"", json.dumps(chunk).encode()


def chunk(delta: Said | None = None, finish: str | None = None, **more: Any) -> Said:
    """Returns a chunk of one choice; `more` adds fields to the choice."""
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish, **more}]}


STOP = chunk(finish="stop")


def decode(*values: Any, **options: Any) -> list[Event]:
    """Returns the events of a stream of these payloads, one a read; its body ends behind them."""
    machine = decoder(**options)
    events = [event for value in values for event in machine.feed([payload(value)])]
    return events + machine.finish()


def whole(body: Any, **options: Any) -> list[Event]:
    """Returns the events of a non-streamed answer."""
    return decoder(**options).whole(body if isinstance(body, bytes) else json.dumps(body).encode())


def text(events: list[Event]) -> str:
    """Returns the visible text."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thinking(events: list[Event]) -> str:
    """Returns the thinking."""
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def calls(events: list[Event]) -> list[tuple[str, str, str]]:
    """Returns id, name and arguments of each call."""
    found: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallStart):
            found[event.key] = [event.call_id, event.name, ""]
        elif isinstance(event, ToolCallDelta):
            found[event.key][2] += event.arguments
    return [(one[0], one[1], one[2]) for one in found.values()]


def order(events: list[Event]) -> list[str]:
    """Returns what follows what: kinds of events, neighbours of one kind once; without usage and the end."""
    names = {TextDelta: "text", ReasoningDelta: "thinking", Refusal: "refusal", Annotation: "citation"}
    kinds = [names.get(type(event), "call") for event in events[:-1] if not isinstance(event, Usage | ReasoningState)]
    return [kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] != kind]


def usage(events: list[Event]) -> Usage | None:
    """Returns the last usage."""
    found = [event for event in events if isinstance(event, Usage)]
    return found[-1] if found else None
