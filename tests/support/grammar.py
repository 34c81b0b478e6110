"""The judge of event streams: says whether bytes are a Responses stream as the wire reference defines it.

Written from sections 3 and 4 of that reference alone. It knows nothing of the encoder, so that a mistake there is not
repeated here. `check_stream` takes a stream, `check_response` the object of a non-streamed answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support import grammar_shapes as shapes
from tests.support.grammar_framing import (
    STRICT,
    TERMINAL,
    Event,
    GrammarViolation,
    Profile,
    frame,
    read_events,
)
from tests.support.grammar_items import Item

__all__ = [
    "STRICT",
    "Checked",
    "GrammarViolation",
    "Profile",
    "check_events",
    "check_response",
    "check_stream",
    "frame",
]

OPENINGS = ("response.created", "response.queued", "response.in_progress")
CHANGES = {"status", "completed_at", "output", "usage", "error", "incomplete_details", "service_tier", "moderation"}
CLOSING = (".done",)
OPEN_AT_THE_END = {"failed": "incomplete", "cancelled": "in_progress"}
"""What items are said to be that were open when the response ended so."""


@dataclass
class Checked:
    """What a valid stream said: its final Response and, joined from the deltas, its texts and calls."""

    response: dict[str, Any]
    events: list[Event]
    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        """The types of the events without `response.`, in order."""
        return [event["type"].removeprefix("response.") for event in self.events]

    @property
    def output(self) -> list[dict[str, Any]]:
        """The final items."""
        output: list[dict[str, Any]] = self.response["output"]
        return output

    def of(self, kind: str) -> list[Event]:
        """Returns the events of one type, written without `response.`."""
        return [event for event in self.events if event["type"].removeprefix("response.") == kind]


def check_stream(raw: bytes, *, done_marker: bool | None = True, profile: Profile | None = None) -> Checked:
    """Returns what the stream says; raises GrammarViolation with the place and the reason when it is not legal."""
    chosen = profile or Profile(done_marker=done_marker)
    return check_events(read_events(raw, chosen), chosen)


def check_events(events: list[Event], profile: Profile = STRICT) -> Checked:
    """Returns what the events say; raises GrammarViolation. Framing is not looked at."""
    judge = _Judge(profile)
    for number, event in enumerate(events):
        judge.take(f"event {number} ({event.get('type')})", event, number)
    return judge.finish(events)


class _Judge:
    """The state machine of a whole stream."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.items: list[Item] = []
        self.seen: list[str] = []
        self.first: dict[str, Any] | None = None
        self.error: Event | None = None
        self.final: dict[str, Any] | None = None
        self.closing: list[int] = []
        self.cut = False
        self.late: tuple[str, int] | None = None

    def take(self, where: str, event: Event, number: int) -> None:
        """Follows one event."""
        kind = event.get("type")
        self._check_fields(where, event, number)
        if self.final is not None:
            raise GrammarViolation(f"{where}: after the terminal event")
        if self.error is not None and kind != "response.failed":
            raise GrammarViolation(f"{where}: after the error event")
        self._check_late(kind, event.get("output_index"))
        if kind in OPENINGS:
            self._opening(where, event)
        elif self.first is None:
            raise GrammarViolation(f"{where}: before response.created")
        elif kind in TERMINAL:
            self._terminal(where, event)
        elif kind == "error":
            self._failure(where, event)
        else:
            self._item_event(where, event)
        self.seen.append(kind)

    def _check_fields(self, where: str, event: Event, number: int) -> None:
        kind = event.get("type")
        if kind in shapes.HOSTED and self.profile.hosted:
            shapes.fields(where, event, {"type": "text", "output_index": "count"}, self.profile)
        elif kind not in shapes.EVENTS:
            raise GrammarViolation(f"{where}: no event of the reference")
        else:
            table = {"type": "text", "sequence_number": "count", **shapes.EVENTS[kind]}
            if kind == "error" and not self.profile.flat_error:
                table = {"type": "text", "sequence_number": "count", "error": "object"}
            shapes.fields(where, event, table, self.profile, "event")
        if self.profile.numbered and event["sequence_number"] != number:
            raise GrammarViolation(f"{where}: sequence_number {event['sequence_number']} where {number} is due")
        if event.get("error") and kind != "error":
            raise GrammarViolation(f"{where}: a top-level error would be raised by the SDKs")

    def _opening(self, where: str, event: Event) -> None:
        kind, snapshot = event["type"], event["response"]
        legal = {0: OPENINGS[:1], 1: OPENINGS[1:], 2: OPENINGS[2:]}.get(len(self.seen), ())
        if kind not in legal or (len(self.seen) == 2 and self.seen[1] != "response.queued"):
            raise GrammarViolation(f"{where}: not here, behind {self.seen[-1:]}")
        self._snapshot(where, snapshot)
        waiting = bool(snapshot.get("background"))
        allowed = {"response.queued": ("queued",), "response.created": ("queued", "in_progress")[not waiting :]}
        shapes.one_of(f"{where}.status", snapshot["status"], allowed.get(kind, ("in_progress",)))
        if len(self.seen) == 1 and self.first and (self.first["status"] == "queued") != (kind == "response.queued"):
            raise GrammarViolation(f"{where}: behind a response.created with the status {self.first['status']!r}")
        if snapshot["output"] != []:
            raise GrammarViolation(f"{where}: a snapshot with items in it")
        for name in ("usage", "completed_at", "error", "incomplete_details"):
            if snapshot.get(name) is not None:
                raise GrammarViolation(f"{where}: a snapshot with {name}")
        self.first = self.first or snapshot

    def _snapshot(self, where: str, snapshot: dict[str, Any]) -> None:
        shapes.response(where, snapshot, self.profile)
        for name, value in (self.first or {}).items():
            if name not in CHANGES and name in snapshot and snapshot[name] != value:
                raise GrammarViolation(f"{where}: {name} was {value!r:.100}, now {snapshot[name]!r:.100}")
        if self.first is not None and self.first.keys() != snapshot.keys() and self.profile.exact_fields:
            raise GrammarViolation(f"{where}: other fields: {sorted(self.first.keys() ^ snapshot.keys())}")

    def _failure(self, where: str, event: Event) -> None:
        shapes.fields(f"{where}.error", event["error"], shapes.ERROR, self.profile, "error")
        if self.profile.flat_error:
            for name in ("code", "message", "param"):
                if event[name] != event["error"][name]:
                    raise GrammarViolation(f"{where}: {name} differs between the flat and the nested form")
        self.error = event

    def _item_event(self, where: str, event: Event) -> None:
        kind, index = event["type"], event["output_index"]
        if self.seen[-1] in OPENINGS and self.seen[-1] != "response.in_progress":
            raise GrammarViolation(f"{where}: before response.in_progress")
        if kind == "response.output_item.added":
            self._add(where, event, index)
        elif index >= len(self.items):
            raise GrammarViolation(f"{where}: there is no item {index}")
        else:
            self.items[index].take(where, event)
            self.cut = self.cut or (kind == "response.output_item.done" and event["item"].get("status") == "incomplete")
        if kind.endswith(CLOSING):
            if self.seen[-1] != "response.output_item.added":  # what came whole was never open beside others
                self.closing.append(index)
            return
        self.closing.clear()
        if self.cut and not self.items[index].is_call:
            raise GrammarViolation(f"{where}: something opens or grows after an incomplete item was done")
        for other in self.items:
            if other.index != index and other.should_be_closed():
                self.late = (f"{where}: the call {other.id} is complete and should have been closed", index)
                if not kind.endswith(".delta"):
                    raise GrammarViolation(self.late[0])

    def _check_late(self, kind: str, index: int | None) -> None:
        """Lets a delta pass beside a complete call when it was the last of its own: both close at the end."""
        if self.late is not None and not (kind.endswith(CLOSING) and index == self.late[1]):
            raise GrammarViolation(self.late[0])
        self.late = None

    def _add(self, where: str, event: Event, index: int) -> None:
        if index != len(self.items):
            raise GrammarViolation(f"{where}: output_index {index} where {len(self.items)} is due")
        added = Item(where, index, event["item"], self.profile)
        for other in self.items:
            if other.done is None and not other.is_call:
                raise GrammarViolation(f"{where}: {other.id} is still open")
            if other.id == added.id:
                raise GrammarViolation(f"{where}: the id {added.id} is used twice")
            call_id = added.added.get("call_id")
            if call_id and other.added.get("call_id") == call_id and self.profile.exact_fields:
                raise GrammarViolation(f"{where}: the call_id {call_id} is used twice")
        self.items.append(added)

    def _terminal(self, where: str, event: Event) -> None:
        kind, final = event["type"], event["response"]
        if self.seen[-1] != "error" and kind == "response.failed":
            raise GrammarViolation(f"{where}: without an error event directly before it")
        cancelled = kind == "response.incomplete" and final.get("status") == "cancelled"
        waited = cancelled and "response.queued" in self.seen
        if "response.in_progress" not in self.seen and kind != "response.failed" and not waited:
            raise GrammarViolation(f"{where}: without response.in_progress")
        if "response.queued" not in self.seen and self.first and self.first["status"] == "queued":
            raise GrammarViolation(f"{where}: a queued response, but no response.queued")
        self._snapshot(where, final)
        if final["status"] != kind.removeprefix("response.") and not cancelled:
            raise GrammarViolation(f"{where}: status {final['status']!r}")
        if len(final["output"]) != len(self.items):
            raise GrammarViolation(f"{where}: {len(final['output'])} items, but the stream had {len(self.items)}")
        for item, last in zip(self.items, final["output"], strict=True):
            item.check_final(f"{where}.output[{item.index}]", last, OPEN_AT_THE_END.get(final["status"]))
        check_truth(where, final, self.profile)
        if self.closing != sorted(self.closing) and kind != "response.failed":
            raise GrammarViolation(f"{where}: items closed in the order {self.closing}")
        if self.error is not None:
            for name in ("code", "message"):
                if final["error"][name] != self.error["error"][name]:
                    raise GrammarViolation(f"{where}: error.{name} differs from the error event's")
        self.final = final

    def finish(self, events: list[Event]) -> Checked:
        """Returns what was said; raises GrammarViolation when the stream just stops."""
        if self.final is None:
            raise GrammarViolation("the stream ends without a terminal event")
        said = Checked(self.final, events)
        for item in self.items:
            for part in item.parts + item.summary:
                text = "".join(part.pieces)
                if part.kind == "output_text":
                    said.text += text
                elif part.kind == "refusal":
                    said.refusal += text
                else:
                    said.reasoning += text
            if item.kind in ("function_call", "custom_tool_call"):
                said.calls.append((item.added["name"], item.text))
        return said


def check_truth(where: str, final: dict[str, Any], profile: Profile = STRICT) -> None:
    """Checks that status, error, incomplete_details, completed_at and the items' statuses agree (section 3.2)."""
    status = final["status"]
    due = {"failed": "error", "incomplete": "incomplete_details", "completed": "completed_at"}
    for name in due.values():
        if f"response.{name}" in profile.may_omit and final.get(name) is None:
            continue
        if (final.get(name) is not None) != (due.get(status) == name):
            raise GrammarViolation(f"{where}: {name} is {final.get(name)!r} although the response is {status}")
    if final.get("completed_at") is not None and final["completed_at"] < final["created_at"]:
        raise GrammarViolation(f"{where}: completed before it was created")
    statuses = [item.get("status", "completed") for item in final["output"] if item.get("type") in shapes.ITEMS]
    if "in_progress" in statuses and status in ("completed", "incomplete", "failed"):
        raise GrammarViolation(f"{where}: an item in progress in a response that is {status}")
    if "incomplete" in statuses and status not in ("incomplete", "failed"):
        raise GrammarViolation(f"{where}: an incomplete item in a response that is {status}")
    if status == "queued" and final["output"]:
        raise GrammarViolation(f"{where}: items in a response that waits")
    if status in ("queued", "in_progress") and final.get("usage") is not None:
        raise GrammarViolation(f"{where}: usage in a response that is {status}")
    if status == "incomplete" and final["incomplete_details"]["reason"] == "max_output_tokens" and final["output"]:
        last = final["output"][-1]
        if last["type"] in ("message", "reasoning") and last.get("status", "incomplete") != "incomplete":
            raise GrammarViolation(f"{where}: cut in a {last['type']} that is said to be complete")


def check_response(obj: Any, profile: Profile = STRICT) -> dict[str, Any]:
    """Returns the Response of a non-streamed answer after checking it; raises GrammarViolation."""
    shapes.response("response", obj, profile)
    check_truth("response", obj, profile)
    ids: set[str] = {obj["id"]}
    for index, item in enumerate(obj["output"]):
        where = f"response.output[{index}]"
        shapes.item(where, item, profile)
        for name in ("id", "call_id"):
            if item.get(name) in ids:
                raise GrammarViolation(f"{where}: the {name} {item[name]!r} is used twice")
            ids.add(item.get(name) or f"no {name} at {index}")
        _check_nothing_empty(where, item)
    checked: dict[str, Any] = obj
    return checked


def _check_nothing_empty(where: str, item: dict[str, Any]) -> None:
    parts = (item.get("content") or []) + (item.get("summary") or [])
    if any(not (part.get("text") or part.get("refusal")) for part in parts):
        raise GrammarViolation(f"{where}: an empty part")
    hollow = not parts and "encrypted_content" not in item and item.get("status", "completed") == "completed"
    if (item["type"] == "message" and not parts) or (item["type"] == "reasoning" and hollow):
        raise GrammarViolation(f"{where}: nothing in it")
    if item["type"] == "function_call" and item.get("status") == "completed" and not item["arguments"]:
        raise GrammarViolation(f"{where}: a completed call with empty arguments")
