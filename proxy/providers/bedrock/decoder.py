"""Turns the answers of Converse and ConverseStream into neutral events. Sans-IO.

    messageStart (contentBlockStart? contentBlockDelta* contentBlockStop)* messageStop metadata

with an exception in place of the rest. Rules (wire reference, section 8.7):

- only calls are begun by an event; every other block begins with its first piece;
- what a block is, and what becomes of it, is the same as in the Messages API, so that its blocks are used;
- tokens are counted behind `messageStop`: the answer ends with them, or with the body;
- an answer is whole when it was said why it stopped: a body that ends before that was cut, whatever has come;
- behind that reason an exception or a broken message changes nothing;
- a payload that is no JSON is skipped; three in a row fail the answer.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Sequence

import msgspec

from ...api.raw import given
from ...errors import UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamStreamError
from ...events import Event, Finish, FinishReason, ReasoningDelta
from ...sse.event_stream import BROKEN, EXCEPTION, EventStreamParser
from ..anthropic.answer import BlockAnswer
from ..anthropic.blocks import Blocks
from ..anthropic.wire import Block as MessagesBlock
from ..anthropic.wire import Delta as MessagesDelta
from ..chat.surrogates import load
from ..provider import Payload
from .citations import messages_citation
from .errors import stream_error
from .frame import TextMessage
from .sealing import BINARY
from .usage import usage_of
from .wire import (
    UNREADABLE,
    Block,
    BlockEvent,
    Cited,
    Ending,
    Reasoning,
    ToolUse,
    decode_block_event,
    read_block_event,
    read_end,
)

_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""What is not `stop`; every other word is."""

_FAILED = {
    "malformed_model_output": "The model's answer could not be read by the upstream.",
    "malformed_tool_use": "The model called a tool in a form that the upstream could not read.",
}
_TIERS = {"default": "default", "flex": "flex", "priority": "priority", "reserved": "scale"}

_decode_string = msgspec.json.Decoder(str).decode


def new_call_id() -> str:
    """Returns an id for a call that the upstream gave none."""
    return "tooluse_" + secrets.token_hex(12)


class ConverseDecoder(BlockAnswer):
    """Takes the payloads of one answer; returns its events, ending in one Finish or UpstreamFailed.

    `done` is True from then on. `malformed` counts payloads that were skipped. `answers_by_tool` when the request made
    the model answer by calling a tool; `summaries` when the thinking that the model shows is a summary.
    """

    __slots__ = ("_open", "_redacted", "_signatures", "_summaries", "_tier")

    def __init__(
        self,
        *,
        answers_by_tool: bool = False,
        summaries: bool = True,
        make_call_id: Callable[[], str] = new_call_id,
    ) -> None:
        frame = TextMessage()
        super().__init__(frame, Blocks(frame, make_call_id, answers_by_tool=answers_by_tool, sources=False))
        self._summaries = summaries
        self._open: set[int] = set()
        self._signatures: dict[int, str] = {}
        self._redacted: dict[int, bytes] = {}
        self._tier: str | None = None

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads; returns the events they make. Hot: once a read."""
        self._frame.prefix = None
        events: list[Event] = []
        for name, data in payloads:
            if self.done:
                break
            if name != b"contentBlockDelta":
                self._take(name, data, events)
                continue
            event: BlockEvent | None
            try:
                event = decode_block_event(data)
            except UNREADABLE:
                event = read_block_event(data)
                if event is None:
                    self._skip(events)
                    continue
            if event.delta is not None:
                self._delta(event.content_block_index, event.delta, events)
        return events

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in Finish or UpstreamFailed."""
        events: list[Event] = []
        if not self.done:
            self._end(events)
        return events

    def whole(self, body: bytes) -> list[Event]:
        """Takes the whole body of an answer, a message or a stream; returns all its events."""
        if body.lstrip()[:1] != b"{":
            events = self.feed(EventStreamParser().feed(body))
            return events + self.finish()
        events = []
        answer = read_end(body)
        if answer is None or answer.output is None or answer.output.message is None:
            self._fail(UpstreamGarbled("The upstream's answer is not a message."), events)
            return events
        for index, block in enumerate(answer.output.message.content or ()):
            self._whole_block(index, block, events)
        self._ending(answer, events)
        if not self.done:
            self._end(events)
        return events

    # --- events

    def _take(self, name: bytes, data: bytes, events: list[Event]) -> None:
        """Takes what is no piece of a block; events that are not known are ignored."""
        if name in (b"contentBlockStart", b"contentBlockStop"):
            event = read_block_event(data)
            if event is None:
                self._skip(events)
            elif event.start is None:
                self._stop(event.content_block_index, events)
            else:
                self._start(event.content_block_index, event.start, events)
        elif name in (b"messageStop", b"metadata"):
            ending = read_end(data)
            if ending is None:
                self._skip(events)
            else:
                self._ending(ending, events)
                if name == b"metadata" and self._reason is not None and not self.done:
                    self._end(events)
        elif name.startswith(EXCEPTION):
            self._exception(stream_error(name[len(EXCEPTION) :].decode("utf-8", "replace"), data), events)
        elif name == BROKEN:
            self._exception(UpstreamGarbled(data.decode("utf-8", "replace")), events)

    def _ending(self, ending: Ending, events: list[Event]) -> None:
        """Takes why the answer ends, and what it took."""
        self._malformed_run = 0
        if ending.stop_reason and self._reason is None:
            self._reason = ending.stop_reason
        if ending.service_tier is not None and ending.service_tier.type:
            self._tier = _TIERS.get(ending.service_tier.type)
        if ending.usage:
            events.append(usage_of(ending.usage))

    def _exception(self, error: UpstreamError, events: list[Event]) -> None:
        if self._reason is None:
            self._fail(error, events)
        else:
            self._end(events)

    # --- blocks

    def _start(self, index: int, start: Block, events: list[Event]) -> None:
        if start.tool_use is None:
            return
        try:
            self._blocks.start(index, _call(start.tool_use), events)
        except UpstreamGarbled as error:
            self._fail(error, events)
        self._open.add(index)

    def _delta(self, index: int, delta: Block, events: list[Event]) -> None:
        """Takes a piece of a block. Hot: once an event."""
        self._malformed_run = 0
        if delta.text:
            self._opened(index, "text", events)
            self._blocks.delta(index, MessagesDelta(text=delta.text), events)
        elif delta.tool_use is not None:
            piece = _piece(delta.tool_use)
            if piece:
                self._blocks.delta(index, MessagesDelta(partial_json=piece), events)
        elif delta.reasoning_content is not None:
            self._reasoning(index, delta.reasoning_content, events)
        elif delta.citation is not None:
            self._opened(index, "text", events)
            self._blocks.delta(index, MessagesDelta(citation=messages_citation(delta.citation)), events)

    def _opened(self, index: int, kind: str, events: list[Event]) -> None:
        """Opens a block that no event has begun."""
        if index not in self._open:
            self._open.add(index)
            self._blocks.start(index, MessagesBlock(type=kind), events)

    def _reasoning(self, index: int, piece: Reasoning, events: list[Event]) -> None:
        """Takes a piece of thinking. Signatures and redacted thinking may come in several."""
        if piece.redacted_content:
            self._redacted[index] = self._redacted.get(index, b"") + _decoded(piece.redacted_content)
            return
        self._opened(index, "thinking", events)
        if piece.text:
            self._blocks.delta(index, MessagesDelta(thinking=piece.text), events)
            self._name_thinking(events)
        if piece.signature:
            self._signatures[index] = whole = self._signatures.get(index, "") + piece.signature
            self._blocks.delta(index, MessagesDelta(signature=whole), events)

    def _name_thinking(self, events: list[Event]) -> None:
        """Says of the last piece whether it is of a summary."""
        if not self._summaries and events and isinstance(events[-1], ReasoningDelta):
            events[-1].summary = False

    def _stop(self, index: int, events: list[Event]) -> None:
        self._open.discard(index)
        self._signatures.pop(index, None)
        redacted = self._redacted.pop(index, b"")
        if redacted:
            self._blocks.start(index, MessagesBlock(type="redacted_thinking", data=_redacted(redacted)), events)
        self._blocks.stop(index, events)

    def _whole_block(self, index: int, block: Block, events: list[Event]) -> None:
        """Takes a block of an answer that is not streamed."""
        if block.tool_use is not None:
            self._start(index, block, events)
        elif block.reasoning_content is not None:
            text = block.reasoning_content.reasoning_text
            if text is not None:
                self._reasoning(index, Reasoning(text=text.text, signature=text.signature), events)
            else:
                self._reasoning(index, block.reasoning_content, events)
        elif block.citations_content is not None:
            self._cited(index, block.citations_content, events)
        else:
            self._delta(index, block, events)
        if not self.done:
            self._stop(index, events)

    def _cited(self, index: int, cited: Cited, events: list[Event]) -> None:
        for citation in cited.citations or ():
            self._delta(index, Block(citation=citation), events)
        for text in cited.content or ():
            self._delta(index, Block(text=text.text), events)

    # --- the end

    def _end(self, events: list[Event]) -> None:
        reason = self._reason
        if reason is None:
            self._fail(UpstreamCut("The upstream closed the stream before it was complete."), events)
            return
        if reason in _FAILED:
            self._fail(UpstreamStreamError(_FAILED[reason]), events)
            return
        finish = _FINISH.get(reason, "stop")
        if finish == "stop":
            for index in list(self._redacted):
                self._stop(index, events)
        self._blocks.end(events, complete=finish == "stop")
        self.done = True
        events.append(Finish(finish, self._tier))


def _call(tool: ToolUse) -> MessagesBlock:
    """Returns the beginning of a call; its arguments are there already when it came whole."""
    kind = "server_tool_use" if tool.type == "server_tool_use" else "tool_use"
    return MessagesBlock(type=kind, id=tool.tool_use_id, name=tool.name, input=tool.input)


def _piece(tool: ToolUse) -> str:
    """Returns a piece of a call's arguments: a string of JSON text, or an object by a server that differs."""
    raw = bytes(tool.input) if given(tool.input) else b""
    if not raw.startswith(b'"'):
        return raw.decode("utf-8", "replace")
    try:
        return _decode_string(raw)
    except UNREADABLE:
        text = load(raw)
        return text if isinstance(text, str) else ""


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return encoded.encode()


def _redacted(data: bytes) -> str:
    """Returns redacted thinking as the Messages API has it: Claude's is text, whatever else it is becomes text."""
    return data.decode() if data.isascii() else BINARY + base64.b64encode(data).decode()
