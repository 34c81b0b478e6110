"""Makes a stream wrong in one place: every way that a translator's slip could show in its events.

Each mutation of a stream is yielded once, as its kind, the place, and the new events. Dropping, repeating and swapping
number the events anew, so that it is the order that must be noticed and not the numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support import grammar_shapes as shapes
from tests.support.grammar_framing import Event


class Mutation(NamedTuple):
    """One stream made wrong: what was done, to the event at which place, and what came of it."""

    kind: str
    place: int
    events: list[Event]


INDEXES = ("output_index", "content_index", "summary_index", "annotation_index")
TEXTS = ("delta", "text", "refusal", "arguments", "input", "name", "code", "message")
STATUSES = ("in_progress", "completed", "incomplete", "failed", "queued", "cancelled")
UNKNOWN = "altered"


def mutations(events: list[Event]) -> Iterator[Mutation]:
    """Yields all mutations of the stream."""
    yield from _reordered(events)
    for place, event in enumerate(events):
        for kind, changed in _changed(event):
            yield Mutation(kind, place, [*events[:place], changed, *events[place + 1 :]])


def _numbered(events: list[Event]) -> list[Event]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _reordered(events: list[Event]) -> Iterator[Mutation]:
    for place, event in enumerate(events):
        before, after = events[:place], events[place + 1 :]
        yield Mutation("drop", place, _numbered(before + after))
        yield Mutation("repeat", place, _numbered([*before, event, event, *after]))
        if after:
            swapped = _numbered([*before, after[0], event, *after[1:]])
            if swapped != events:
                yield Mutation("swap", place, swapped)


def _changed(event: Event) -> Iterator[tuple[str, Event]]:
    for step in (-1, 1):
        yield "renumber", {**event, "sequence_number": event["sequence_number"] + step}
    for kind in shapes.EVENTS:
        if kind != event["type"]:
            yield f"rename to {kind}", {**event, "type": kind}
    yield from _top_level(event)
    for path in _objects(event):
        yield from _inside(event, path)


def _top_level(event: Event) -> Iterator[tuple[str, Event]]:
    for name in INDEXES:
        if name in event:
            yield f"raise {name}", {**event, name: event[name] + 1}
            yield f"lower {name}", {**event, name: event[name] - 1}
    if "item_id" in event:
        yield "alter item_id", {**event, "item_id": event["item_id"] + "x"}
    if "delta" in event:
        yield "empty delta", {**event, "delta": ""}
    yield "add a field", {**event, "model": UNKNOWN}


def _objects(event: Event) -> Iterator[tuple[Any, ...]]:
    """Yields the paths to the event itself, its item, its part, its response, and what is in those."""
    yield ()
    for name in ("item", "part", "response", "error"):
        if isinstance(event.get(name), dict):
            yield (name,)
    response = event.get("response") or {}
    for name in ("usage", "error", "incomplete_details"):
        if isinstance(response.get(name), dict):
            yield ("response", name)
    for index, item in enumerate(response.get("output", ())):
        yield ("response", "output", index)
        yield from _parts(("response", "output", index), item)
    yield from _parts(("item",), event.get("item") or {})


def _parts(path: tuple[Any, ...], item: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for name in ("content", "summary"):
        for index in range(len(item.get(name, ()))):
            yield (*path, name, index)


def _at(event: Event, path: tuple[Any, ...]) -> Any:
    for step in path:
        event = event[step]
    return event


def _inside(event: Event, path: tuple[Any, ...]) -> Iterator[tuple[str, Event]]:
    target = _at(event, path)
    for name in target:
        if _may_be_absent(event, path, name):
            continue
        changed = copy.deepcopy(event)
        del _at(changed, path)[name]
        yield f"remove {'.'.join(map(str, (*path, name)))}", changed
    for name, value in _altered(path, target):
        changed = copy.deepcopy(event)
        _at(changed, path)[name] = value
        yield f"alter {'.'.join(map(str, (*path, name)))}", changed


def _may_be_absent(event: Event, path: tuple[Any, ...], name: str) -> bool:
    table = shapes.EVENTS[event["type"]]
    if path == ("response",):
        table = shapes.RESPONSE
    return table.get(name, "").startswith("~")


def _altered(path: tuple[Any, ...], target: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in TEXTS:
        if isinstance(target.get(name), str):
            yield name, target[name] + "x"
    for name in ("id", "call_id", "model"):
        if isinstance(target.get(name), str) and path:
            yield name, target[name] + "x"
    for status in STATUSES:
        if "status" in target and target["status"] != status:
            yield "status", status
    for name in ("content", "summary", "annotations", "logprobs", "output"):
        if target.get(name):
            yield name, target[name][:-1]
