"""What was said in an exchange, as a row may hold it: after masking, without secrets, and bounded.

The input is what was sent on: a request that no upstream was asked for is withheld, since not every stage has looked at
it. The output is what reached the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ..events import Event, OutputItem, ReasoningDelta, Refusal, TextDelta, ToolCallDelta, ToolCallStart
from ..exchange import Exchange
from ..redact import hide, redact

Mode = Literal["redacted", "full"]

_INPUT_FIELDS = ("instructions", "input", "messages", "prompt", "query", "documents")
_DATA_URL = 200
_EDGE = 256
"""So many characters beyond a cut are looked at: a secret that is cut is not known any more."""


class Content(msgspec.Struct):
    """The messages of one exchange. `input` has the fields of the request that hold texts."""

    input: Any
    output: Any
    withheld: str | None = None


class ContentBounds(msgspec.Struct, frozen=True):
    """How much of what was said is written down, and how."""

    mode: Mode
    most: int
    """Characters of the input, and of the output."""


class Said:
    """What the client of one exchange was told, collected event by event."""

    __slots__ = ("_items", "_left", "_lost", "_places")

    def __init__(self, most: int) -> None:
        self._items: list[dict[str, Any]] = []
        self._places: dict[int, dict[str, Any]] = {}
        self._left = most + _EDGE
        self._lost = 0

    def take(self, events: Sequence[Event]) -> None:
        """Takes what one read produced. Hot: once a read."""
        for event in events:
            kind = type(event)
            if kind is TextDelta:
                self.add_text(event.text)  # type: ignore[attr-defined]
            elif kind is ToolCallDelta:
                if (call := self._places.get(event.key)) is not None:  # type: ignore[attr-defined]
                    self._append(call["pieces"], event.arguments)  # type: ignore[attr-defined]
            elif kind is ReasoningDelta:
                self._add("reasoning", event.text)  # type: ignore[attr-defined]
            elif isinstance(event, ToolCallStart):
                call = {"type": "function_call", "name": event.name, "call_id": event.call_id, "pieces": []}
                self._places[event.key] = call
                self._items.append(call)
            elif isinstance(event, Refusal):
                self._add("refusal", event.text)
            elif isinstance(event, OutputItem):
                self._items.append({"type": event.item.get("type"), "id": event.item.get("id")})

    def add_text(self, text: str) -> None:
        """Takes a piece of a message. Hot: once a read."""
        self._add("message", text)

    def _add(self, kind: str, text: str) -> None:
        items = self._items
        if not items or items[-1]["type"] != kind:
            items.append({"type": kind, "pieces": []})
        self._append(items[-1]["pieces"], text)

    def _append(self, pieces: list[str], text: str) -> None:
        left = self._left
        if len(text) > left:
            self._lost += len(text) - left
            text = text[:left]
        self._left = left - len(text)
        if text:
            pieces.append(text)

    def items(self, writer: Writer) -> list[dict[str, Any]]:
        """Returns what was said, item by item; `truncated` counts characters that are left out."""
        told: list[dict[str, Any]] = []
        left = writer.bounds.most
        lost = self._lost
        for item in self._items:
            shown = {name: value for name, value in item.items() if name != "pieces"}
            if "pieces" in item:
                text = writer.text("".join(item["pieces"]))
                lost += max(0, len(text) - left)
                text = text[:left]
                left -= len(text)
                shown["arguments" if item["type"] == "function_call" else "text"] = text
            told.append(writer.data(shown))
        if lost:
            told.append({"type": "truncated", "characters": lost})
        return told


class Writer:
    """Takes secrets out of what was said: those that are known by their value, and in mode `redacted` all others."""

    __slots__ = ("_secrets", "bounds")

    def __init__(self, bounds: ContentBounds, secrets: Sequence[str]) -> None:
        self.bounds = bounds
        self._secrets = secrets

    def content(self, exchange: Exchange, said: Said) -> Content:
        """Returns the content of an exchange that has ended."""
        output = said.items(self)
        if exchange.upstream_request is None:
            return Content(None, output, "no upstream was asked: stages may not have seen all of the input")
        return Content(self._input(exchange), output)

    def _input(self, exchange: Exchange) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        left = self.bounds.most
        own = exchange.input_items
        for name in _INPUT_FIELDS:
            raw = exchange.request.fields.get(name)
            if name == "input" and own:  # without the turns before it
                raw = msgspec.Raw(b"[" + b",".join(own) + b"]")
            if raw is not None:
                fields[name] = self._field(bytes(raw), left)
                left = max(0, left - len(raw))
        return fields

    def _field(self, raw: bytes, most: int) -> Any:
        if len(raw) <= max(most, 0):
            try:
                return self.data(msgspec.json.decode(raw))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return self._ends(raw, most)
        return self._ends(raw, most)

    def _ends(self, raw: bytes, most: int) -> dict[str, Any]:
        """Returns the JSON's beginning and end as texts, where it is too long."""
        half = most // 2
        begin = self.text(raw[: half + _EDGE].decode("utf-8", "replace"))[:half]
        end = self.text(raw[max(0, len(raw) - half - _EDGE) :].decode("utf-8", "replace"))[-half:] if half else ""
        return {"truncated": True, "bytes": len(raw), "begin": begin, "end": end}

    def text(self, text: str) -> str:
        """Returns a text without secrets. Files in it, as data URLs, are named and not shown."""
        if text.startswith("data:") and len(text) > _DATA_URL:
            return f"{text[:60].partition(',')[0]},... ({len(text)} characters)"
        return redact(text, self._secrets) if self.bounds.mode == "redacted" else hide(text, self._secrets)

    def data(self, value: Any) -> Any:
        """Returns JSON-like data with the same done to every text in it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.data(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.data(part) for part in value]
        return value
