"""One event of an upstream's Responses stream, as far as it is read, and the names that vendors have for the same one.

The struct names only what is looked at, so that decoding skips the rest; what may be passed on unread stays JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ...api.raw import ABSENT, Raw

PartKind = Literal["output_text", "refusal", "reasoning_text", "summary_text"]


class Seen(msgspec.Struct, gc=False):
    """What is read of an event. `text`, `refusal`, `arguments` and `input` are the whole values of `done` events."""

    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    logprobs: Raw = ABSENT
    item: Raw = ABSENT
    part: Raw = ABSENT
    annotation: Raw = ABSENT
    response: Raw = ABSENT

    def whole(self) -> str | None:
        """Returns the whole value that a `done` event tells, under whichever name."""
        for value in (self.text, self.refusal, self.arguments, self.input):
            if value is not None:
                return value
        return None


decode_event = msgspec.json.Decoder(Seen).decode
decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
decode_object = msgspec.json.Decoder(dict[str, Any]).decode

OTHER_NAMES: Mapping[str, str] = {
    "response.reasoning.delta": "response.reasoning_text.delta",
    "response.reasoning.done": "response.reasoning_text.done",
    "response.reasoning_content.delta": "response.reasoning_text.delta",
    "response.reasoning_content.done": "response.reasoning_text.done",
    "response.reasoning_part.added": "response.content_part.added",
    "response.reasoning_part.done": "response.content_part.done",
    "response.reasoning_summary.delta": "response.reasoning_summary_text.delta",
    "response.reasoning_summary.done": "response.reasoning_summary_text.done",
    "response.output_text_annotation.added": "response.output_text.annotation.added",
}
"""Events under the names that other vendors, Open Responses and earlier drafts have for them."""

PART_OF: Mapping[str, PartKind] = {
    "response.output_text": "output_text",
    "response.refusal": "refusal",
    "response.reasoning_text": "reasoning_text",
    "response.reasoning_summary_text": "summary_text",
}
"""The part that a delta or done event belongs to, by the event's name without its end."""

VALUE_OF: Mapping[str, tuple[str, str]] = {
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
}
"""The item that a delta or done event belongs to, and the field of its value, by the event's name without its end."""

LIFE_CYCLE = frozenset(("response.created", "response.queued", "response.in_progress"))
TERMINAL = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled"))


def read_event(data: bytes) -> Seen | None:
    """Returns what is read of an event's data; what does not fit is left out. None when it is no JSON object."""
    try:
        return decode_event(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(data)


def read_object(raw: Raw | bytes) -> dict[str, Any]:
    """Returns a JSON object; an empty one for anything else."""
    try:
        return decode_object(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _read_leniently(data: bytes) -> Seen | None:
    try:
        obj = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(obj, dict):
        return None
    seen = Seen()
    for name in ("type", "item_id", "delta", "text", "refusal", "arguments", "input"):
        value = obj.get(name)
        if isinstance(value, str):
            setattr(seen, name, _mended(value))
        elif isinstance(value, dict) and name in ("delta", "arguments"):
            text = value.get("text") if name == "delta" else json.dumps(value, ensure_ascii=False)
            setattr(seen, name, text if isinstance(text, str) else None)
    for name in ("sequence_number", "output_index", "content_index", "summary_index"):
        number = obj.get(name)
        if isinstance(number, int) and not isinstance(number, bool):
            setattr(seen, name, number)
    for name in ("logprobs", "item", "part", "annotation", "response"):
        if obj.get(name) is not None:
            setattr(seen, name, Raw(_mended(json.dumps(obj[name], ensure_ascii=False)).encode()))
    return seen


def _mended(text: str) -> str:
    """Returns a text without halves of surrogate pairs."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
