"""The sans-IO middle of one answer: upstream bytes in, client bytes out, stages' filters between.

Two forms with one interface: `Translation` decodes and encodes; the chat relay passes payloads through untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from .api.chat.relay import ChatRelay
from .errors import ExchangeError
from .events import (
    OUTPUT_EVENTS,
    Event,
    Finish,
    PassedResponse,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UpstreamFailed,
    Usage,
)
from .exchange import Outcome
from .providers.provider import Decoder, Parser
from .sse.parser import SseParser
from .stage import ResponseFilter

if TYPE_CHECKING:
    from .exchange import Exchange


TextsOf = Callable[[bytes], tuple[list[str], list[bytes], int]]
"""Returns the texts of plain events at the beginning of a read, their JSON within quotes, and how long they are."""

AT_A_TIME = 1024
"""Bytes of a large read that are parsed before the rest is looked at for text, and so on with ever more."""

_IN_PIECES = (ReasoningDelta, ToolCallDelta)
"""What comes in pieces, beside text."""

_DECISIVE = (Finish, UpstreamFailed, *OUTPUT_EVENTS)
"""Events that decide whether an attempt is the one that answers."""


class Encoder(Protocol):
    """Turns neutral events into a client dialect's bytes. One instance an exchange, whatever attempts it takes.

    `any_piece` says whether `piece` takes thinking and arguments too, and not only text.
    """

    any_piece: bool

    @property
    def outcome(self) -> Outcome | None:
        """How the answer ended; None until then."""

    @property
    def usage(self) -> Usage | None:
        """The last usage that was told."""

    @property
    def service_tier(self) -> str | None:
        """The service tier that the upstream says it has served the answer in."""

    @property
    def error(self) -> ExchangeError | None:
        """What the answer failed with."""

    def output_chars(self) -> int:
        """Returns how many characters the model has produced so far, for an estimate of its tokens."""

    @property
    def done(self) -> bool:
        """True once the end was encoded."""

    def use(self, tools: Any, seal: Any, *, heard: bool = True) -> None:
        """Says what the attempt at hand needs: how tools were renamed, and how reasoning is sealed.

        Where it is not `heard`, nothing but `final` will be asked for.
        """

    def begin(self) -> bytes:
        """Returns what opens the stream."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Returns the bytes for events. Hot: once a read."""

    def piece(self, text: str) -> bytes:
        """Returns the bytes of one more piece of what is open, framed as a chunk of HTTP's. Hot: once a read.

        That is what the last event was a piece of. Where it is not just that it returns b"", and has done nothing.
        """

    def pieces(self, texts: list[str], strings: list[bytes]) -> bytes:
        """Returns the bytes of more such pieces, whose JSON within quotes is `strings`, without a frame; or b"".

        What is in `strings` need not be written as ours is where there are escapes.
        """

    def fail(self, error: ExchangeError) -> bytes:
        """Ends the answer with an error; returns the bytes that say so."""

    def final(self) -> bytes:
        """Returns the whole answer as one JSON object; only once `done`."""

    def end(self) -> bytes:
        """Returns the terminal event when it is held back; once."""

    def kept_output(self) -> list[msgspec.Raw]:
        """Returns the output items as they are kept for the next turn."""


class Opening(Protocol):
    """The client's side, which what opens the stream is sent by."""

    def make_ready(self) -> None:
        """Makes the events that open the stream, to go out with those that follow in the same turn."""

    def open(self) -> None:
        """Sends them at once."""


class Bridge(Protocol):
    """What the pump drives: bytes in, bytes out."""

    @property
    def done(self) -> bool:
        """True once the answer has ended for the client."""

    @property
    def told_usage(self) -> Usage | None:
        """What the upstream said it has used before any output."""

    def feed(self, data: bytes) -> bytes:
        """Takes one read; returns what the client gets. Raises the upstream's error while nothing is committed."""

    def finish(self, error: ExchangeError | None = None) -> bytes:
        """Says that the body has ended, as it should or by an error; returns the rest. Raises like `feed`."""

    def fail(self, error: ExchangeError) -> bytes:
        """Ends the answer with an error in the client's dialect."""

    def nudge_by(self, nudge: Callable[[], None] | None) -> None:
        """Says what filters that want a turn are to call."""

    def turn(self) -> bytes:
        """Gives filters that want a turn theirs; returns what the client gets for it."""


class Translation:
    """Parser, decoder, the stages' filters and the encoder of one attempt.

    Without a parser, the upstream's stream is one of server-sent events. A read that the decoder knows to be one more
    piece of text needs no parsing: it goes straight to the filters.

    `client` is made ready before the first event is encoded, so that what opens the stream is numbered first.
    `exchange.committed` is set with the first event that shows the client a part of the answer; until then an error of
    the upstream is raised instead of encoded, so that another attempt can be made.
    """

    __slots__ = (
        "_client",
        "_decoder",
        "_encode",
        "_encoder",
        "_exchange",
        "_filters",
        "_held",
        "_learn_event",
        "_nudge",
        "_parser",
        "_pieces",
        "_texts_of",
        "event_of",
        "filters",
        "text_of",
    )

    def __init__(
        self,
        exchange: Exchange,
        decoder: Decoder,
        filters: Sequence[ResponseFilter],
        encoder: Encoder,
        client: Opening | None,
        parser: Parser | None = None,
    ) -> None:
        self._client = client
        self._exchange = exchange
        self._parser: Parser = parser or SseParser()
        self._decoder = decoder
        self.filters = tuple(filters)
        self._nudge: Callable[[], None] | None = None
        self._filters = tuple([one.on_events for one in filters]) if filters else ()
        self._encoder = encoder
        self._encode = encoder.encode
        self._pieces = encoder.pieces
        self.text_of = decoder.text_of
        self._texts_of: TextsOf | None = getattr(decoder, "texts_of", None)
        self.event_of: Callable[[str], Event] = TextDelta
        self._learn_event: Callable[[bytes, Event], None] | None = None
        if encoder.any_piece and not filters:
            self.event_of = getattr(decoder, "event_of", TextDelta)
            self._learn_event = getattr(decoder, "learn_event", None)
        self._held: list[Event] = []  # what came before the first output event

    @property
    def done(self) -> bool:
        """True once the answer has ended for the client."""
        return self._encoder.done

    @property
    def told_usage(self) -> Usage | None:
        """What the upstream said it has used before any output."""
        return next((one for one in reversed(self._held) if type(one) is Usage), None)

    def feed(self, data: bytes) -> bytes:
        """Takes one read of the upstream's body; returns what the client gets for it. Hot: once a read."""
        if len(data) > AT_A_TIME and self._texts_of is not None:
            return self._feed_many(data, self._texts_of)
        text = self.text_of(data)
        if text:
            events: list[Event] = [self.event_of(text)]
            return self._pass(events) if self._filters else self._encode(events)
        events = self._decoded(data)
        return self._pass(events) if events else b""

    def _decoded(self, data: bytes) -> list[Event]:
        """Takes bytes of the body through parser and decoder, which learns from what they end in."""
        events = self._decoder.feed(self._parser.feed(data))
        if not events:
            return events
        last = events[-1]
        if type(last) is TextDelta:
            if len(events) == 1 or self._texts_of is not None:
                self._decoder.learn(_last_of(data), last.text)
        elif self._learn_event is not None and type(last) in _IN_PIECES:
            self._learn_event(_last_of(data), last)
        return events

    def _feed_many(self, data: bytes, texts_of: TextsOf) -> bytes:
        """Takes a large read: plain text in stretches, and what is between them in small parts.

        Filters see all of a read at once, as ever: one that ends the answer does not keep from them what follows.
        """
        out: list[bytes] = []
        events: list[Event] = []
        step = AT_A_TIME
        while data and not self._decoder.done:
            texts, strings, size = texts_of(data)
            if not size:
                size = data.find(b"\n\n", step) + 2
                size = size if size > 2 else len(data)
                step *= 8
                events += self._decoded(data[:size])
            elif not self._filters and (piece := self._pieces(texts, strings)):
                out.append(piece)
            else:
                events += [TextDelta(text) for text in texts]
            data = data[size:]
            if events and not self._filters:
                out.append(self._pass(events))
                events = []
        if events:
            out.append(self._pass(events))
        return b"".join(out)

    def finish(self, error: ExchangeError | None = None) -> bytes:
        """Says that the upstream's body has ended, as it should or by an error; returns the rest."""
        return self._pass(self.last_events(error))

    def whole(self, body: bytes) -> bytes:
        """Takes a non-streamed body instead."""
        return self._pass(self._decoder.whole(body))

    def fail(self, error: ExchangeError) -> bytes:
        """Ends the answer with an error; what filters hold back stays back."""
        return self._encoder.fail(error)

    def nudge_by(self, nudge: Callable[[], None] | None) -> None:
        """Says what filters that want a turn are to call."""
        if nudge is not None:
            self._nudge = self._exchange.nudge = nudge
            return
        if self._exchange.nudge is self._nudge:  # else it is another attempt's by now
            self._exchange.nudge = None
        self._nudge = None  # it leads to the pump, and back here

    def turn(self) -> bytes:
        """Gives filters that want a turn theirs; returns what the client gets for it."""
        events: list[Event] = []
        for one in self.filters:
            if events or one.wants_turn:
                one.wants_turn = False
                events = cast(list[Event], one.on_events(self._exchange, events))
        return self._encoder.encode(events) if events else b""

    def last_events(self, error: ExchangeError | None = None) -> list[Event]:
        """Returns the decoder's last events at the end of the body.

        An answer that was whole before the connection broke is whole; otherwise what broke it is what failed it.
        """
        events = self._decoder.feed(self._parser.finish()) + self._decoder.finish()
        if error is not None and events and type(events[-1]) is UpstreamFailed:
            events[-1] = UpstreamFailed(error)
        return events

    def _pass(self, events: list[Event]) -> bytes:
        """Takes decoded events through the filters to the encoder. Hot: once a read."""
        if not self._exchange.committed:
            return self._pass_first(events)
        for on_events in self._filters:
            events = cast(list[Event], on_events(self._exchange, events))
        return self._encode(events) if events else b""

    def _pass_first(self, events: list[Event]) -> bytes:
        """Does the same as long as there was no output. What opens the stream goes out with the first of it."""
        if not (events := self.commit(events)):
            return b""
        client, out = self._client, b""
        if client is not None:
            client.make_ready()
        try:
            out = self._pass(events)
        finally:
            if not out and client is not None:  # filters keep it, or one has failed
                client.open()
        return out

    def from_filter(self, number: int, events: list[Event]) -> bytes:
        """Takes events through the filters from that one on to the encoder."""
        for on_events in self._filters[number:]:
            events = cast(list[Event], on_events(self._exchange, events))
        return self._encode(events) if events else b""

    def commit(self, events: list[Event]) -> list[Event]:
        """Holds events until one of them shows output or the end; then returns them all.

        Raises the upstream's failure when there was no output before it.
        """
        self._held += events
        for one in events:
            if isinstance(one, _DECISIVE):
                if isinstance(one, UpstreamFailed):
                    raise one.error
                break
        else:
            return []
        self._exchange.committed = True
        events, self._held = self._held, []
        if isinstance(events[0], PassedResponse):
            self._encode(events[:1])  # what opens the stream says it already
        return events


class AsyncTranslation(Translation):
    """A Translation of which at least one filter must be awaited; only such exchanges pay for it."""

    __slots__ = ()

    async def pass_async(self, events: list[Event]) -> bytes:
        """Takes decoded events through the filters to the encoder, awaiting those that ask for it."""
        if not events:
            return b""
        if not self._exchange.committed:
            if not (events := self.commit(events)):
                return b""
            if self._client is not None:
                self._client.open()  # who knows how long it is awaited
        for on_events in self._filters:
            result: Any = on_events(self._exchange, events)
            events = await result if isinstance(result, Awaitable) else result
        return self._encoder.encode(events) if events else b""

    @property
    def ends_later(self) -> bool:
        """Whether a filter keeps the end of the answer for a turn of its own."""
        return any(one.ends_later for one in self.filters)

    async def turn_async(self) -> bytes:
        """As `turn`, awaiting those that ask for it."""
        events: list[Event] = []
        for one in self.filters:
            if events or one.wants_turn:
                one.wants_turn = False
                result: Any = one.on_events(self._exchange, events)
                events = await result if isinstance(result, Awaitable) else result
        return self._encoder.encode(events) if events else b""

    def decode(self, data: bytes) -> list[Event]:
        """Takes one read of the upstream's body; returns its events, not yet filtered."""
        return self._decoder.feed(self._parser.feed(data))

    def decode_whole(self, body: bytes) -> list[Event]:
        """Takes a non-streamed body; returns its events, not yet filtered."""
        return self._decoder.whole(body)


class Relay:
    """Passes a chat answer to a chat client, payload by payload; the relay machine watches for usage and the end."""

    __slots__ = ("_exchange", "machine")

    def __init__(self, exchange: Exchange, machine: ChatRelay) -> None:
        self._exchange = exchange
        self.machine = machine

    @property
    def done(self) -> bool:
        """True once the answer has ended for the client."""
        return self.machine.done

    @property
    def told_usage(self) -> Usage | None:
        """What the upstream said it has used before any output."""
        return self.machine.usage

    def feed(self, data: bytes) -> bytes:
        """Takes one read; returns what the client gets for it. Hot: once a read."""
        return self._checked(self.machine.feed(data))

    def finish(self, error: ExchangeError | None = None) -> bytes:
        """Says that the upstream's body has ended; returns the rest."""
        return self._checked(self.machine.finish() if error is None else self.machine.fail(error))

    def fail(self, error: ExchangeError) -> bytes:
        """Ends the answer with an error event."""
        return self.machine.fail(error)

    def nudge_by(self, nudge: Callable[[], None] | None) -> None:
        """Does nothing: there are no filters."""

    def turn(self) -> bytes:
        """Returns nothing."""
        return b""

    def _checked(self, out: bytes) -> bytes:
        if not self._exchange.committed:
            if self.machine.error is not None and not self.machine.started:
                raise self.machine.error
            self._exchange.committed = self.machine.started or self.machine.done
        return out


def _last_of(read: bytes) -> bytes:
    """Returns the last of the server-sent events in a read that ends with one."""
    begins = read.rfind(b"\n\n", 0, -2)
    return read if begins < 0 else read[begins + 2 :]
