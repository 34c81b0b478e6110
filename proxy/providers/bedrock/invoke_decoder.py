"""Takes the answers of Claude's own API out of InvokeModel's stream. Sans-IO.

Each message named `chunk` holds one event of the Messages API, as base64; what becomes of it is decided by that API's
decoder. Exceptions are Bedrock's own, and so is what a guardrail did, which stands beside an event's own fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import UpstreamError, UpstreamGarbled
from ...events import Event, Finish, UpstreamFailed
from ...sse.event_stream import BROKEN, EXCEPTION, EventStreamParser
from ..anthropic.decoder import MessagesDecoder
from ..provider import Payload
from .decoder import new_call_id
from .errors import stream_error
from .frame import TextChunk
from .wire import UNREADABLE, decode_chunk

_INTERVENED = b'"INTERVENED"'
_ACTION = b"amazon-bedrock-guardrailAction"


class InvokeDecoder:
    """Takes the payloads of one answer; returns its events, ending in one Finish or UpstreamFailed.

    `done` is True from then on. `answers_by_tool` when the request made the model answer by calling a tool.
    """

    __slots__ = ("_inner", "_intervened", "done", "learn", "text_of")

    def __init__(self, *, answers_by_tool: bool = False, make_call_id: Callable[[], str] = new_call_id) -> None:
        self.done = False
        self._intervened = False
        frame = TextChunk()
        self._inner = MessagesDecoder(answers_by_tool=answers_by_tool, make_call_id=make_call_id, frame=frame)
        self.text_of = frame.text
        self.learn = self._inner.learn

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads; returns the events they make. Hot: once a read."""
        events: list[Event] = []
        inside: list[Payload] = []
        failure: UpstreamError | None = None
        for name, data in payloads:
            if name == b"chunk":
                inside.append((b"", self._unwrapped(data)))
            elif name.startswith(EXCEPTION):
                failure = stream_error(name[len(EXCEPTION) :].decode("utf-8", "replace"), data)
                break
            elif name == BROKEN:
                failure = UpstreamGarbled(data.decode("utf-8", "replace"))
                break
        if not self.done:
            events = self._ended(self._inner.feed(inside))
        if failure is not None and not self.done:
            events += self._ended(self._inner.finish(), failure)
        return events

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in Finish or UpstreamFailed."""
        return [] if self.done else self._ended(self._inner.finish())

    def whole(self, body: bytes) -> list[Event]:
        """Takes the whole body of an answer, a message or a stream; returns all its events."""
        if body.lstrip()[:1] != b"{":
            return self.feed(EventStreamParser().feed(body)) + self.finish()
        self._watch(body)
        return self._ended(self._inner.whole(body))

    def _unwrapped(self, data: bytes) -> bytes:
        """Returns the event in a chunk; what is none is left to the decoder inside to refuse."""
        try:
            event = decode_chunk(data).event
        except UNREADABLE:
            return data
        self._watch(event)
        return event

    def _watch(self, event: bytes) -> None:
        if _ACTION in event and _INTERVENED in event[event.find(_ACTION) :][: len(_ACTION) + len(_INTERVENED) + 4]:
            self._intervened = True

    def _ended(self, events: list[Event], failure: UpstreamError | None = None) -> list[Event]:
        """Notes the end among events; says there what Bedrock alone knows of it."""
        self.done = self._inner.done
        if not self.done or not events:
            return events
        last = events[-1]
        if isinstance(last, UpstreamFailed) and failure is not None:
            events[-1] = UpstreamFailed(failure)
        elif isinstance(last, Finish) and self._intervened:
            last.reason = "content_filter"
        return events
