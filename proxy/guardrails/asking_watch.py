"""Takes one answer to those who are asked about it, beside its stream: one question at a time, never two.

What has come while a question was on its way is asked about in the next one. What somebody has let through goes out
at once, whether or not the upstream says anything more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import ExchangeError, UpstreamError
from ..events import Event, Finish, UpstreamFailed, Usage
from ..matching.answer import WITHHELD, reword
from ..stage import ResponseFilter, want_turn
from .check import Asked, Asking
from .consult import consult
from .held import Held, Part, Piece, place_of_parts
from .marks import note_rule
from .observer import Observer
from .rules import ANSWER, OF_PARTS, Where
from .watch import EARLY_S, Watch

if TYPE_CHECKING:
    from ..exchange import Exchange

_MOST_HELD = 256 * 1024
"""With so many characters held back, the upstream waits for the next verdict."""


class Gate(msgspec.Struct, frozen=True):
    """Those who are asked before anything goes out, and how it waits for them."""

    askings: tuple[Asking, ...]

    @property
    def wheres(self) -> set[Where]:
        """What they are asked about."""
        return {where for one in self.askings for where in one.rule.scan}

    def held(self, declared: Callable[[str], bool] | None) -> Held:
        """Returns what holds an answer back for them; `declared` knows the names of tools that are a client's own."""
        rules = [one.rule for one in self.askings]
        to_the_end = any(rule.streamed == "end" for rule in rules)
        window = max(rule.window for rule in rules)
        return Held(self.wheres, window=window, to_the_end=to_the_end, declared=declared)

    @property
    def lets_go_s(self) -> float | None:
        """The seconds after which text goes out unasked; None where one of them does not allow that."""
        limits = [one.rule.lets_go_after for one in self.askings]
        given = [limit for limit in limits if limit is not None]
        return min(given) if given and len(given) == len(limits) else None


class AskingWatch(ResponseFilter):
    """Holds an answer back as its rules say, searches and asks, and ends it where one of them blocks.

    At least one of those who are asked must be waited for: else `ObservingWatch` does.
    """

    def __init__(
        self, watch: Watch | None, askings: Sequence[Asking], declared: Callable[[str], bool] | None = None
    ) -> None:
        self._watch = watch
        if watch is not None:
            watch.outer = self
        self._gate = Gate(tuple(one for one in askings if one.rule.streamed != "observe"))
        self._held = self._gate.held(declared)
        self._lets_go_s = self._gate.lets_go_s
        observing = [one for one in askings if one.rule.streamed == "observe"]
        self._observer = Observer(observing, self._turn) if observing else None
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._blocked = False
        self._over = False

    async def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Lets through what everybody has let through. Awaits a verdict only where far too much waits for it."""
        if self._over:
            return []
        self._exchange = exchange
        if self._watch is not None:
            self._watch.wants_turn = False
            events = self._watch.on_events(exchange, events)
        if events and isinstance(last := events[-1], UpstreamFailed):
            await self._about_failure(exchange, last.error)
        held = self._held
        out = held.add(events, asyncio.get_running_loop().time())
        self._ask()
        while self._task is not None and (held.chars > _MOST_HELD or self._ends_here(exchange)):
            await asyncio.wait((self._task,))
            self._task.result()
            self._task = None
            self._ask()
        self._release(held, out)
        if self._observer is not None:
            self._observer.see(exchange, out)
            self._blocked = self._blocked or self._observer.blocked is not None
        return self._ended(out)

    def _ends_here(self, exchange: Exchange) -> bool:
        """Tells whether the end has come and there will be no other turn."""
        return self._held.final is not None and exchange.nudge is None

    # --- asking

    def _ask(self) -> None:
        """Begins to ask about what nobody has been asked about, unless a question is on its way or all is lost."""
        if self._task is not None and self._task.done():
            self._task.result()
            self._task = None
        if self._task is None and not self._blocked:
            pieces, parts = self._held.unchecked(), self._held.unchecked_parts()
            if pieces or parts:
                self._task = asyncio.get_running_loop().create_task(self._consult(pieces, parts))

    async def _consult(self, pieces: Sequence[Piece], parts: Sequence[Part]) -> None:
        try:
            for part in parts:
                await self._about_part(part)
            for where in ANSWER:
                those = [piece for piece in pieces if piece.where == where]
                if where == "arguments":
                    await self._about(where, those)
                    continue
                for piece in those:  # each goes on where the one before it has ended
                    await self._about(where, [piece])
        finally:
            self._turn()

    async def _about_part(self, part: Part) -> None:
        """Asks about a part as about text, and those who look at arguments alone as about arguments."""
        assert self._exchange is not None
        texts = part.texts
        for where in OF_PARTS:
            askings = [one for one in self._gate.askings if place_of_parts(one.rule.scan) == where]
            if not askings or self._blocked:
                continue
            consulted = await consult(askings, Asked(self._exchange, where, texts))
            self._blocked = consulted.blocked is not None
            texts = consulted.texts
        if self._blocked:
            return
        if texts != part.texts:
            again = [self._again(text) for text in texts]
            left = [text for text in again if text is not None]
            if len(left) < len(again) or not part.put(left):
                self._blocked = True
                return
        part.checked = True

    def _again(self, text: str) -> str | None:
        """Returns what may go out of a text that others have made; None where it blocks."""
        return text if self._watch is None else self._watch.again(text, "output", freeform=True)

    async def _about_failure(self, exchange: Exchange, error: ExchangeError) -> None:
        """Asks about what an upstream says of its failure, before the client is told."""
        askings = [one for one in self._gate.askings if "output" in one.rule.scan]
        if askings and isinstance(error, UpstreamError):
            consulted = await consult(askings, Asked(exchange, "output", (error.message,)))
            reword(error, WITHHELD if consulted.blocked is not None else consulted.texts[0])
        if self._observer is not None:
            self._observer.see(exchange, [UpstreamFailed(error)])

    async def on_error(self, exchange: Exchange, error: UpstreamError) -> None:
        """Searches what an upstream says of its failure, and asks about it."""
        if self._watch is not None:
            await self._watch.on_error(exchange, error)
        await self._about_failure(exchange, error)

    async def _about(self, where: Where, pieces: Sequence[Piece]) -> None:
        assert self._exchange is not None
        if self._blocked or not pieces:
            return
        context = "" if where == "arguments" else self._held.before(pieces[0])
        spans = [(piece.start, piece.end) for piece in pieces]
        texts = tuple(piece.text for piece in pieces)
        askings = [one for one in self._gate.askings if where in one.rule.scan]
        asked = Asked(self._exchange, where, texts, context)
        consulted = await consult(askings, asked)
        if consulted.blocked is not None:
            self._blocked = True
            return
        for piece, (start, end), before, after in zip(pieces, spans, texts, consulted.texts, strict=True):
            if after == before:
                piece.checked = max(piece.checked, end)
            elif piece.start == start:  # else a part went out meanwhile: the rest is asked about again
                again = after if self._watch is None else self._watch.again(after, where, freeform=piece.freeform)
                if again is None or (where == "arguments" and not piece.freeform and not _is_json(again)):
                    self._blocked = True
                    return
                self._held.mask(piece, again, end)

    # --- letting go

    def _release(self, held: Held, out: list[Event]) -> None:
        if self._blocked:
            return
        until = None
        if self._lets_go_s is not None:
            until = asyncio.get_running_loop().time() - self._lets_go_s + EARLY_S
            self._note_late(held, until)
        out += held.ready(until)
        self._set_timer(held)

    def _note_late(self, held: Held, until: float) -> None:
        oldest = held.oldest()
        if oldest is None or oldest > until or self._exchange is None:
            return
        for piece in held.unchecked():
            if piece.where != "arguments" and piece.events[0][1] <= until and piece.checked <= piece.start:
                for one in self._gate.askings:
                    if piece.where in one.rule.scan:
                        note_rule(self._exchange, one.rule, "late", piece.where)

    def _set_timer(self, held: Held) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        oldest = held.oldest()
        if self._lets_go_s is not None and oldest is not None:
            self._timer = asyncio.get_running_loop().call_at(oldest + self._lets_go_s, self._turn)

    def _ended(self, out: list[Event]) -> list[Event]:
        """Returns what goes out, with the end of the answer where it has come."""
        held = self._held
        if self._blocked:
            tier = held.final.service_tier if isinstance(held.final, Finish) else None
            out = [*(event for event in out if isinstance(event, Usage)), Finish("content_filter", tier)]
        elif held.final is None:
            return out
        elif not held.empty:
            self.ends_later = True
            return out
        else:
            out.append(held.final)
        self._over = True
        self.ends_later = False
        return out

    def _turn(self) -> None:
        """Asks to be called again."""
        if self._exchange is not None and not self._over:
            want_turn(self, self._exchange)

    @property
    def lingers(self) -> bool:  # type: ignore[override]  # it depends on what is on its way
        """Whether an observer is still being asked, or is to be."""
        return self._observer is not None and self._observer.waits

    async def on_end(self, exchange: Exchange) -> None:
        """Stops what is on its way, and leaves what was found on the exchange."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._watch is not None:
            self._watch.finish(exchange)
        if self._observer is not None:
            await self._observer.finish(exchange)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True
