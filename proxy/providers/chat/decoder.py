"""Turns the chunks of a chat-completions upstream into neutral events. Sans-IO.

One chunk is taken in the order in which models produce: reasoning, refusal, text, tool calls; then its finish reason
and usage are remembered. The answer ends at `[DONE]` or with the body, not at the finish reason, because usage may
follow it. What real servers do beyond the specification, and which recording shows it, is in the wire reference; the
rules here are its sections 5.2 to 5.9:

- an empty string and null are absent, everywhere; roles, ids, models and times of chunks mean nothing;
- the first finish reason counts; an error behind it changes nothing, one before or with it fails the answer;
- tokens are counted also in a chunk that fails the answer;
- a payload that is no JSON is skipped; three in a row fail the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...errors import UpstreamCut, UpstreamError, UpstreamGarbled
from ...events import Event, Finish, ReasoningDelta, TextDelta, ToolCallDelta, UpstreamFailed
from ..provider import Payload
from .chunk import Choice, Chunk, Delta, decode_chunk, decode_leniently
from .citations import from_citations
from .finish import FAILED_FINISH, FINISH
from .frame import LearnedFrame
from .message import Message
from .stream_error import error_in, stream_error
from .surrogates import Surrogates, has_halves, load
from .think import ThinkSplitter, ThinkTags
from .usage import usage_from_chat

_DONE = frozenset((b"[DONE]", b"DONE"))
_MALFORMED_IN_A_ROW = 3


def new_call_id() -> str:
    """Returns an id for a call that the upstream gave none."""
    return "call_" + secrets.token_hex(12)


class ChatDecoder:
    """Takes the payloads of one answer; returns its events, ending in one Finish or UpstreamFailed.

    `done` is True from then on. `malformed` counts payloads that were skipped. `make_call_id` names calls that the
    upstream gave no usable id; `split_names` says that names of tools come in pieces.
    """

    __slots__ = (
        "_citations",
        "_finish",
        "_frame",
        "_malformed_run",
        "_message",
        "_streams",
        "_surrogates",
        "_tier",
        "_usage_last",
        "done",
        "event_of",
        "malformed",
        "text_of",
        "texts_of",
    )

    def __init__(
        self,
        *,
        think_tags: ThinkTags = "off",
        make_call_id: Callable[[], str] = new_call_id,
        split_names: bool = False,
    ) -> None:
        self.done = False
        self.malformed = 0
        self._malformed_run = 0
        think = ThinkSplitter(implied=think_tags == "implied") if think_tags != "off" else None
        self._message = Message(think, make_call_id, split_names)
        self._frame = LearnedFrame()
        self.text_of = self._frame.text
        self.texts_of = self._frame.texts
        self.event_of = self._frame.event
        self._surrogates: Surrogates | None = None
        self._finish: str | None = None
        self._tier: str | None = None
        self._citations: tuple[Any, Any] | None = None
        self._streams = False  # a delta was seen: messages beside deltas repeat them
        self._usage_last = False  # a usage-only chunk has come after something was said

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads; returns the events they make. Hot: once a read."""
        self._frame.prefix = None
        events: list[Event] = []
        for name, data in payloads:
            if self.done:
                break
            if name:
                self._named(name, data, events)
                continue
            if data == b"[DONE]":  # what `_misfit` finds out, too
                self._end(events, clean=True)
                break
            try:
                chunk = decode_chunk(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._misfit(data, events)
                continue
            self._malformed_run = 0
            if self._surrogates is not None:
                self._surrogates.mend(chunk)
            self._chunk(chunk, data, events)
        return events

    def learn(self, read: bytes, text: str) -> None:
        """Tells of a whole event that gave that text as its last, so that the next like it is known."""
        if self._frame.learns and self._message.plain and self._surrogates is None and not self.done:
            self._frame.learn(read, TextDelta(text), text)

    def learn_event(self, read: bytes, event: Event) -> None:
        """Tells of a whole event that gave that as its last: the next piece of thinking or of a call may be known."""
        if not (self._frame.learns and self._message.steady) or self._surrogates is not None or self.done:
            return
        if isinstance(event, ReasoningDelta) and not event.summary:
            self._frame.learn(read, event, event.text)
        elif isinstance(event, ToolCallDelta) and (kept := self._message.calls.growing(event.key)) is not None:
            self._frame.learn(read, event, event.arguments, kept)

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in Finish or UpstreamFailed."""
        events: list[Event] = []
        if not self.done:
            self._end(events, clean=False)
        return events

    def whole(self, body: bytes) -> list[Event]:
        """Takes the body of a non-streamed answer; returns all its events."""
        events = self.feed([(b"", body.strip())])
        if not self.done and self.malformed:
            self._fail(UpstreamGarbled("The upstream's answer is not JSON."), events)
        if not self.done:
            self._end(events, clean=True)
        return events

    def _chunk(self, chunk: Chunk, data: bytes, events: list[Event]) -> None:
        """Takes one chunk that fits. Hot: once a chunk."""
        finish = self._finish
        if chunk.choices:
            for choice in chunk.choices:
                if choice.index:  # another answer than the first, whose index is 0 or not said
                    continue
                delta = choice.delta
                if delta is not None:
                    self._streams = True
                    self._message.take(delta, choice.logprobs, events)
                elif choice.message is not None and not self._streams:
                    self._message.take_whole(choice.message, choice.logprobs, events)
                if choice.finish_reason is not None or choice.error is not None:
                    self._end_of_choice(choice, chunk)
        elif chunk.error is None and chunk.usage is None:
            chunk.error = error_in(data)
        if chunk.service_tier:
            self._tier = chunk.service_tier
        if chunk.usage:
            events.append(usage_from_chat(chunk.usage))
            self._usage_last = self._usage_last or (self._message.said and not chunk.choices)
        elif chunk.x_groq is not None:
            self._take_x_groq(chunk, events)
        if chunk.citations or chunk.search_results:
            self._citations = chunk.citations, chunk.search_results
        if chunk.error and finish is None:
            self._fail(stream_error(chunk.error), events)  # behind a finish reason it changes nothing

    def _end_of_choice(self, choice: Choice, chunk: Chunk) -> None:
        """Notes why a choice ended; what it failed with becomes the chunk's error, unless that says more."""
        error = choice.error
        if choice.finish_reason and self._finish is None:
            self._finish = reason = choice.finish_reason.lower()
            if reason in FAILED_FINISH:
                error = error or {"message": f"The upstream ended with finish_reason '{reason}'."}
        if error and not chunk.error:
            chunk.error = error

    def _take_x_groq(self, chunk: Chunk, events: list[Event]) -> None:
        """Takes what Groq sends beside the standard's fields."""
        if isinstance(chunk.x_groq, dict):
            usage = chunk.x_groq.get("usage")
            if isinstance(usage, dict) and usage:
                events.append(usage_from_chat(usage))
            chunk.error = chunk.error or chunk.x_groq.get("error")

    def _named(self, name: bytes, data: bytes, events: list[Event]) -> None:
        """Takes a payload with an event name: an error, an unframed body, or a chunk under a name of its own."""
        if name == b"error":
            self._error(load(data), events)
        elif name == b"unframed":
            self._unframed(data, events)
        elif name != b"ping":
            events += self.feed([(b"", data)])

    def _unframed(self, data: bytes, events: list[Event]) -> None:
        """Takes a body, or the end of one, that is no event stream: a whole answer, or an error."""
        obj = load(data)
        if isinstance(obj, list) and obj and isinstance(obj[0], dict) and obj[0].get("error"):
            self._error(obj[0]["error"], events)
        elif isinstance(obj, dict):
            events += self.feed([(b"", data)])
            if not self.done and obj.get("choices"):
                self._end(events, clean=True)
        elif self._finish is None and not self._message.said:
            self._fail(UpstreamGarbled("The upstream's answer is neither an event stream nor JSON."), events)

    def _misfit(self, data: bytes, events: list[Event]) -> None:
        """Takes a payload that is no chunk as it should be: the end, nothing, a sloppy chunk, or no JSON."""
        bare = data.strip()
        if bare in _DONE:
            self._end(events, clean=True)
            return
        if not bare:
            return
        read = decode_leniently(data)
        if read is None:
            self._skip(events)
            return
        self._malformed_run = 0
        chunk = read[0]
        if self._surrogates is None and has_halves(data):
            self._surrogates = Surrogates()
        if self._surrogates is not None:
            self._surrogates.mend(chunk)
        self._chunk(chunk, data, events)

    def _skip(self, events: list[Event]) -> None:
        self.malformed += 1
        self._malformed_run += 1
        if self._malformed_run >= _MALFORMED_IN_A_ROW and self._finish is None:
            self._fail(UpstreamGarbled("The upstream sent several events in a row that are not JSON."), events)

    def _error(self, error: Any, events: list[Event]) -> None:
        """Takes an error that came by itself; behind a finish reason it changes nothing."""
        if self._finish is None:
            self._fail(stream_error(error), events)

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        self._message.flush(events)
        self.done = True
        events.append(UpstreamFailed(error))

    def _end(self, events: list[Event], *, clean: bool) -> None:
        """Ends the answer; `clean` when the upstream said so itself."""
        message = self._message
        if self._surrogates is not None and (rest := self._surrogates.finish()):
            message.take(Delta(content=rest), None, events)
        message.flush(events)
        if message.calls.nameless():
            self._fail(UpstreamGarbled("The upstream sent a tool call without a name."), events)
        elif self._finish is None and not (message.said and clean) and not self._usage_last:
            error = "The upstream closed the stream before it was complete."
            self._fail(
                UpstreamGarbled("The upstream ended without an answer.") if clean else UpstreamCut(error),
                events,
            )
        elif self._finish is None and message.calls.cut():
            self._fail(UpstreamCut("The upstream ended in the middle of a tool call."), events)
        else:
            message.release_lead(events)
            if self._citations is not None:
                message.cite(from_citations(*self._citations), events)
            self.done = True
            events.append(Finish(FINISH.get(self._finish or "", "stop"), self._tier))
