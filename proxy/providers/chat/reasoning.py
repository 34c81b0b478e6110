"""Finds the thinking in a chat delta, in all the spellings that servers use."""

from __future__ import annotations

from typing import Any

import msgspec

from ...events import Event, ReasoningDelta, ReasoningState
from .chunk import Delta


class Reasoning(msgspec.Struct, eq=False):
    """Takes deltas; adds ReasoningDelta and ReasoningState events. One spelling counts a chunk: they repeat each other.

    The state says what the upstream wants back with the next turn: the field's name, once for each stretch of thinking,
    and where the provider sends structured details (signatures, encrypted parts) those, unchanged and in order.
    """

    _field: str = ""

    def take(self, delta: Delta, events: list[Event]) -> None:
        """Takes one delta that has something in a field of reasoning. Hot: once a chunk of thinking."""
        text = delta.reasoning_content
        field = "reasoning_content"
        summary = False
        if not text:
            text, field = _plain(delta.reasoning), "reasoning"
        if not text and delta.reasoning_details:
            text, summary = _of_details(delta.reasoning_details)
            field = "reasoning_details"
        if not text:
            text, field = _plain(delta.thinking), "thinking"
        if not text and delta.thinking_blocks:
            text = "".join(_plain(block.get("thinking")) for block in delta.thinking_blocks)
            field = "thinking_blocks"
        if text:
            self.text(text, events, field=field, summary=summary)
        if delta.reasoning_details:
            self._details("reasoning_details", delta.reasoning_details, events)
        elif delta.thinking_blocks:
            self._details("thinking_blocks", delta.thinking_blocks, events)

    def text(self, text: str, events: list[Event], *, field: str, summary: bool = False) -> None:
        """Adds a piece of thinking that came under the field's name."""
        if not self._field:
            self._field = field
            events.append(ReasoningState({"field": field}))
        events.append(ReasoningDelta(text, summary))

    def close(self) -> None:
        """Says that something else follows: later thinking is a stretch of its own."""
        self._field = ""

    def _details(self, field: str, details: list[dict[str, Any]], events: list[Event]) -> None:
        self._field = field
        events.append(ReasoningState({"field": field, "details": details}))


def _plain(value: Any) -> str:
    """Returns the text of a field that is a string, or an object with one."""
    if isinstance(value, dict):
        value = value.get("content") or value.get("text")
    return value if isinstance(value, str) else ""


def _of_details(details: list[dict[str, Any]]) -> tuple[str, bool]:
    """Returns the text of `reasoning_details`, and whether it is a summary."""
    text = "".join(_plain(one.get("text")) for one in details if one.get("type") == "reasoning.text")
    if text:
        return text, False
    return "".join(_plain(one.get("summary")) for one in details if one.get("type") == "reasoning.summary"), True
