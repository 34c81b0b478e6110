"""The tool calls of one response that are open: which events they make, and when each is closed.

Models may interleave the arguments of several calls, so any number can be open. A call is closed when something else
follows its complete arguments, so that clients can start on it; a call whose arguments are not complete stays open to
the end (wire reference, section 5.5).
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from ...events import ToolCallDelta, ToolCallStart
from .call_shapes import shaped
from .event_writer import EventWriter, delta_template
from .output import Output
from .output_items import CallItem, ItemStatus, ToolForms

_encode = msgspec.json.encode


class OpenCalls(msgspec.Struct, eq=False):
    """Takes the events of tool calls. `tools` says what the client calls them; `by_key` holds the open ones."""

    _writer: EventWriter
    _output: Output
    tools: ToolForms | None
    obfuscation: bool
    by_key: dict[int, CallItem] = {}
    _last: int | None = None  # key of the call that grew last: the only one that may have become whole

    def allows(self, event: ToolCallStart) -> bool:
        """Tells whether the client is to see a call."""
        return self.tools is None or self.tools.allows(event.name)

    def start(self, event: ToolCallStart, out: list[bytes]) -> None:
        """Opens a call; the one before it is closed if it is whole."""
        self.close_whole(out)
        form = self.tools.lookup(event.name) if self.tools is not None else None
        call = CallItem(event.call_id, event.name, form, freeform=event.freeform)
        self.by_key[event.key] = call
        self._last = event.key
        if call.grammar.delta is not None:
            self._add(call, out)

    def delta(self, event: ToolCallDelta, out: list[bytes]) -> None:
        """Adds to a call's arguments. Hot: once an event."""
        call = self.by_key.get(event.key)
        text = event.arguments
        if call is None or not text:
            return  # not shown, or closed as whole: then only white space can follow
        if event.key != self._last:
            self.close_whole(out)
            self._last = event.key
        call.written.pieces.append(text)
        if call.input is not None:
            text = call.input.feed(text)
        if not text or not call.template:
            return
        if self.obfuscation:
            self._show(call, text, out)
        else:
            call.shown.append(text)
            writer = self._writer  # as `delta` of it does, without the call
            if writer.log is not None:
                writer.log.delta(call.template, text)
            number = writer.next
            writer.next = number + 1
            out.append(call.template % (number, _encode(text)))

    def opens_item(self, beside: int | None = None) -> bool:
        """Tells whether `close_whole` adds an item now, that of a call which is shown only when it is whole.

        `beside` is the key of the call that grows next: it is not closed.
        """
        call = None if self._last is None or self._last == beside else self.by_key.get(self._last)
        return call is not None and call.index < 0 and call.is_whole()

    def close_whole(self, out: list[bytes]) -> None:
        """Closes the call that grew last, if its arguments are complete: something else follows."""
        if self._last is not None and (call := self.by_key.get(self._last)) is not None and call.is_whole():
            del self.by_key[self._last]
            self.close(call, "completed", out)

    def close(self, call: CallItem, status: ItemStatus, out: list[bytes]) -> None:
        """Closes a call: the rest of its arguments, and its final form."""
        if call.grammar.delta is None:
            call.shape = shaped(call.kind, call.written.text())
            if call.shape is None:
                call.become_function()
            self._add(call, out)
        if call.grammar.done is not None:
            if rest := _rest(call, status):
                self._show(call, rest, out)
            done = {**call.place, call.grammar.value_field: "".join(call.shown)}
            if call.kind == "function_call":
                done["name"] = call.name
            out.append(self._writer.event(call.grammar.done, done))
        self._output.finish(call, status, out)

    def take_all(self) -> list[CallItem]:
        """Returns the open calls, those that the client has seen by their place, and forgets them."""
        calls = sorted(self.by_key.values(), key=lambda call: (call.index < 0, call.index))
        self.by_key.clear()
        return calls

    def chars(self) -> int:
        """Returns how many characters the model wrote for the open calls."""
        return sum(call.chars() for call in self.by_key.values())

    def _add(self, call: CallItem, out: list[bytes]) -> None:
        self._output.add(call, out)
        if call.grammar.delta is not None:
            call.place = {"item_id": call.id, "output_index": call.index}
            call.template = delta_template(call.grammar.delta, call.place)

    def _show(self, call: CallItem, text: str, out: list[bytes]) -> None:
        assert call.grammar.delta is not None
        call.shown.append(text)
        if self.obfuscation:
            fields: dict[str, Any] = {**call.place, "delta": text, "obfuscation": padding(text)}
            out.append(self._writer.event(call.grammar.delta, fields))
        else:
            out.append(self._writer.delta(call.template, text))


def _rest(call: CallItem, status: ItemStatus) -> str:
    """Returns what is still missing of a call's arguments or input, so that the deltas add up to the whole."""
    if call.input is not None:
        return call.input.finish()
    if call.shown:
        return ""
    return call.written.text() or ("{}" if call.kind == "function_call" and status == "completed" else "")


def padding(text: str) -> str:
    """Returns letters that bring a delta to a multiple of 16 characters: its length does not tell the text's."""
    return secrets.token_urlsafe(16)[: 16 - len(text) % 16]
