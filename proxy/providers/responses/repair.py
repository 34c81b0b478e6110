"""Turns the events of an upstream that speaks the Responses API into a stream that keeps to its grammar. Sans-IO.

Upstreams leave out events, names of events, indexes and numbers, have other names for some, make up new ids on the way
and send signs of life that are no events. Behind this machine every item is added, told and done, once and in one
place. What needs no repair keeps the bytes it came in, so that it can be passed on as it is.

A stream ends at its terminal event or at an error, whichever is first; one that just stops was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ...api.raw import Raw, given
from ...errors import UpstreamCut, UpstreamError, UpstreamGarbled
from ..chat.stream_error import stream_error
from ..provider import Payload
from . import steps as make
from .event import (
    LIFE_CYCLE,
    OTHER_NAMES,
    PART_OF,
    TERMINAL,
    VALUE_OF,
    PartKind,
    Seen,
    decode_event,
    decode_fields,
    read_event,
    read_object,
)
from .output import ToldOutput, done_step, head_of, kind_of
from .steps import AnyStep, Described, Ended, Step
from .told import ToldItem, ToldPart

_MALFORMED_IN_A_ROW = 3
_STATUSES = frozenset(("completed", "incomplete", "failed"))
_decode_raws = msgspec.json.Decoder(list[Raw]).decode


class Repair:
    """Takes the payloads of one answer; returns its steps. `done` is True once `Ended` was returned."""

    __slots__ = ("_described", "_malformed_run", "_output", "done", "malformed")

    def __init__(self) -> None:
        self._output = ToldOutput()
        self._described = False
        self._malformed_run = 0
        self.malformed = 0
        self.done = False

    def feed(self, payloads: Sequence[Payload]) -> list[AnyStep]:
        """Takes payloads of the stream; returns the steps they make. Hot: once a read."""
        steps: list[AnyStep] = []
        for name, data in payloads:
            if self.done:
                break
            try:
                seen = decode_event(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._misfit(name, data, steps)
                continue
            self._malformed_run = 0
            handler = _HANDLERS.get(seen.type)
            if handler is not None:
                handler[0](self, handler[1], seen, data, steps)
            else:
                self._other(name, seen, data, steps)
        return steps

    def finish(self) -> list[AnyStep]:
        """Says that the body has ended; returns the rest, ending in `Ended`."""
        if self.done:
            return []
        return self._fail(UpstreamCut("The upstream closed the stream before it was complete."))

    def whole(self, body: bytes) -> list[AnyStep]:
        """Takes the body of a non-streamed answer instead."""
        response = read_object(body)
        if response.get("object") != "response" and not isinstance(response.get("output"), list):
            if response:
                return self._fail(stream_error(response.get("error") or response))
            return self._fail(UpstreamGarbled("The upstream's answer is not JSON."))
        if response.get("status", "completed") not in (*_STATUSES, "cancelled"):
            return self._fail(UpstreamGarbled(f"The upstream's answer is {response['status']}, not done."))
        steps: list[AnyStep] = []
        raw = Raw(body)
        self._describe(raw, steps)
        self._terminal("response.completed", Seen(response=raw), body, steps)
        return steps

    # --- life cycle

    def _opening(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        self._describe(seen.response, steps)

    def _describe(self, raw: Raw, steps: list[AnyStep]) -> None:
        if not self._described and given(raw):
            self._described = True
            steps.append(Described(_fields(raw)))

    def _terminal(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        fields = _fields(seen.response)
        status = _text(fields.get("status")) or type.removeprefix("response.")
        if status not in _STATUSES or type == "response.failed":
            status = "failed"
        if status == "failed":
            error = read_object(fields.get("error", b"{}")) or {"message": "The upstream's response was cancelled."}
            self.done = True
            steps.append(Ended(status, fields, stream_error(error)))
            return
        self._output.close_all(_raws(fields.get("output")), status, steps)
        self.done = True
        steps.append(Ended(status, fields))

    def _error(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        """Takes an error event, nested or flat; the `response.failed` behind it says the same."""
        said = read_object(data)
        error: Any = said.get("error") or {name: value for name, value in said.items() if name != "type"}
        steps += self._fail(stream_error(error))

    def _fail(self, error: UpstreamError) -> list[AnyStep]:
        self.done = True
        return [Ended("failed", {}, error)]

    # --- items

    def _item_added(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        said = read_object(seen.item)
        kind = str(said.get("type") or "message")
        known = self._output.find(seen) if seen.output_index is not None else None
        if known is not None and known.final is None:
            if known.type == kind:
                return  # told twice
            self._output.give_up(known, steps)
        self._output.close_early(steps)
        item = self._output.open(seen.output_index, kind, head_of(said))
        step = Step("response.output_item.added", item, number=seen.sequence_number)
        if seen.output_index == item.index and said.get("id") == item.id and _is_a_line(data):
            step.data = data
        else:
            step.fields = {"output_index": item.index, "item": {**said, **item.empty_dict()}}
        steps.append(step)
        for index, entry in enumerate(_dicts(said.get("content"))):
            if (part_kind := kind_of(entry)) and (text := entry.get("text") or entry.get("refusal")):
                step.data, step.fields = None, {"output_index": item.index, "item": item.empty_dict()}
                part = self._output.part(item, part_kind, index, steps)
                self._output.text_to_its_end(item, part, str(text), steps)
        if item.value_field is not None and said.get(item.value_field):
            step.data, step.fields = None, {"output_index": item.index, "item": item.empty_dict()}
            self._output.value_to_its_end(item, said[item.value_field], steps)

    def _item_done(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        said = read_object(seen.item)
        item = self._output.find(seen)
        if item is not None and said.get("type") not in (None, item.type):
            if item.final is None:
                self._output.give_up(item, steps)
            item = None  # another one, which was not added
        if item is not None and item.final is not None:
            self._output.take_late(item, said, steps)
            return
        if item is None:
            self._output.close_early(steps)
            item = self._output.open(seen.output_index, str(said.get("type") or "message"), head_of(said))
            steps.append(make.added(item))
        agrees = self._output.close_item(item, {**said, "type": item.type}, seen.item, steps)
        step = done_step(item)
        if agrees and seen.output_index == item.index and _is_a_line(data):
            step.data, step.number, step.fields = data, seen.sequence_number, None
        steps.append(step)

    # --- parts

    def _part_added(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        said = read_object(seen.part)
        kind = "summary_text" if type == "response.reasoning_summary_part.added" else kind_of(said)
        if kind is None:
            self._hosted(type, seen, data, steps)
            return
        item = self._output.item(seen, _HOLDERS[kind], steps)
        index = _index(kind, seen)
        if item.final is not None or (index or 0) in item.parts(kind):
            return
        part = self._output.add_part(item, kind, index, steps)
        text = said.get(part.text_field)
        if text or kind != said.get("type"):
            steps.append(make.part_added(item, part))
            if isinstance(text, str):
                self._output.text_to_its_end(item, part, text, steps)
        else:
            steps.append(self._as_it_is(type, item, part, seen, data))

    def _text_delta(self, kind: Any, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        """Takes a piece of text. Hot: once an event."""
        text = seen.delta
        if not text:
            return
        item = self._output.item(seen, _HOLDERS[kind], steps)
        if item.early:
            self._output.close_early(steps)
            item = self._output.continuation(item, steps)
        elif item.final is not None:
            return
        part = self._output.part(item, kind, _index(kind, seen), steps)
        if part.texted:
            return  # its whole text was told
        part.texts.append(text)
        step = self._as_it_is(_DELTAS[kind], item, part, seen, data)
        step.text = text
        if len(seen.logprobs) > 2:
            step.logprobs = seen.logprobs
        steps.append(step)

    def _text_done(self, kind: Any, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        text = seen.whole()
        item = self._output.find(seen)
        if not text and (item is None or (_index(kind, seen) or 0) not in item.parts(kind)):
            return
        if item is not None and (item.final is not None or item.type != _HOLDERS[kind]):
            return
        item = self._output.item(seen, _HOLDERS[kind], steps)
        part = self._output.part(item, kind, _index(kind, seen), steps)
        if part.texted:
            return
        agrees = self._output.text_to_its_end(item, part, text, steps)
        part.texted = True
        if not agrees:
            steps.append(make.text_done(item, part))
            return
        steps.append(self._as_it_is(_DELTAS[kind].removesuffix("delta") + "done", item, part, seen, data))

    def _part_done(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        said = read_object(seen.part)
        item = self._output.find(seen)
        kind = "summary_text" if type == "response.reasoning_summary_part.done" else kind_of(said)
        if item is None or item.final is not None:
            return  # what its item will tell, or has told
        if kind is None:
            steps.append(self._as_it_is(type, item, None, seen, data))
            return
        if item.type != _HOLDERS[kind]:
            return
        part = self._output.part(item, kind, _index(kind, seen), steps)
        if part.closed:
            return
        agrees = self._output.close_part(item, part, said, steps)
        part.closed = True
        if agrees and kind == said.get("type"):
            steps.append(self._as_it_is(type, item, part, seen, data))
        else:
            shown = {**part.to_dict(), **said, "type": kind, part.text_field: part.text()}
            steps.append(Step(type, item, part, fields={**make.place(item, part), "part": shown}))

    def _annotation(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        item = self._output.item(seen, "message", steps)
        part = self._output.part(item, "output_text", seen.content_index, steps)
        annotation = read_object(seen.annotation)
        if part.texted or item.final is not None or not annotation:
            return
        part.annotations.append(annotation)
        step = self._as_it_is(type, item, part, seen, data)
        step.annotation = annotation
        steps.append(step)

    # --- calls

    def _value_delta(self, kind: Any, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        """Takes a piece of a call's arguments or input. Hot: once an event."""
        item = self._output.find(seen)
        if item is None or item.type != kind or not seen.delta or item.valued or item.final is not None:
            return  # without a name it cannot be told; its item will tell all of it
        item.value.append(seen.delta)
        step = self._as_it_is(_VALUE_DELTAS[kind], item, None, seen, data)
        step.text = seen.delta
        steps.append(step)

    def _value_done(self, kind: Any, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        item = self._output.find(seen)
        if item is None or item.type != kind or item.valued or item.final is not None:
            return
        if not item.value and not seen.whole():
            return  # its item will tell whether there are none
        agrees = self._output.value_to_its_end(item, seen.whole(), steps)
        item.valued = True
        type = _VALUE_DELTAS[kind].removesuffix("delta") + "done"
        steps.append(self._as_it_is(type, item, None, seen, data) if agrees else make.value_done(item))

    # --- everything else

    def _other(self, name: bytes, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        """Takes an event without a handler: of a hosted tool, an error without a type, a sign of life."""
        if name == b"unframed":
            self._unframed(data, steps)
        elif name == b"error" or (not seen.type and read_object(data).get("error")):
            self._error("error", seen, data, steps)
        elif seen.type.startswith("response.") and (seen.output_index is not None or seen.item_id is not None):
            self._hosted(seen.type, seen, data, steps)

    def _hosted(self, type: str, seen: Seen, data: bytes, steps: list[AnyStep]) -> None:
        """Takes an event of an item that is the upstream's own affair."""
        item = self._output.find(seen)
        if item is not None and item.final is None:
            steps.append(self._as_it_is(type, item, None, seen, data))

    def _unframed(self, data: bytes, steps: list[AnyStep]) -> None:
        """Takes a body, or the end of one, that is no event stream."""
        obj = read_object(data)
        if obj.get("object") == "response" or obj.get("error"):
            steps += self.whole(data)
        elif not self._output.items:
            steps += self._fail(UpstreamGarbled("The upstream's answer is neither an event stream nor JSON."))

    def _misfit(self, name: bytes, data: bytes, steps: list[AnyStep]) -> None:
        """Takes a payload that does not fit: the end marker, nothing, a sloppy event, or no JSON."""
        bare = data.strip()
        if bare in (b"[DONE]", b"DONE"):
            steps += self.finish()
            return
        if not bare:
            return
        seen = read_event(data)
        if seen is None:
            if name in (b"unframed", b"error"):
                said = data.decode("utf-8", "replace")
                steps += self._fail(stream_error(said) if name == b"error" else UpstreamGarbled(_NO_STREAM))
                return
            self.malformed += 1
            self._malformed_run += 1
            if self._malformed_run >= _MALFORMED_IN_A_ROW:
                steps += self._fail(UpstreamGarbled("The upstream sent several events in a row that are not JSON."))
            return
        self._malformed_run = 0
        handler = _HANDLERS.get(seen.type)
        if handler is not None:
            handler[0](self, handler[1], seen, b"", steps)

    def _as_it_is(self, type: str, item: ToldItem, part: ToldPart | None, seen: Seen, data: bytes) -> Step:
        """Returns the step of an event that needs no more than its name and its place put right. Hot: once an event."""
        if (
            _is_a_line(data)
            and seen.type == type
            and seen.output_index == item.index
            and (seen.item_id == item.id or (seen.item_id is None and type not in _HANDLERS))
            and (part is None or part.told)
        ):
            return Step(type, item, part, "", data, seen.sequence_number)
        fields: dict[str, Any] = dict(_fields(data))
        fields.pop("type", None)
        fields.pop("sequence_number", None)
        fields.update(make.place(item, part))
        if not data:
            _refill(fields, part, seen)
        return Step(type, item, part, fields=fields)


def _is_a_line(data: bytes) -> bool:
    """Tells whether an event's data can be written as it came: nothing of it was mended, and it is one line."""
    return bool(data) and b"\n" not in data


def _refill(fields: dict[str, Any], part: ToldPart | None, seen: Seen) -> None:
    """Puts the fields of an event that was sloppily written back into place."""
    if seen.delta is not None:
        fields["delta"] = seen.delta
    if (whole := seen.whole()) is not None:
        name = next(name for name in ("text", "refusal", "arguments", "input") if getattr(seen, name) is not None)
        fields[name] = whole
    if part is not None and part.kind == "output_text":
        fields["logprobs"] = []
    for name in ("part", "annotation"):
        if given(raw := getattr(seen, name)):
            fields[name] = raw


def _index(kind: PartKind, seen: Seen) -> int | None:
    """Returns the upstream's index of a part."""
    return seen.summary_index if kind == "summary_text" else seen.content_index


def _fields(raw: Raw | bytes) -> dict[str, Raw]:
    try:
        return decode_fields(raw) if raw else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _raws(raw: Raw | None) -> list[Raw]:
    try:
        return _decode_raws(raw) if raw is not None else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _text(raw: Raw | None) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str) if raw is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


_NO_STREAM = "The upstream's answer is neither an event stream nor JSON."

_Handler = Callable[[Repair, Any, Seen, bytes, list[AnyStep]], None]

_HOLDERS: Mapping[PartKind, str] = {
    "output_text": "message",
    "refusal": "message",
    "reasoning_text": "reasoning",
    "summary_text": "reasoning",
}
"""The type of item that a kind of part stands in."""
_DELTAS: Mapping[PartKind, str] = {kind: f"{stem}.delta" for stem, kind in PART_OF.items()}
_VALUE_DELTAS: Mapping[str, str] = {type: f"{stem}.delta" for stem, (type, _) in VALUE_OF.items()}


def _handlers() -> dict[str, tuple[_Handler, Any]]:
    """Returns what takes each event, and what it is told with it: the event's own name, or the kind of part or call."""
    table: dict[str, tuple[_Handler, Any]] = {
        **dict.fromkeys(LIFE_CYCLE, (Repair._opening, "")),
        **{name: (Repair._terminal, name) for name in TERMINAL},
        "error": (Repair._error, ""),
        "response.error": (Repair._error, ""),
        "response.output_item.added": (Repair._item_added, ""),
        "response.output_item.done": (Repair._item_done, ""),
        "response.output_text.annotation.added": (Repair._annotation, "response.output_text.annotation.added"),
    }
    for family in ("response.content_part", "response.reasoning_summary_part"):
        table[f"{family}.added"] = (Repair._part_added, f"{family}.added")
        table[f"{family}.done"] = (Repair._part_done, f"{family}.done")
    for stem, kind in PART_OF.items():
        table[f"{stem}.delta"] = (Repair._text_delta, kind)
        table[f"{stem}.done"] = (Repair._text_done, kind)
    for stem, (type, _) in VALUE_OF.items():
        table[f"{stem}.delta"] = (Repair._value_delta, type)
        table[f"{stem}.done"] = (Repair._value_done, type)
    for name, known in OTHER_NAMES.items():
        table[name] = table[known]
    return table


_HANDLERS = _handlers()
