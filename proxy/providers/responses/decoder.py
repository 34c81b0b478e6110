"""Turns the answer of an upstream that speaks the Responses API into neutral events. Sans-IO.

Text, thinking, refusals and calls come as they are told. What no other event can tell of (calls of hosted tools,
compactions, calls with fields of their own) comes as a whole item when it is done.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ...events import (
    Annotation,
    Event,
    MessageStart,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from ..provider import Payload
from .ending import closing_events
from .event import read_object
from .repair import Repair
from .sealing import state_of
from .steps import LATE, AnyStep, Described, Ended, Step
from .told import ToldItem

_CALL_FIELDS = frozenset(("id", "type", "status", "call_id", "name", "arguments", "input", "namespace"))
_BETWEEN_PARTS = "\n\n"

_decode_logprobs = msgspec.json.Decoder(list[dict[str, Any]]).decode

FlatName = Callable[[str, str], str]
"""Returns the one name of a tool for its namespace and name."""


def joined_name(namespace: str, name: str) -> str:
    """Returns the name of a tool in a namespace where nobody has declared it."""
    return f"{namespace}__{name}"


class ResponsesDecoder:
    """Takes the payloads of one answer; returns its events. `flat_name` names tools that stand in a namespace.

    With `one_thought` a reasoning item that tells its thinking does not tell a summary of it too: for clients that
    have one place for both. `done` is True once `Finish` or `UpstreamFailed` was returned.
    """

    __slots__ = (
        "_chars",
        "_flat_name",
        "_one_thought",
        "_repair",
        "_starts",
        "_summaries",
        "_thinking_items",
        "_whole",
        "done",
    )

    def __init__(self, flat_name: FlatName = joined_name, *, one_thought: bool = False) -> None:
        self._repair = Repair()
        self._flat_name = flat_name
        self._one_thought = one_thought
        self._thinking_items: set[int] = set()  # those that tell their thinking
        self._whole: set[int] = set()  # calls that are told as whole items, by index
        self._starts: dict[tuple[int, int], int] = {}  # characters of text before a part
        self._summaries: set[tuple[int, int]] = set()  # parts that have text
        self._chars = 0
        self.done = False

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads of the stream; returns the events they make. Hot: once a read."""
        return self._events(self._repair.feed(payloads))

    def text_of(self, read: bytes) -> str:
        """Returns nothing: a read is always parsed."""
        return ""

    def learn(self, read: bytes, text: str) -> None:
        """Takes nothing from it, for the same reason."""

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in `Finish` or `UpstreamFailed`."""
        return self._events(self._repair.finish())

    def whole(self, body: bytes) -> list[Event]:
        """Takes the body of a non-streamed answer instead; returns all its events."""
        return self._events(self._repair.whole(body))

    def _events(self, steps: list[AnyStep]) -> list[Event]:
        events: list[Event] = []
        for step in steps:
            if isinstance(step, Step):
                handler = _HANDLERS.get(step.type)
                if handler is not None:
                    handler(self, step, events)
            elif isinstance(step, Ended):
                self.done = True
                events += closing_events(step)
            else:
                assert isinstance(step, Described)  # says nothing that a client of another dialect could see
        return events

    def _added(self, step: Step, events: list[Event]) -> None:
        item = step.item
        if item.type == "message":
            phase = item.head.get("phase")
            events.append(MessageStart(phase if isinstance(phase, str) else None))
        elif item.value_field is not None:
            self._call(item, events)

    def _call(self, item: ToldItem, events: list[Event]) -> None:
        head = item.head
        name, namespace, call_id = head.get("name"), head.get("namespace"), head.get("call_id")
        own = any(value is not None for field, value in head.items() if field not in _CALL_FIELDS)
        if own or not isinstance(name, str) or not name:
            self._whole.add(item.index)
            return
        if isinstance(namespace, str) and namespace:
            name = self._flat_name(namespace, name)
        if not isinstance(call_id, str) or not call_id:
            call_id = f"call_{secrets.token_hex(12)}"
        events.append(ToolCallStart(item.index, call_id, name, item.type == "custom_tool_call"))

    def _call_delta(self, step: Step, events: list[Event]) -> None:
        if step.item.index not in self._whole:
            events.append(ToolCallDelta(step.item.index, step.text))

    def _text(self, step: Step, events: list[Event]) -> None:
        """Takes a piece of text. Hot: once an event."""
        assert step.part is not None
        self._starts.setdefault((step.item.index, step.part.index), self._chars)
        self._chars += len(step.text)
        events.append(TextDelta(step.text, _logprobs(step)))

    def _annotation(self, step: Step, events: list[Event]) -> None:
        """Takes a citation; upstreams count the characters of its part, neutral events those of all text."""
        assert step.part is not None
        start = self._starts.get((step.item.index, step.part.index), self._chars)
        annotation = dict(step.annotation)
        for name in ("start_index", "end_index"):
            if isinstance(annotation.get(name), int):
                annotation[name] += start
        events.append(Annotation(annotation))

    def _refusal(self, step: Step, events: list[Event]) -> None:
        events.append(Refusal(step.text))

    def _thinking(self, step: Step, events: list[Event]) -> None:
        self._thinking_items.add(step.item.index)
        events.append(ReasoningDelta(step.text))

    def _summary(self, step: Step, events: list[Event]) -> None:
        assert step.part is not None
        if self._one_thought and step.item.index in self._thinking_items:
            return
        place = (step.item.index, step.part.index)
        if place not in self._summaries:
            self._summaries.add(place)
            if step.part.index > 0:
                events.append(ReasoningDelta(_BETWEEN_PARTS, True))
        events.append(ReasoningDelta(step.text, True))

    def _done(self, step: Step, events: list[Event]) -> None:
        item = step.item
        assert step.final is not None
        if item.type == "reasoning":
            if (state := state_of(read_object(step.final), item.index)) is not None:
                events.append(ReasoningState(state))
        elif item.type != "message" and (item.value_field is None or item.index in self._whole):
            events.append(OutputItem(read_object(step.final)))


def _logprobs(step: Step) -> list[dict[str, Any]] | None:
    if not len(step.logprobs):
        return None
    try:
        return _decode_logprobs(step.logprobs) or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


_HANDLERS: Mapping[str, Callable[[ResponsesDecoder, Step, list[Event]], None]] = {
    "response.output_item.added": ResponsesDecoder._added,
    "response.output_item.done": ResponsesDecoder._done,
    LATE: ResponsesDecoder._done,
    "response.output_text.delta": ResponsesDecoder._text,
    "response.output_text.annotation.added": ResponsesDecoder._annotation,
    "response.refusal.delta": ResponsesDecoder._refusal,
    "response.reasoning_text.delta": ResponsesDecoder._thinking,
    "response.reasoning_summary_text.delta": ResponsesDecoder._summary,
    "response.function_call_arguments.delta": ResponsesDecoder._call_delta,
    "response.custom_tool_call_input.delta": ResponsesDecoder._call_delta,
}
