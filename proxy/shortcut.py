"""The short way of a plain piece of text: from the read that brought it to the client's connection, in one step.

Most reads of most streams are one more piece of the text that is open, in the very frame of the one before. Such a read
needs no parser, no event and no list: its text is cut out, shown to the filters, and written in the frame of its delta.
Whatever else comes takes the plain way, through the machines, which know nothing of the pieces that went this way but
what they said; `tests/test_shortcut.py` holds the one against the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client_side import ClientSide
from .events import TextDelta
from .exchange import Exchange
from .stage import ResponseFilter
from .translation import Translation

if TYPE_CHECKING:
    from .pump import ClientStream, Pump


class Shortcut:
    """Takes the pieces of one attempt's answer out of the hands of its pump.

    Only for answers whose filters all have `on_text`.
    """

    __slots__ = (
        "_exchange",
        "_on_text",
        "_only",
        "_piece",
        "_pump",
        "_send",
        "_side",
        "_stream",
        "_text_of",
        "_translation",
    )

    def __init__(self, exchange: Exchange, side: ClientSide, translation: Translation, pump: Pump) -> None:
        self._exchange = exchange
        self._side = side
        self._translation = translation
        self._pump = pump
        self._on_text = tuple(one.on_text for one in translation.filters)
        self._only = self._on_text[0] if len(self._on_text) == 1 else None
        self._text_of = translation.text_of
        self._piece = side.get_encoder().piece
        self._stream = side.stream
        assert side.stream.send is not None
        self._send = side.stream.send

    def take(self, data: bytes, now: float) -> bool:
        """Takes the body bytes of a read if they are one more piece of text; else does nothing. Hot: once a read.

        `now` is when they came, by the loop's clock, which is the monotonic one.
        """
        if self._side.stream is not self._stream:  # others follow it, or the client has left and it goes on
            return False
        text = self._text_of(data)
        if not text:
            return False
        exchange = self._exchange
        try:
            only = self._only
            if only is not None:
                if not only(exchange, text):
                    self._detour(0, text)
                    return True
            elif self._on_text and not self._let_through(text):
                return True
            chunk = self._piece(text)
            if not chunk:
                self._detour(len(self._on_text), text)
                return True
        except Exception as error:  # a bug here must end the answer, not the connection's protocol
            self._pump.broke(error)
            return True
        pulse = exchange.pulse
        if pulse is not None:
            pulse.beat(now)
        self._send(chunk)
        return True

    def _let_through(self, text: str) -> bool:
        """Shows a piece to the filters; the first that wants to see it as an event gets it as one."""
        for number, on_text in enumerate(self._on_text):
            if not on_text(self._exchange, text):
                self._detour(number, text)
                return False
        return True

    def _detour(self, number: int, text: str) -> None:
        """Takes a piece, as an event, through the filters from that one on."""
        out = self._translation.from_filter(number, [TextDelta(text)])
        if out:
            self._side.write(out)
        if self._translation.done:
            self._pump.complete()


def fits(translation: Translation, client: ClientStream) -> bool:
    """Tells whether an answer has the short way: all its filters see pieces as they are, its client is sent chunks."""
    plain = all(type(one).on_text is not ResponseFilter.on_text for one in translation.filters)
    return plain and client.send is not None
