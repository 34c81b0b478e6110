"""The short way of a plain piece of text: from the read that brought it to the client's connection, in one step.

Most reads of most streams are one more piece of the text that is open, in the very frame of the one before. Such a read
needs no parser, no event and no list: its text is cut out, shown to the filters, and written in the frame of its delta.
Whatever else comes takes the plain way, through the machines, which know nothing of the pieces that went this way but
what they said; `tests/test_shortcut.py` holds the one against the other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .chunks import body_of
from .client_side import ClientSide
from .compiled import compiled_if_built
from .exchange import Exchange
from .stage import ResponseFilter
from .translation import Translation

if TYPE_CHECKING:
    from .pump import ClientStream, Pump


@compiled_if_built
class Shortcut:
    """Takes the pieces of one attempt's answer out of the hands of its pump.

    Only for answers whose filters all have `on_text`.
    """

    __slots__ = (
        "_event_of",
        "_exchange",
        "_now",
        "_on_text",
        "_piece",
        "_pulse",
        "_pump",
        "_send",
        "_side",
        "_stopped",
        "_text_of",
        "_translation",
    )

    def __init__(self, exchange: Exchange, side: ClientSide, translation: Translation, pump: Pump) -> None:
        self._exchange = exchange
        self._pulse = exchange.pulse
        self._side = side
        self._translation = translation
        self._pump = pump
        self._on_text = tuple(one.on_text for one in translation.filters)
        self._text_of = translation.text_of
        self._event_of = translation.event_of
        self._piece = side.get_encoder().piece
        assert side.stream.send is not None
        self._send = side.stream.send
        self._now = asyncio.get_running_loop().time
        self._stopped = False

    def stop(self) -> None:
        """Takes nothing any more: others follow the answer, or the client has left and it goes on."""
        self._stopped = True

    def take(self, read: bytes) -> float:
        """Takes a read if it is one chunk that holds one more piece of text; see `Taker`. Hot: once a read."""
        if self._stopped:
            return 0.0
        text = self._text_of(body_of(read))
        if not text:
            return 0.0
        now = self._now()
        try:
            if self._on_text and not self._let_through(text):
                return now
            chunk = self._piece(text)
            if not chunk:
                self._detour(len(self._on_text), text)
                return now
        except Exception as error:  # a bug here must end the answer, not the connection's protocol
            self._pump.broke(error)
            return now
        pulse = self._pulse
        if pulse is not None:
            pulse.beat(now)
        self._send(chunk)
        return now

    def _let_through(self, text: str) -> bool:
        """Shows a piece to the filters; the first that wants to see it as an event gets it as one."""
        for number, on_text in enumerate(self._on_text):
            if not on_text(self._exchange, text):
                self._detour(number, text)
                return False
        return True

    def _detour(self, number: int, text: str) -> None:
        """Takes a piece, as an event, through the filters from that one on."""
        out = self._translation.from_filter(number, [self._event_of(text)])
        if out:
            self._side.write(out)
        if self._translation.done:
            self._pump.complete()


def fits(translation: Translation, client: ClientStream) -> bool:
    """Tells whether an answer has the short way: all its filters see pieces as they are, its client is sent chunks."""
    plain = all(type(one).on_text is not ResponseFilter.on_text for one in translation.filters)
    return plain and client.send is not None
