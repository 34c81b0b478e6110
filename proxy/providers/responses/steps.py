"""What a repaired stream consists of: steps that tell of items, one description of the response, and one end."""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.raw import ABSENT, Raw
from ...errors import UpstreamError
from .told import ToldItem, ToldPart

LATE = ""
"""The type of a step that is no event: an item that is done has got its encrypted content."""


class Step(msgspec.Struct):
    """One event of an item, in its place.

    `data` is the event's JSON as the upstream sent it, where all of it may stay but for `number`, its sequence number
    there; else `fields` are all its fields but type and number. `text` is the piece of a delta, `final` the item's
    final form where it is told.
    """

    type: str
    item: ToldItem
    part: ToldPart | None = None
    text: str = ""
    data: bytes | None = None
    number: int | None = None
    fields: dict[str, Any] | None = None
    final: Raw | None = None
    logprobs: Raw = ABSENT
    annotation: Any = None


class Described(msgspec.Struct):
    """What the upstream's Response object says when it is created, field by field."""

    fields: dict[str, Raw]


class Ended(msgspec.Struct):
    """The end: `status` is `completed`, `incomplete` or `failed`, `fields` the upstream's Response if it sent one."""

    status: str
    fields: dict[str, Raw]
    error: UpstreamError | None = None


AnyStep = Step | Described | Ended


def added(item: ToldItem) -> Step:
    """Returns the made-up beginning of an item."""
    fields = {"output_index": item.index, "item": item.empty_dict()}
    return Step("response.output_item.added", item, fields=fields)


def part_added(item: ToldItem, part: ToldPart) -> Step:
    """Returns the made-up beginning of a part."""
    shown: dict[str, Any] = {"type": part.kind, part.text_field: ""}
    if part.kind == "output_text":
        shown.update(annotations=[], logprobs=[])
    return Step(f"{_family(part)}.added", item, part, fields={**place(item, part), "part": shown})


def text_delta(item: ToldItem, part: ToldPart, text: str) -> Step:
    """Returns a made-up delta of a part; the part has its text already."""
    fields: dict[str, Any] = {**place(item, part), "delta": text}
    if part.kind == "output_text":
        fields["logprobs"] = []
    return Step(f"{_stem(part)}.delta", item, part, text, fields=fields)


def text_done(item: ToldItem, part: ToldPart) -> Step:
    """Returns the made-up end of a part's text."""
    fields: dict[str, Any] = {**place(item, part), part.text_field: part.text()}
    if part.kind == "output_text":
        fields["logprobs"] = part.logprobs
    return Step(f"{_stem(part)}.done", item, part, fields=fields)


def part_done(item: ToldItem, part: ToldPart) -> Step:
    """Returns the made-up end of a part."""
    return Step(f"{_family(part)}.done", item, part, fields={**place(item, part), "part": part.to_dict()})


def annotation_added(item: ToldItem, part: ToldPart, index: int) -> Step:
    """Returns the made-up event of an annotation that stands in the part already."""
    annotation = part.annotations[index]
    fields = {**place(item, part), "annotation_index": index, "annotation": annotation}
    return Step("response.output_text.annotation.added", item, part, fields=fields, annotation=annotation)


def value_delta(item: ToldItem, text: str) -> Step:
    """Returns a made-up delta of a call's arguments or input; the item has them already."""
    return Step(f"{_value_stem(item)}.delta", item, text=text, fields={**place(item), "delta": text})


def value_done(item: ToldItem) -> Step:
    """Returns the made-up end of a call's arguments or input."""
    assert item.value_field is not None
    fields = {**place(item), item.value_field: "".join(item.value)}
    if item.type == "function_call" and item.head.get("name"):
        fields["name"] = item.head["name"]
    return Step(f"{_value_stem(item)}.done", item, fields=fields)


def place(item: ToldItem, part: ToldPart | None = None) -> dict[str, Any]:
    """Returns the fields that say where an event belongs."""
    fields: dict[str, Any] = {"item_id": item.id, "output_index": item.index}
    if part is not None:
        fields[part.index_field] = part.index
    return fields


def _family(part: ToldPart) -> str:
    return "response.reasoning_summary_part" if part.kind == "summary_text" else "response.content_part"


def _stem(part: ToldPart) -> str:
    return "response.reasoning_summary_text" if part.kind == "summary_text" else f"response.{part.kind}"


def _value_stem(item: ToldItem) -> str:
    return "response.function_call_arguments" if item.type == "function_call" else "response.custom_tool_call_input"
