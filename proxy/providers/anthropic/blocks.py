"""The content blocks of one answer: which are open, and the events they make.

Blocks are told apart by their index, which is only a key: pieces of several may come mixed. Text and thinking go out
as they come; what only means something when it is whole (a signature, a citation, a call without arguments) waits for
the end of its block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...api.raw import given
from ...errors import UpstreamGarbled
from ...events import (
    Annotation,
    Event,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from .citations import annotation_of
from .fields import ANSWER_TOOL
from .frame import Frame
from .hosted import CALLS, HostedCall, is_result
from .wire import Block, Delta

STATE_FIELD = "thinking_blocks"
"""The name under which chat clients get thinking with its signature, and give it back."""

_MAX_CALL_ID = 64


class _Open:
    """A block that is open. `key` is that of a call; `pieces` are its thinking or arguments so far."""

    __slots__ = ("citations", "hosted", "key", "kind", "pieces", "signature", "start", "whole_input")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.key = -1
        self.start = 0
        self.signature = ""
        self.whole_input = ""  # arguments that came with the beginning
        self.pieces: list[str] = []
        self.citations: list[dict[str, Any]] = []
        self.hosted: HostedCall | None = None


class Blocks:
    """Takes blocks and their pieces; adds events.

    `said` tells whether anything was shown. `text_index` is the open text block that grew last, if nothing came after
    it. `answers_by_tool`: calls of the answer's tool are the answer. `sources`: tell what searches have found.
    `keeps`: what the upstream's own tools did is state that it wants back.
    """

    __slots__ = (
        "_answers_by_tool",
        "_bare",
        "_calls",
        "_frame",
        "_hosted",
        "_keeps",
        "_new_id",
        "_open",
        "_part_start",
        "_sources",
        "_used_ids",
        "said",
        "text_index",
    )

    def __init__(
        self, frame: Frame, new_id: Callable[[], str], *, answers_by_tool: bool, sources: bool, keeps: bool = False
    ) -> None:
        self._frame = frame
        self._new_id = new_id
        self._answers_by_tool = answers_by_tool
        self._sources = sources
        self._keeps = keeps
        self._open: dict[int, _Open] = {}
        self._hosted: dict[str, HostedCall] = {}  # calls whose result has not come
        self._used_ids: set[str] = set()
        self._bare: _Open | None = None  # a call that ended without arguments
        self._calls = 0
        self._part_start = 0  # where the part of the message begins that is open, in characters of all text
        self.said = False
        self.text_index: int | None = None

    def start(self, index: int, block: Block, events: list[Event]) -> None:
        """Takes the beginning of a block; what it holds already counts as its first piece."""
        self.stop(index, events)
        self._empty_arguments(events)
        kind = block.type
        if kind == "text":
            opened = _Open("text")
            opened.start = self._frame.chars
            opened.citations = list(block.citations or ())
            self._open[index] = opened
            self._text(index, block.text, events)
        elif kind == "thinking":
            self._open[index] = opened = _Open("thinking")
            opened.signature = block.signature or ""
            self._thinking(opened, block.thinking, events)
        elif kind == "redacted_thinking":
            self._redacted(block, events)
        elif kind == "tool_use":
            self._open[index] = self._call(block, events)
        elif kind in CALLS:
            self._open[index] = opened = _Open("hosted")
            opened.hosted = HostedCall(block)
        elif is_result(kind):
            self._result(block, events)

    def delta(self, index: int, delta: Delta, events: list[Event]) -> None:
        """Takes a piece of an open block. Hot: once an event."""
        if delta.text:
            self._text(index, delta.text, events)
            return
        opened = self._open.get(index)
        if opened is None:
            return
        if delta.partial_json:
            self._arguments(opened, delta.partial_json, events)
        elif delta.thinking:
            self._thinking(opened, delta.thinking, events)
        elif delta.signature:
            opened.signature = delta.signature
        elif delta.citation:
            opened.citations.append(delta.citation)

    def stop(self, index: int, events: list[Event]) -> None:
        """Takes the end of a block."""
        self.text_index = None
        opened = self._open.pop(index, None)
        if opened is None:
            return
        if opened.kind == "text":
            self._cite(opened, events)
        elif opened.kind == "thinking":
            if opened.signature:
                block = {"type": "thinking", "thinking": "".join(opened.pieces), "signature": opened.signature}
                self._state([block], events)
        elif opened.hosted is not None:
            self._hosted[opened.hosted.id] = opened.hosted
        elif opened.whole_input not in ("", "{}") and not opened.pieces:
            self._arguments(opened, opened.whole_input, events)
        elif not opened.pieces:
            self._bare = opened

    def end(self, events: list[Event], *, complete: bool) -> None:
        """Says that nothing follows. `complete` when the answer was not cut short, so that open blocks are whole."""
        if complete:
            for index in list(self._open):
                self.stop(index, events)
            self._empty_arguments(events)
        for call in self._hosted.values():
            self._item(call, None, events)
        self._hosted.clear()

    def _text(self, index: int, text: str | None, events: list[Event]) -> None:
        if not text:
            return
        self._frame.chars += len(text)
        self.said = True
        self.text_index = index
        events.append(TextDelta(text))

    def _thinking(self, opened: _Open, text: str | None, events: list[Event]) -> None:
        if text and opened.kind == "thinking":
            self._other()
            opened.pieces.append(text)
            events.append(ReasoningDelta(text, summary=True))

    def _redacted(self, block: Block, events: list[Event]) -> None:
        if block.data:
            self._state([{"type": "redacted_thinking", "data": block.data}], events)

    def _state(self, blocks: list[dict[str, Any]], events: list[Event]) -> None:
        self.text_index = None
        events.append(ReasoningState({"field": STATE_FIELD, "details": blocks}))

    def _call(self, block: Block, events: list[Event]) -> _Open:
        """Opens a call of one of the client's tools."""
        name = block.name
        if not name:
            raise UpstreamGarbled("The upstream sent a tool call without a name.")
        whole_input = bytes(block.input).decode("utf-8", "replace") if given(block.input) else ""
        opened = _Open("answer" if self._answers_by_tool and name == ANSWER_TOOL else "call")
        opened.whole_input = whole_input
        if opened.kind == "call":
            self._other()
            opened.key = self._calls
            self._calls += 1
            events.append(ToolCallStart(opened.key, self._call_id(block.id or ""), name))
        return opened

    def _arguments(self, opened: _Open, text: str, events: list[Event]) -> None:
        if opened.hosted is not None:
            opened.hosted.pieces.append(text)
        elif opened.kind == "call":
            self._other()
            opened.pieces.append(text)
            events.append(ToolCallDelta(opened.key, text))
        elif opened.kind == "answer":
            opened.pieces.append(text)
            self._text(-1, text, events)

    def _empty_arguments(self, events: list[Event]) -> None:
        """Says that a call has no arguments. Known only now: one that was cut short looks the same."""
        bare, self._bare = self._bare, None
        if bare is not None:
            self._arguments(bare, "{}", events)

    def _result(self, block: Block, events: list[Event]) -> None:
        call = self._hosted.pop(block.tool_use_id or "", None)
        if call is not None:
            self._item(call, block, events)
            if self._keeps:
                self._state(call.given_back(block), events)

    def _item(self, call: HostedCall, result: Block | None, events: list[Event]) -> None:
        item = call.item(result, sources=self._sources)
        if item is not None:
            self._other()
            events.append(OutputItem(item))

    def _cite(self, opened: _Open, events: list[Event]) -> None:
        end = self._frame.chars
        if end == opened.start:
            return
        for citation in opened.citations:
            annotation = annotation_of(citation, opened.start, end, self._part_start)
            if annotation is not None:
                events.append(Annotation(annotation))

    def _other(self) -> None:
        """Notes that something else than text is shown: text behind it is in a part of its own."""
        self.said = True
        self.text_index = None
        self._part_start = self._frame.chars

    def _call_id(self, id: str) -> str:
        """Returns the upstream's id if it can be used as it is, else one of our own."""
        if not 1 <= len(id) <= _MAX_CALL_ID or id.isspace() or id in self._used_ids:
            id = self._new_id()
        self._used_ids.add(id)
        return id
