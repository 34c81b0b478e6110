"""Asks about an answer that nobody keeps waiting: it is on its way to the client meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..events import Event, ReasoningDelta, Refusal, TextDelta, ToolCallDelta, UpstreamFailed
from .check import Asked, Asking
from .consult import consult
from .held import parts_of, place_of_parts, text_of, where_of
from .rules import Where

if TYPE_CHECKING:
    from ..exchange import Exchange

_MOST = 64 * 1024
"""So many characters wait to be asked about; what is in front of them is not asked about any more."""
_CONTEXT = 1000


class Observer:
    """Asks about one answer, one question after the other: what comes meanwhile is in the next.

    `blocked` is the rule that has found something which must end the answer; then `on_blocked` is called.
    """

    def __init__(self, askings: Sequence[Asking], on_blocked: Callable[[], None]) -> None:
        self.blocked: str | None = None
        self._askings = askings
        self._on_blocked = on_blocked
        self._wheres = {where for one in askings for where in one.rule.scan}
        self._texts: dict[Where, str] = {}
        self._context: dict[Where, str] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether a question is on its way, or is still to be asked."""
        return self._task is not None or bool(self._texts)

    def see(self, exchange: Exchange, events: Sequence[Event]) -> None:
        """Takes what is on its way to the client."""
        for event in events:
            where = where_of(event)
            if where in self._wheres and isinstance(event, (TextDelta, ReasoningDelta, Refusal, ToolCallDelta)):
                self._add(where, text_of(event))
            elif isinstance(event, UpstreamFailed):
                self._add_part([event.error.message])
            elif where is None:
                self._add_part(parts_of(event))
        if self._task is None and any(where != "arguments" for where in self._texts):
            self._task = asyncio.get_running_loop().create_task(self._ask(exchange, whole=False))

    def hear(self, exchange: Exchange, text: str) -> None:
        """Takes a piece of the visible text on its way to the client. Hot: once a read."""
        if "output" in self._wheres:
            self._add("output", text)
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._ask(exchange, whole=False))

    def _add(self, where: Where, text: str) -> None:
        self._texts[where] = (self._texts.get(where, "") + text)[-_MOST:]

    def _add_part(self, texts: Sequence[str]) -> None:
        """Takes what is no running text; it is shown among the text, or among arguments to those who see only them."""
        where = place_of_parts(self._wheres)
        if where is not None and texts:
            self._add(where, "\n".join(("", *texts, "")))

    async def _ask(self, exchange: Exchange, *, whole: bool) -> None:
        """Asks until nothing is left; about the arguments of calls, once they are `whole`."""
        while (where := self._next(whole=whole)) is not None and self.blocked is None:
            text = self._texts.pop(where)
            askings = [one for one in self._askings if where in one.rule.scan]
            context = self._context.get(where, "")
            consulted = await consult(askings, Asked(exchange, where, (text,), context))
            self._context[where] = (context + text)[-_CONTEXT:]
            if consulted.blocked is not None:
                self.blocked = consulted.blocked
                self._on_blocked()
        self._task = None

    def _next(self, *, whole: bool) -> Where | None:
        return next((where for where in self._texts if whole or where != "arguments"), None)

    async def finish(self, exchange: Exchange) -> None:
        """Asks about the rest of an answer; of one that nobody has waited for, about nothing more."""
        task = self._task
        if exchange.outcome == "cancelled":
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
            return
        if task is not None:
            await task
        await self._ask(exchange, whole=True)
