"""Takes one answer to those who only observe it: nothing waits for them, and no read has to be awaited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UpstreamError
from ..events import Event, Finish, UpstreamFailed, Usage
from ..stage import ResponseFilter, want_turn
from .check import Asking
from .observer import Observer
from .watch import Watch

if TYPE_CHECKING:
    from ..exchange import Exchange


class ObservingWatch(ResponseFilter):
    """Searches an answer, shows it to observers as it goes out, and ends it where one of them says so in time."""

    def __init__(self, watch: Watch | None, askings: Sequence[Asking]) -> None:
        self._watch = watch
        if watch is not None:
            watch.outer = self
        self._observer = Observer(askings, self._turn)
        self._exchange: Exchange | None = None
        self._over = False

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Lets everything through that is not found here. Hot: once a read."""
        if self._over:
            return []
        self._exchange = exchange
        if self._watch is not None:
            events = self._watch.on_events(exchange, events)
        if self._observer.blocked is not None:
            self._over = True
            return [*(event for event in events if isinstance(event, Usage)), Finish("content_filter")]
        self._observer.see(exchange, events)
        if events and isinstance(events[-1], (Finish, UpstreamFailed)):
            self._over = True
        return events

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Lets one more piece of text through where nothing is found in it, and shows it to observers.

        Hot: once a read.
        """
        if self._over or self._observer.blocked is not None:
            return False
        if self._watch is not None and not self._watch.on_text(exchange, text):
            return False
        self._observer.hear(exchange, text)
        return True

    def _turn(self) -> None:
        if self._exchange is not None and not self._over:
            want_turn(self, self._exchange)

    async def on_error(self, exchange: Exchange, error: UpstreamError) -> None:
        """Searches what an upstream says of its failure, and shows it to observers."""
        if self._watch is not None:
            await self._watch.on_error(exchange, error)
        self._observer.see(exchange, [UpstreamFailed(error)])

    @property
    def lingers(self) -> bool:  # type: ignore[override]  # it depends on what is on its way
        """Whether somebody is still being asked, or is to be."""
        return self._observer.waits

    async def on_end(self, exchange: Exchange) -> None:
        """Leaves what was found on the exchange, after the last question."""
        self._over = True
        if self._watch is not None:
            self._watch.finish(exchange)
        await self._observer.finish(exchange)
