"""The message or reasoning item of one response that is open: its parts, what they say, and how it closes.

At any time at most one such item is open, and in it at most one part. What opens closes what was open before it, so
that items finish in the order in which they began.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .event_writer import EventWriter
from .grammar import PartKind
from .open_calls import OpenCalls, padding
from .output import Output
from .output_items import ItemStatus, MessageItem, Part, ReasoningItem
from .plain_message import ITEM, close_message, open_message

_encode = msgspec.json.encode

Seal = Callable[[dict[str, Any], str], str | None]
"""Seals a reasoning item's state and text for `encrypted_content`; None when there is nothing to keep."""


class OpenItem(msgspec.Struct, eq=False):
    """Opens and closes items and parts. `item` and `part` are the open ones.

    `seal` seals what reasoning items keep; what is sealed but not shown is in `sealed`, by output index. State that
    belongs to no thinking gets an item of its own only where the client may see what is in it; otherwise it is in
    `unseen`, each with the number of items in front of it.
    """

    _writer: EventWriter
    _output: Output
    _calls: OpenCalls
    seal: Seal | None
    show_sealed: bool
    obfuscation: bool
    item: MessageItem | ReasoningItem | None = None
    part: Part | None = None
    sealed: dict[int, str] = {}
    unseen: list[tuple[int, dict[str, Any]]] = []
    _pending_state: dict[str, Any] = {}  # of thinking that is still to come
    _phase: str | None = None  # of the message that is still to come
    _text_length: int = 0  # of the text parts that are closed, in characters

    def chars(self) -> int:
        """Returns how many characters the model wrote for the open item."""
        return self.item.chars() if self.item is not None else 0

    def part_of(self, kind: PartKind, out: list[bytes]) -> Part:
        """Returns the open part of that kind, after opening it and closing what stands in its way."""
        self.close_calls(out)
        part = self.part
        if part is not None and part.kind == kind:
            return part
        item: MessageItem | ReasoningItem
        if kind in ("output_text", "refusal"):
            item = self._message(out)
        else:
            if kind == "reasoning_text" and isinstance(self.item, ReasoningItem) and self.item.summarised():
                self.close(out)  # raw thinking stands in front of a summary: this is another stretch of it
            item = self.reasoning(out)
        self._close_part(out)
        self.part = part = Part(kind, item, self._text_length)
        added = self._writer.event(part.grammar.added, {**part.place, "part": part.to_dict()})
        item.parts.append(part)
        out.append(added)
        return part

    def begin_text(self, out: list[bytes]) -> Part:
        """Does what `part_of` does for text, in one step where nothing is open: so most answers begin."""
        if self.item is not None or self._calls.by_key or self._phase is not None:
            return self.part_of("output_text", out)
        item = MessageItem()
        self._output.enter(item)
        part = Part("output_text", item, self._text_length)
        item.parts.append(part)
        self.item, self.part = item, part
        open_message(self._writer, part.item_id, item.index, out)
        return part

    def reasoning(self, out: list[bytes]) -> ReasoningItem:
        """Returns the open reasoning item, after opening it."""
        if isinstance(self.item, ReasoningItem):
            return self.item
        self.close(out)
        self._calls.close_whole(out)
        if self.unseen and self.unseen[-1][0] == len(self._output):  # it was this thinking's, and came before it
            _, state = self.unseen.pop()
            _merge(state, self._pending_state)
            self._pending_state = state
        item = ReasoningItem(self._pending_state)
        self._pending_state = {}
        self._output.add(item, out)
        self.item = item
        return item

    def delta(self, part: Part, text: str, out: list[bytes], logprobs: list[dict[str, Any]] | None = None) -> None:
        """Adds a piece of text to the open part."""
        part.texts.append(text)
        if not self._writer.heard:
            self._writer.next += 1
        elif logprobs or self.obfuscation:
            fields: dict[str, Any] = {**part.place, "delta": text}
            if part.kind == "output_text":
                fields["logprobs"] = logprobs or []
            if self.obfuscation:
                fields["obfuscation"] = padding(text)
            out.append(self._writer.event(part.grammar.delta, fields))
        else:
            writer = self._writer  # as `delta` of it does, without the call
            if writer.log is not None:
                writer.log.delta(part.template, text)
            number = writer.next
            writer.next = number + 1
            out.append(part.template % (number, _encode(text)))

    def annotate(self, annotation: dict[str, Any], out: list[bytes]) -> None:
        """Adds an annotation to the open text, if there is one. Its offsets count from the answer's beginning."""
        part = self.part
        if part is None or part.kind != "output_text":
            return
        if not self._calls.opens_item():  # that would end the text which is cited
            self._calls.close_whole(out)
        shown = dict(annotation)
        for key in ("start_index", "end_index"):
            if isinstance(shown.get(key), int):
                shown[key] = max(0, shown[key] - part.start)
        part.annotations.append(shown)
        place = {**part.place, "annotation_index": len(part.annotations) - 1}
        out.append(self._writer.event("response.output_text.annotation.added", {**place, "annotation": shown}))

    def keep_state(self, state: dict[str, Any], out: list[bytes]) -> None:
        """Keeps what the provider wants back. It may come before, with or after the thinking that it belongs to."""
        if isinstance(self.item, ReasoningItem):
            _merge(self.item.state, state)
            return
        _merge(self._pending_state, state)
        if self.item is None and not self._calls.by_key:
            self._flush_state(out)

    def make_room(self, out: list[bytes]) -> None:
        """Closes what is open, with state that no thinking has come for in an item of its own."""
        if self.item is not None:
            self.close(out)
        if self._pending_state:
            self._flush_state(out)
            self.close(out)

    def start_message(self, phase: str | None, out: list[bytes]) -> None:
        """Closes the open message: another one begins, with its first text."""
        if isinstance(self.item, MessageItem):
            self.close(out)
        self._phase = phase

    def close_calls(self, out: list[bytes]) -> None:
        """Closes the call that is whole. One that is shown only now would be a second open item: then this one ends."""
        if self.item is not None and self._calls.opens_item():
            self.close(out)
        self._calls.close_whole(out)

    def close(self, out: list[bytes], status: ItemStatus = "completed") -> None:
        """Closes the open item, if there is one."""
        item, part = self.item, self.part
        if item is None:
            return
        if part is not None and isinstance(item, MessageItem) and item.is_plain():
            self.item = self.part = None
            text = part.text()
            self._text_length += len(text)
            written = _encode(text)
            shown = ITEM % (part.item_id, status.encode(), written)
            self._output.put(item.index, shown, len(text))
            close_message(self._writer, part.item_id, item.index, written, shown, out)
            return
        self._close_part(out)
        self.item = None
        if isinstance(item, ReasoningItem) and self.seal is not None:
            sealed = self.seal(item.state, item.text())
            if self.show_sealed:
                item.sealed = sealed
            elif sealed is not None:
                self.sealed[item.index] = sealed
        self._output.finish(item, status, out)

    def kept(self) -> list[msgspec.Raw]:
        """Returns the finished items with all that is sealed, shown or not."""
        if not self.unseen and not self.sealed:
            return [msgspec.Raw(item) for item in self._output.items() if item is not None]
        kept: list[msgspec.Raw] = []
        unseen = [(place, self.seal(state, "")) for place, state in self.unseen] if self.seal is not None else []
        aside = [(place, self._output.unseen(n, sealed)) for n, (place, sealed) in enumerate(unseen) if sealed]
        for index, item in enumerate(self._output.items()):
            while aside and aside[0][0] <= index:
                kept.append(msgspec.Raw(aside.pop(0)[1]))
            if item is not None:
                sealed = self.sealed.get(index)
                more = b"" if sealed is None else b',"encrypted_content":' + _encode(sealed)
                kept.append(msgspec.Raw(item[:-1] + more + b"}"))
        return kept + [msgspec.Raw(item) for _, item in aside]

    def drop(self) -> None:
        """Forgets what is open: the response has ended."""
        self.item = self.part = None

    def _message(self, out: list[bytes]) -> MessageItem:
        if isinstance(self.item, MessageItem):
            return self.item
        self.close(out)
        item = MessageItem(self._phase)
        self._phase = None
        self._output.add(item, out)
        self.item = item
        return item

    def _flush_state(self, out: list[bytes]) -> None:
        """Opens an item for details that came without thinking, or puts them aside where it would show nothing."""
        if not self._pending_state.get("details") or self.seal is None:
            return
        if self.show_sealed:
            self.reasoning(out)
        else:
            self.unseen.append((len(self._output), self._pending_state))
            self._pending_state = {}

    def _close_part(self, out: list[bytes]) -> None:
        part = self.part
        if part is None:
            return
        self.part = None
        done: dict[str, Any] = {**part.place, part.grammar.text_field: part.text()}
        if part.kind == "output_text":
            done["logprobs"] = part.logprobs
            self._text_length += len(part.text())
        out.append(self._writer.event(part.grammar.done, done))
        out.append(self._writer.event(part.grammar.closed, {**part.place, "part": part.to_dict()}))


def _merge(state: dict[str, Any], more: dict[str, Any]) -> None:
    """Adds to a state: lists grow, everything else is replaced."""
    for name, value in more.items():
        if isinstance(value, list):
            state.setdefault(name, []).extend(value)
        else:
            state[name] = value
