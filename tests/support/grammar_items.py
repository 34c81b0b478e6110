"""The life of one output item, as section 4.3 of the wire reference draws it.

An item is followed from `output_item.added` to `output_item.done`. Whatever its events said is put together here,
independently of what the later events claim, and compared with them.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support import grammar_shapes as shapes
from tests.support.grammar_framing import Event, GrammarViolation, Profile

CALLS = {
    "function_call", "custom_tool_call", "tool_search_call", "local_shell_call", "shell_call", "apply_patch_call",
}  # fmt: skip
GROWS = {
    "status", "content", "summary", "arguments", "input", "action", "operation", "encrypted_content", "result",
    "output_format",
}  # fmt: skip
TEXT_KEY = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text", "summary_text": "text"}
PART_OF = {"message": ("output_text", "refusal"), "reasoning": ("reasoning_text",)}
PART_EVENTS = {
    "response.output_text.delta": "output_text",
    "response.output_text.done": "output_text",
    "response.output_text.annotation.added": "output_text",
    "response.refusal.delta": "refusal",
    "response.refusal.done": "refusal",
    "response.reasoning_text.delta": "reasoning_text",
    "response.reasoning_text.done": "reasoning_text",
    "response.reasoning_summary_text.delta": "summary_text",
    "response.reasoning_summary_text.done": "summary_text",
}
CALL_EVENTS = {
    "response.function_call_arguments.delta": ("function_call", "arguments"),
    "response.function_call_arguments.done": ("function_call", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input"),
    "response.custom_tool_call_input.done": ("custom_tool_call", "input"),
}
CLOSED_BY = {"response.content_part.done", "response.reasoning_summary_part.done"}
OPENED_BY = {"response.content_part.added", "response.reasoning_summary_part.added"}


class Part:
    """A content or summary part while it grows."""

    def __init__(self, kind: str, index: int) -> None:
        self.kind = kind
        self.index = index
        self.pieces: list[str] = []
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []
        self.said = False

    def built(self) -> dict[str, Any]:
        """Returns the part as its events have made it so far."""
        made: dict[str, Any] = {"type": self.kind, TEXT_KEY[self.kind]: "".join(self.pieces)}
        if self.kind == "output_text":
            made |= {"annotations": self.annotations, "logprobs": self.logprobs}
        return made


class Item:
    """One output item: `take` is given each of its events but `output_item.added`, which made it."""

    def __init__(self, where: str, index: int, added: dict[str, Any], profile: Profile) -> None:
        shapes.item(where, added, profile)
        self.index = index
        self.added = added
        self.profile = profile
        self.kind: str = added["type"]
        self.id: str = added["id"]
        self.parts: list[Part] = []
        self.summary: list[Part] = []
        self.open: Part | None = None
        self.pieces: list[str] = []
        self.said: str | None = None
        self.steps: list[str] = []
        self.done: dict[str, Any] | None = None
        self._check_added(where)

    def _check_added(self, where: str) -> None:
        if self.added.get("status", "in_progress") != "in_progress" and self.is_strict:
            raise GrammarViolation(f"{where}: an item is added with the status {self.added['status']!r}")
        for name in ("content", "summary", "input"):
            if self.added.get(name):
                raise GrammarViolation(f"{where}: an item is added with its {name} already there")
        if self.kind == "function_call" and self.added["arguments"]:
            raise GrammarViolation(f"{where}: a call is added with its arguments already there")

    @property
    def is_strict(self) -> bool:
        """Whether all of the item is looked at, and not only that it is one of a hosted tool."""
        return self.kind in shapes.ITEMS and not (self.profile.hosted and self.kind in shapes.HOSTED_ITEMS)

    @property
    def is_call(self) -> bool:
        """Whether the item is a tool call, and may overlap with other calls."""
        return self.kind in CALLS

    @property
    def text(self) -> str:
        """The joined deltas of a call."""
        return "".join(self.pieces)

    def should_be_closed(self) -> bool:
        """Whether this is an open call that is half closed, or whose arguments are already complete (section 5.5)."""
        if self.said is not None and self.done is None:
            return True
        if self.kind != "function_call" or self.done is not None or not self.text.lstrip().startswith(("{", "[")):
            return False
        try:
            json.loads(self.text)
        except ValueError:
            return False
        return True

    def take(self, where: str, event: Event) -> None:
        """Follows one event of this item; raises GrammarViolation when it may not come here."""
        kind = event["type"]
        if self.done is not None:
            raise GrammarViolation(f"{where}: an event of the finished item {self.id}")
        if kind == "response.output_item.done":
            self._finish(where, event["item"])
            return
        if event.get("item_id", self.id) != self.id:
            raise GrammarViolation(f"{where}: item_id {event['item_id']!r}, but item {self.index} is {self.id!r}")
        if kind in OPENED_BY:
            self._open_part(where, event)
        elif kind in CLOSED_BY:
            self._close_part(where, event)
        elif kind in PART_EVENTS:
            self._grow_part(where, event)
        elif kind in CALL_EVENTS:
            self._grow_call(where, event)
        elif kind in shapes.IMAGE_STEPS and self.kind == "image_generation_call":
            self.steps.append(kind)
        elif self.is_strict and self.kind not in CALLS:
            raise GrammarViolation(f"{where}: no event of a {self.kind}")

    def _list(self, event: Event) -> tuple[list[Part], int]:
        if "summary_index" in event:
            return self.summary, event["summary_index"]
        return self.parts, event["content_index"]

    def _open_part(self, where: str, event: Event) -> None:
        parts, index = self._list(event)
        allowed = ("summary_text",) if parts is self.summary else PART_OF.get(self.kind, ())
        shapes.part(where, event["part"], allowed, self.profile)
        if parts is self.summary and self.kind != "reasoning":
            raise GrammarViolation(f"{where}: a summary part in a {self.kind}")
        if self.open is not None:
            raise GrammarViolation(f"{where}: a part opens while part {self.open.index} is open")
        if parts is self.parts and self.summary:
            raise GrammarViolation(f"{where}: a content part after a summary part of the same item")
        if index != len(parts):
            raise GrammarViolation(f"{where}: index {index} where {len(parts)} is due")
        self.open = Part(event["part"]["type"], index)
        parts.append(self.open)
        self._same(where, "the added part", event["part"], self.open.built())

    def _current(self, where: str, event: Event) -> Part:
        parts, index = self._list(event)
        if self.open is None or not parts or parts[-1] is not self.open:
            raise GrammarViolation(f"{where}: no part is open in {self.id}")
        if index != self.open.index:
            raise GrammarViolation(f"{where}: index {index}, but part {self.open.index} is open")
        return self.open

    def _grow_part(self, where: str, event: Event) -> None:
        part = self._current(where, event)
        kind = event["type"]
        if PART_EVENTS[kind] != part.kind:
            raise GrammarViolation(f"{where}: in a part of type {part.kind}")
        if part.said:
            raise GrammarViolation(f"{where}: after the part's text was said to be done")
        if kind.endswith(".delta"):
            part.pieces.append(event["delta"])
            shapes.logprobs(f"{where}.logprobs", event.get("logprobs") or [], self.profile)
            part.logprobs += event.get("logprobs") or []
        elif kind.endswith("annotation.added"):
            if event["annotation_index"] != len(part.annotations):
                raise GrammarViolation(f"{where}: annotation_index {event['annotation_index']}")
            shapes.annotation(where, event["annotation"], self.profile)
            part.annotations.append(event["annotation"])
        else:
            part.said = True
            built = part.built()
            key = TEXT_KEY[part.kind]
            self._same(where, f"the {key}", event[key], built[key])
            if part.kind == "output_text" and self.profile.exact_logprobs:
                self._same(where, "the logprobs", event["logprobs"], built["logprobs"])

    def _close_part(self, where: str, event: Event) -> None:
        part = self._current(where, event)
        if not part.said:
            raise GrammarViolation(f"{where}: before the part's text was said to be done")
        if not part.pieces:
            raise GrammarViolation(f"{where}: an empty part")
        shapes.part(where, event["part"], (part.kind,), self.profile)
        self._same(where, "the part", event["part"], part.built())
        self.open = None

    def _grow_call(self, where: str, event: Event) -> None:
        kind, name = CALL_EVENTS[event["type"]]
        if kind != self.kind:
            raise GrammarViolation(f"{where}: an event of a {self.kind}")
        if self.said is not None:
            raise GrammarViolation(f"{where}: after {name}.done")
        if event["type"].endswith(".delta"):
            self.pieces.append(event["delta"])
            return
        self.said = event[name]
        self._same(where, f"the {name}", self.said, self.text)
        if "name" in event:
            self._same(where, "the name", event["name"], self.added["name"])

    def _finish(self, where: str, item: dict[str, Any]) -> None:
        shapes.item(where, item, self.profile)
        status = item.get("status", "completed")
        if status not in ("completed", "incomplete") and self.is_strict:
            raise GrammarViolation(f"{where}: an item is done with the status {status!r}")
        if self.open is not None:
            raise GrammarViolation(f"{where}: part {self.open.index} is still open")
        if self.kind in ("function_call", "custom_tool_call") and self.said is None:
            raise GrammarViolation(f"{where}: the call's text was never said to be done")
        self._check_constant(where, item)
        self._check_content(where, item)
        if self.kind == "message" and not self.parts:
            raise GrammarViolation(f"{where}: a message without a part")
        if self.kind == "image_generation_call" and self.is_strict and tuple(self.steps) != shapes.IMAGE_STEPS:
            raise GrammarViolation(f"{where}: an image that was made in the steps {self.steps}")
        hollow = self.kind == "reasoning" and not (self.parts or self.summary or item.get("encrypted_content"))
        if hollow and self.profile.exact_fields:
            raise GrammarViolation(f"{where}: a reasoning item with nothing in it")
        if self.kind == "function_call" and status == "completed" and not item["arguments"]:
            raise GrammarViolation(f"{where}: a completed call with empty arguments")
        self.done = item

    def _check_constant(self, where: str, item: dict[str, Any]) -> None:
        for name, value in self.added.items():
            free = name in GROWS or (self.kind in shapes.HOSTED_ITEMS and name not in ("id", "type"))
            if not free and item.get(name) != value:
                raise GrammarViolation(f"{where}: {name} was {value!r} when added, now {item.get(name)!r}")
        if item.keys() - self.added.keys() - GROWS and self.profile.exact_fields:
            raise GrammarViolation(f"{where}: new fields {sorted(item.keys() - self.added.keys() - GROWS)}")

    def _check_content(self, where: str, item: dict[str, Any]) -> None:
        if self.kind in ("message", "reasoning"):
            self._same(where, "the content", item.get("content") or [], [part.built() for part in self.parts])
        if self.kind == "reasoning":
            self._same(where, "the summary", item["summary"], [part.built() for part in self.summary])
        if self.kind in ("function_call", "custom_tool_call"):
            name = "arguments" if self.kind == "function_call" else "input"
            self._same(where, f"the {name}", item[name], self.text)

    def check_final(self, where: str, item: Any, if_open: str | None) -> None:
        """Checks the item of the terminal snapshot against what the stream said of it; `if_open` is its status then."""
        shapes.item(where, item, self.profile)
        if self.done is not None:
            ignored = {"encrypted_content"} if self.profile.sealed_changes else set()
            same = {name: value for name, value in item.items() if name not in ignored}
            self._same(where, "the item", same, {k: v for k, v in self.done.items() if k not in ignored})
            return
        if if_open is None:
            raise GrammarViolation(f"{where}: {self.id} was never done")
        if item.get("status") != if_open:
            raise GrammarViolation(f"{where}: {self.id} was open at the end but is {item.get('status')!r}")
        if any(not part.pieces for part in self.parts + self.summary):
            raise GrammarViolation(f"{where}: an empty part in {self.id}")
        self._check_constant(where, item)
        self._check_content(where, item)

    def _same(self, where: str, what: str, found: Any, expected: Any) -> None:
        if not self.profile.exact_logprobs:
            found, expected = _without_logprobs(found), _without_logprobs(expected)
        if found != expected:
            raise GrammarViolation(f"{where}: {what} is {found!r:.300}, but the stream said {expected!r:.300}")


def _without_logprobs(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_logprobs(entry) for name, entry in value.items() if name != "logprobs"}
    if isinstance(value, list):
        return [_without_logprobs(entry) for entry in value]
    return value
