"""The output items of one upstream answer, and the events that it leaves out of telling them.

Whatever an event needs before it (its item, its part) is made up when it is not there; whatever the end of an item or
part tells that its deltas did not is told as a delta first. An item keeps the id and the place it was first told with,
for some hosts make up new ids with every event. A whole text that contradicts the deltas loses against them: they have
been told.
"""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any

import msgspec

from ...api.raw import Raw
from . import steps as make
from .event import PartKind, Seen, read_object
from .steps import LATE, AnyStep, Step
from .told import SUMMARY, ToldItem, ToldPart

_KINDS: dict[Any, PartKind] = {
    "output_text": "output_text",
    "text": "output_text",
    "refusal": "refusal",
    "reasoning_text": "reasoning_text",
    "summary_text": "summary_text",
}
_HEAD_WITHOUT = frozenset(("content", "summary", "arguments", "input", "status", "encrypted_content"))


class ToldOutput:
    """Items in the order in which they were added, found by the upstream's index or id."""

    __slots__ = ("_by_index", "items")

    def __init__(self) -> None:
        self.items: list[ToldItem] = []
        self._by_index: dict[int, ToldItem] = {}

    def find(self, seen: Seen) -> ToldItem | None:
        """Returns the item that an event belongs to: by its index, else by its id, else the last one. Hot: an event."""
        if seen.output_index is not None:
            return self._by_index.get(seen.output_index)
        if seen.item_id is not None:
            return next((item for item in reversed(self.items) if item.id == seen.item_id), None)
        last = self.items[-1] if self.items else None
        return last if last is not None and last.final is None else None

    def item(self, seen: Seen, type: str, steps: list[AnyStep]) -> ToldItem:
        """Returns the item of that type that an event belongs to, made up when it was not added. Hot: once an event."""
        item = self.find(seen)
        if item is None or item.type != type:
            if item is not None and item.final is None:
                self.give_up(item, steps)
            self.close_early(steps)
            item = self.open(seen.output_index, type, {"id": seen.item_id})
            steps.append(make.added(item))
        return item

    def open(self, upstream_index: int | None, type: str, head: dict[str, Any]) -> ToldItem:
        """Adds an item behind the others."""
        index = len(self.items)
        place = index if upstream_index is None else upstream_index
        if place in self._by_index and upstream_index is None:
            place = -1 - index
        item = ToldItem(index, place, type, head)
        if any(other.id == item.id for other in self.items):
            item.id = f"{item.id}_{index}"
        self.items.append(item)
        self._by_index[place] = item
        return item

    def part(self, item: ToldItem, kind: PartKind, index: int | None, steps: list[AnyStep]) -> ToldPart:
        """Returns the part of an item at the upstream's index, made up when it was not added. Hot: once an event."""
        there = item.parts(kind)
        part = there.get(index or 0)
        if part is None or part.kind != kind or part.early:
            part = self.add_part(item, kind, index, steps)
            steps.append(make.part_added(item, part))
        return part

    def add_part(self, item: ToldItem, kind: PartKind, index: int | None, steps: list[AnyStep]) -> ToldPart:
        """Adds a part to an item; one that is open there is closed, for parts do not stand side by side."""
        for other in (*item.content.values(), *item.summary.values()):
            if not other.closed:
                other.early = True
                self._to_its_end(item, other, {}, steps)
        there = item.parts(kind)
        place, wanted = len(there), index or 0
        part = ToldPart(kind, place, told=index == place)
        if wanted in there:
            there[-1 - place] = there.pop(wanted)  # the upstream goes on with what was closed, or means another part
        there[wanted] = part
        return part

    def continuation(self, item: ToldItem, steps: list[AnyStep]) -> ToldItem:
        """Returns the item in which goes on what was closed early."""
        following = self.open(None, item.type, {**item.head, "id": None})
        following.continued = True
        self._by_index[item.upstream_index] = following
        following.upstream_index = item.upstream_index
        steps.append(make.added(following))
        return following

    def close_early(self, steps: list[AnyStep]) -> None:
        """Closes what is open when another item begins: messages, reasoning, and calls that are whole."""
        for item in self.items:
            if item.final is None and (item.type in ("message", "reasoning") or _is_whole(item)):
                item.early = True
                self.close_item(item, item.to_dict("completed"), None, steps)
                steps.append(done_step(item))

    def give_up(self, item: ToldItem, steps: list[AnyStep]) -> None:
        """Closes an item whose place another one has taken."""
        self.close_item(item, item.to_dict("completed"), None, steps)
        steps.append(done_step(item))

    def take_late(self, item: ToldItem, said: dict[str, Any], steps: list[AnyStep]) -> None:
        """Takes what the upstream says at the end of reasoning that was closed early: what it wants back."""
        if item.early and item.type == "reasoning" and item.final is not None and said.get("encrypted_content"):
            final = {**read_object(item.final), "encrypted_content": said["encrypted_content"]}
            item.final = Raw(msgspec.json.encode(final))
            steps.append(Step(LATE, item, final=item.final))

    # --- ends

    def text_to_its_end(self, item: ToldItem, part: ToldPart, text: str | None, steps: list[AnyStep]) -> bool:
        """Tells the rest of a part's text; returns whether the whole text is the one that was told."""
        told = part.text()
        if text is None or text == told:
            return text is not None
        if not text.startswith(told) or part.texted or item.continued:
            return False
        rest = text[len(told) :]
        part.texts.append(rest)
        steps.append(make.text_delta(item, part, rest))
        return True

    def close_part(self, item: ToldItem, part: ToldPart, said: dict[str, Any], steps: list[AnyStep]) -> bool:
        """Tells all of a part but that it is done; returns whether what was said of it is what was told."""
        text = said.get(part.text_field)
        agrees = self.text_to_its_end(item, part, text if isinstance(text, str) else None, steps)
        annotations = said.get("annotations")
        if isinstance(annotations, list):
            for annotation in annotations[len(part.annotations) :]:
                part.annotations.append(annotation)
                steps.append(make.annotation_added(item, part, len(part.annotations) - 1))
        if isinstance(said.get("logprobs"), list) and len(said["logprobs"]) > len(part.logprobs):
            part.logprobs = said["logprobs"]
        if not part.texted:
            part.texted = True
            steps.append(make.text_done(item, part))
        return agrees

    def close_item(self, item: ToldItem, said: dict[str, Any], raw: Raw | None, steps: list[AnyStep]) -> bool:
        """Tells all of an item but that it is done; sets its final form, and returns whether that is `raw` as it is."""
        agrees = raw is not None and said.get("id") == item.id
        if item.type in ("message", "reasoning"):
            agrees &= self._close_list(item, item.content, said.get("content"), steps)
        if item.type == "reasoning":
            agrees &= self._close_list(item, item.summary, said.get("summary"), steps)
        if item.value_field is not None:
            agrees &= self._close_value(item, _value_of(item, said), steps)
        if agrees and raw is not None:
            line = _one_line(raw)
            item.end(line)
            return line == raw
        final = {**said, "id": item.id, "type": item.type}
        if item.type in ("message", "reasoning"):
            final["content"] = _merged(item.content, said.get("content"), summary=False)
        if item.type == "reasoning":
            final["summary"] = _merged(item.summary, said.get("summary"), summary=True)
        if item.value_field is not None:
            final[item.value_field] = "".join(item.value)
        item.end(Raw(msgspec.json.encode(final)))
        return False

    def _close_list(self, item: ToldItem, there: dict[int, ToldPart], said: Any, steps: list[AnyStep]) -> bool:
        """Closes the parts of one list; returns whether the list that was said is what was told."""
        entries = _known(said, summary=there is item.summary)
        by_place = {part.index: part for part in there.values()}
        agrees = True
        for place, (kind, entry) in enumerate(entries):
            part = by_place.pop(place, None)
            if part is None and not entry.get("text") and not entry.get("refusal"):
                continue
            if part is None:
                part = self.part(item, kind, place, steps)
            agrees &= self._to_its_end(item, part, entry, steps)
        for part in by_place.values():
            agrees = False
            self._to_its_end(item, part, {}, steps)
        return agrees

    def _to_its_end(self, item: ToldItem, part: ToldPart, said: dict[str, Any], steps: list[AnyStep]) -> bool:
        agrees = self.close_part(item, part, said, steps)
        if not part.closed:
            part.closed = True
            steps.append(make.part_done(item, part))
        return agrees

    def _close_value(self, item: ToldItem, said: Any, steps: list[AnyStep]) -> bool:
        agrees = self.value_to_its_end(item, said, steps)
        if not item.valued:
            item.valued = True
            steps.append(make.value_done(item))
        return agrees

    def value_to_its_end(self, item: ToldItem, said: Any, steps: list[AnyStep]) -> bool:
        """Tells the rest of a call's arguments or input; returns whether the whole is what was told."""
        told = "".join(item.value)
        as_text = said if isinstance(said, str) else None if said is None else json.dumps(said, ensure_ascii=False)
        if as_text is None or as_text == told:
            return isinstance(said, str)
        if item.valued or not as_text.startswith(told):
            return False
        item.value = [as_text]
        steps.append(make.value_delta(item, as_text[len(told) :]))
        return isinstance(said, str)

    # --- the end of the response

    def close_all(self, raws: list[Raw], status: str, steps: list[AnyStep]) -> None:
        """Closes what is open, as the final output has it or with what was told; then tells what only that has."""
        found: dict[int, Raw] = {}
        missing: list[Raw] = []
        for index, raw in enumerate(raws):
            item = self._match(index, read_object(raw), found.keys())
            if item is None:
                missing.append(raw)
            else:
                found[item.index] = raw
        for item in self.items:
            if item.final is None:
                known = found.get(item.index)
                own = item.to_dict("completed" if status == "completed" else "incomplete")
                self.close_item(item, own if known is None else read_object(known), known, steps)
                steps.append(done_step(item))
        for raw in missing:
            said = read_object(raw)
            item = self.open(None, str(said.get("type") or "message"), head_of(said))
            steps.append(make.added(item))
            self.close_item(item, said, raw, steps)
            steps.append(done_step(item))

    def _match(self, index: int, said: dict[str, Any], matched: Container[int]) -> ToldItem | None:
        """Returns the item that an entry of the final output is: by id, by place and type, or the next of its type."""
        free = [item for item in self.items if item.index not in matched]
        for item in free:
            if item.id == said.get("id") and item.id:
                return item
        same = [item for item in free if item.type == said.get("type")]
        return next((item for item in same if item.upstream_index == index), same[0] if same else None)


def done_step(item: ToldItem) -> Step:
    """Returns the made-up end of an item that has its final form."""
    fields = {"output_index": item.index, "item": item.final}
    return Step("response.output_item.done", item, fields=fields, final=item.final)


def head_of(said: dict[str, Any]) -> dict[str, Any]:
    """Returns what of an item stands there from the beginning."""
    if said.get("type") in ("message", "reasoning", "function_call", "custom_tool_call"):
        return {name: value for name, value in said.items() if name not in _HEAD_WITHOUT}
    return said


def kind_of(said: dict[str, Any]) -> PartKind | None:
    """Returns the kind of a part, None for a vendor's own."""
    return _KINDS.get(said.get("type"))


def _is_whole(item: ToldItem) -> bool:
    """Tells whether a call has all of its arguments or input, said or not."""
    if item.valued or item.type != "function_call":
        return item.valued
    try:
        msgspec.json.decode("".join(item.value))
    except msgspec.DecodeError:
        return False
    return True


def _value_of(item: ToldItem, said: dict[str, Any]) -> Any:
    """Returns the arguments or input of a call. A function that takes nothing gets an empty object, not nothing."""
    value = said.get(item.value_field or "")
    if value or item.value or item.type != "function_call" or said.get("status") == "incomplete":
        return value
    return "{}"


def _known(said: Any, *, summary: bool) -> list[tuple[PartKind, dict[str, Any]]]:
    """Returns the parts of a list that are of a known kind; a vendor's own are told by the item alone."""
    entries = said if isinstance(said, list) else []
    kinds = [(kind_of(entry), entry) for entry in entries if isinstance(entry, dict)]
    return [(kind, entry) for kind, entry in kinds if kind is not None and (kind == SUMMARY) == summary]


def _merged(there: dict[int, ToldPart], said: Any, *, summary: bool) -> list[Any]:
    """Returns the parts as told; what was said of them beside their text is kept."""
    entries = _known(said, summary=summary)
    merged: list[Any] = []
    for part in sorted(there.values(), key=lambda one: one.index):
        entry = entries[part.index][1] if part.index < len(entries) else {}
        merged.append({**part.to_dict(), **entry, "type": part.kind, part.text_field: part.text()})
    return merged


def _one_line(raw: Raw) -> Raw:
    """Returns JSON without line ends between its tokens: the data of an event is one line."""
    return Raw(bytes(raw).translate(None, b"\r\n")) if b"\n" in bytes(raw) or b"\r" in bytes(raw) else raw
