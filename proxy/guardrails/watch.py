"""Searches one answer on its way to the client, by the rules that are decided here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import UpstreamError
from ..events import Event, PlainAnswer
from ..matching import AnswerScreen
from ..stage import ResponseFilter, want_turn
from .local import Act
from .marks import note_act
from .rules import Where

if TYPE_CHECKING:
    from ..exchange import Exchange

EARLY_S = 0.002
"""How much too early a timer may come, which must not have to come again."""

_NONE: deque[tuple[int, float]] = deque()


class Watch(ResponseFilter):
    """Lets through what cannot be or become a match. `lets_go_s` is how long anything is held back at most.

    Without `flags`, no rule only notes what it finds.
    """

    ends_at_once = True

    def __init__(
        self,
        screen: AnswerScreen,
        acts: Mapping[Where, Sequence[Act]],
        lets_go_s: float | None = None,
        *,
        flags: bool = True,
    ) -> None:
        self._screen = screen
        self._acts = acts
        self._lets_go_s = lets_go_s
        self._flags = flags
        self.outer: ResponseFilter | None = None
        """Whose turn it is when something has been held back for too long; None for its own."""
        # how long the text was, and when; many answers that let go of nothing need none each
        self._came: deque[tuple[int, float]] = deque() if lets_go_s is not None else _NONE
        self._timer: asyncio.TimerHandle | None = None

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Lets through what cannot be or become a match. Hot: once a read."""
        out = self._screen.take(events)
        if self._flags and exchange.nudge is None:  # all of it is there: a header can still tell
            self.tell(exchange)
        return out if self._lets_go_s is None else self._in_time(exchange, out, self._lets_go_s)

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Lets one more piece of text through where nothing of it is or may become a match. Hot: once a read."""
        quick = self._screen.quick
        return quick is not None and quick.passes(text)

    def on_plain(self, exchange: Exchange, answer: PlainAnswer) -> bool:
        """Lets a whole answer through where nothing is found in it. Hot: once an answer that is not streamed."""
        return self._screen.is_clean(answer.text)

    def again(self, text: str, where: Where, *, freeform: bool) -> str | None:
        """Returns what may go out of a text that others have made; None where it blocks."""
        return self._screen.again(text, where, freeform=freeform)

    def _in_time(self, exchange: Exchange, out: list[Event], limit_s: float) -> list[Event]:
        """Lets go what has been held back for too long, and looks again when the next will have been."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        oldest = self._oldest(now)
        if oldest is not None and now >= oldest + limit_s - EARLY_S:
            out = [*out, *self._screen.let_go()]
            oldest = self._oldest(now)
        if oldest is not None and exchange.nudge is not None:
            self._timer = loop.call_at(oldest + limit_s, self._late, exchange)
        return out

    def _oldest(self, now: float) -> float | None:
        """Returns when the oldest text came that is held back."""
        came, holding = self._came, self._screen.holding
        if holding is None:
            came.clear()
            return None
        end, released = holding
        if came and came[-1][0] > end:
            came.clear()  # it is another text
        if not came or came[-1][0] < end:
            came.append((end, now))
        while came[0][0] <= released:
            came.popleft()
        return came[0][1]

    def _late(self, exchange: Exchange) -> None:
        self._timer = None
        want_turn(self.outer or self, exchange)

    async def on_error(self, exchange: Exchange, error: UpstreamError) -> None:
        """Searches what an upstream says of its failure as the text of an answer."""
        self._screen.error(error)

    async def on_end(self, exchange: Exchange) -> None:
        """Leaves what was found on the exchange, for the log."""
        self.finish(exchange)

    def finish(self, exchange: Exchange) -> None:
        """Leaves what was found on the exchange, and stops waiting."""
        self.outer = None
        if self._timer is not None:
            self._timer.cancel()
        self.tell(exchange)

    def tell(self, exchange: Exchange) -> None:
        """Leaves what was found so far on the exchange."""
        found = self._screen.found
        for number, where in (*found, *self._screen.flagged()) if self._flags else found:
            note_act(exchange, self._acts[where][number], where)  # type: ignore[index, arg-type]  # it names places alike
