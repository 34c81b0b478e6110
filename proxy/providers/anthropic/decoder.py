"""Turns the answers of the Messages API into neutral events. Sans-IO.

    message_start (content_block_start content_block_delta* content_block_stop)* message_delta message_stop

with `ping` anywhere, and `error` in place of the rest. Rules (wire reference, section 5.3):

- what an event is stands in its JSON; names of events may be missing;
- blocks are known by their index, and pieces of several may come mixed; unknown blocks, pieces and events are ignored;
- counts of tokens are cumulative, and null says nothing;
- an answer is whole when it was said why it stopped: a body that ends before that was cut, whatever has come;
- behind that reason an error changes nothing;
- a payload that is no JSON is skipped; three in a row fail the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import UpstreamCut, UpstreamGarbled
from ...events import Event, Finish, FinishReason, Refusal
from ...sse.parser import SseParser
from ..chat.surrogates import load
from ..provider import Payload
from .answer import BlockAnswer
from .blocks import Blocks
from .errors import stream_error
from .frame import Frame, TextFrame
from .usage import updated, usage_of
from .wire import UNREADABLE, Message, StreamEvent, decode_event, decode_leniently, decode_message

_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}
"""What is not `stop`; every other word is. A turn that was paused has more to say, as one that hit its limit."""

_TIERS = {"standard": "default", "priority": "priority"}
_DONE = b"[DONE]"


def new_call_id() -> str:
    """Returns an id for a call that the upstream gave none."""
    return "toolu_" + secrets.token_hex(12)


class MessagesDecoder(BlockAnswer):
    """Takes the payloads of one answer; returns its events, ending in one Finish or UpstreamFailed.

    `answers_by_tool` when the request made the model answer by calling a tool; `sources` when the client wants to know
    what searches have found; `keeps` when it gives back what the upstream's own tools did. `frame` recognises pieces of
    text where they are no server-sent events.
    """

    __slots__ = ("_stop_details", "_usage")

    def __init__(
        self,
        *,
        answers_by_tool: bool = False,
        sources: bool = False,
        keeps: bool = False,
        make_call_id: Callable[[], str] = new_call_id,
        frame: Frame | None = None,
    ) -> None:
        frame = frame or TextFrame()
        blocks = Blocks(frame, make_call_id, answers_by_tool=answers_by_tool, sources=sources, keeps=keeps)
        super().__init__(frame, blocks)
        self._usage: dict[str, Any] = {}
        self._stop_details: dict[str, Any] = {}

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads; returns the events they make. Hot: once a read."""
        self._frame.prefix = None
        events: list[Event] = []
        for name, data in payloads:
            if self.done:
                break
            try:
                event = decode_event(data)
            except UNREADABLE:
                self._misfit(name, data, events)
                continue
            self._malformed_run = 0
            if event.type == "content_block_delta":
                if event.delta is not None:
                    self._blocks.delta(event.index, event.delta, events)
            else:
                self._take(name, data, event, events)
        return events

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in Finish or UpstreamFailed."""
        events: list[Event] = []
        if not self.done:
            self._end(events, clean=False)
        return events

    def whole(self, body: bytes) -> list[Event]:
        """Takes the whole body of an answer, a message or a stream; returns all its events."""
        if body.lstrip()[:1] != b"{":
            parser = SseParser()
            events = self.feed(parser.feed(body) + parser.finish())
            return events + self.finish()
        events = self.feed([(b"", body)])
        if not self.done:
            self._fail(UpstreamGarbled("The upstream's answer is not a message."), events)
        return events

    def _take(self, name: bytes, data: bytes, event: StreamEvent, events: list[Event]) -> None:
        """Takes an event that is no piece of a block."""
        kind = event.type
        try:
            if kind == "content_block_start" and event.content_block is not None:
                self._blocks.start(event.index, event.content_block, events)
            elif kind == "content_block_stop":
                self._blocks.stop(event.index, events)
            elif kind == "message":
                self._message(decode_message(data), events)
            elif kind == "message_start" and event.message is not None:
                self._count(event.message.usage, events)
            elif kind == "message_delta":
                self._message_delta(event, events)
            elif kind == "message_stop":
                self._end(events, clean=True)
            elif kind == "error" or name == b"error" or (not kind and event.error):
                self._error(event.error if event.error else load(data), events)
        except UNREADABLE:
            self._skip(events)
        except UpstreamGarbled as error:
            self._fail(error, events)

    def _message_delta(self, event: StreamEvent, events: list[Event]) -> None:
        self._count(event.usage, events)
        delta = event.delta
        if delta is not None and delta.stop_reason and self._reason is None:
            self._reason = delta.stop_reason
            self._stop_details = delta.stop_details or {}

    def _message(self, message: Message, events: list[Event]) -> None:
        """Takes a message that came whole."""
        self._count(message.usage, events)
        self._reason, self._stop_details = message.stop_reason, message.stop_details or {}
        for index, block in enumerate(message.content or ()):
            self._blocks.start(index, block, events)
            self._blocks.stop(index, events)
        self._end(events, clean=True)

    def _count(self, usage: dict[str, Any] | None, events: list[Event]) -> None:
        if usage:
            self._usage = updated(self._usage, usage)
            events.append(usage_of(self._usage))

    def _misfit(self, name: bytes, data: bytes, events: list[Event]) -> None:
        """Takes a payload that is no event as it should be: a sloppy event, an error in words, nothing, or no JSON."""
        bare = data.strip()
        if not bare or bare == _DONE:
            return
        read = decode_leniently(data)
        if read is not None:
            self._malformed_run = 0
            event, mended = read
            if event.type == "content_block_delta" and event.delta is not None:
                self._blocks.delta(event.index, event.delta, events)
            else:
                self._take(name, mended, event, events)
        elif name == b"error":
            self._error(load(data), events)
        elif name == b"unframed":
            if self._reason is None and not self._blocks.said:
                error = "The upstream's answer is neither an event stream nor JSON."
                self._fail(UpstreamGarbled(error), events)
        else:
            self._skip(events)

    def _error(self, error: Any, events: list[Event]) -> None:
        """Takes an error; behind the reason of the end it changes nothing."""
        if self._reason is None:
            self._fail(stream_error(error), events)

    def _end(self, events: list[Event], *, clean: bool) -> None:
        """Ends the answer; `clean` when the upstream said so itself."""
        reason = self._reason
        if reason is None:
            if not clean:
                self._fail(UpstreamCut("The upstream closed the stream before it was complete."), events)
                return
            if not self._blocks.said:
                self._fail(UpstreamGarbled("The upstream ended without an answer."), events)
                return
        finish = _FINISH.get(reason or "", "stop")
        self._blocks.end(events, complete=finish == "stop")
        if finish == "content_filter":
            self._refuse(events)
        self.done = True
        tier = self._usage.get("service_tier")
        events.append(Finish(finish, _TIERS.get(tier) if isinstance(tier, str) else None))

    def _refuse(self, events: list[Event]) -> None:
        """Tells why the model has refused, where that was said."""
        explanation = self._stop_details.get("explanation")
        if isinstance(explanation, str) and explanation:
            events.append(Refusal(explanation))
