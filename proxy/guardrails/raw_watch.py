"""Searches the answer to a request that is passed on as it is, where that is a text, and what is said of failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UpstreamError
from ..matching import AnswerScreen, Matcher
from ..matching.answer import WITHHELD, reword
from ..stage import Head, ResponseFilter
from .check import Asked, Asking
from .consult import consult
from .local import Act
from .marks import note_act
from .raw_answer import RawAnswer
from .raw_asked import RawAsked

if TYPE_CHECKING:
    from ..exchange import Exchange

_TEXTS = ("application/json", "text/")


class RawWatch(ResponseFilter):
    """The filter of one exchange. `telling` says that its answer is a text, and not vectors, pictures or files.

    Of those who are asked (`askings`), who only observes is so behind the end of the answer.
    """

    def __init__(
        self, matcher: Matcher | None, acts: Sequence[Act], askings: Sequence[Asking] = (), *, telling: bool
    ) -> None:
        self._matcher = matcher
        self._acts = acts
        self._waited_for = [one for one in askings if one.rule.streamed != "observe"]
        self._observing = [one for one in askings if one.rule.streamed == "observe"]
        self._telling = telling
        self._screen = AnswerScreen(matcher, None, None)
        self._answer: RawAnswer | None = None
        self._asked: RawAsked | None = None
        self._failure = ""

    def on_raw(self, exchange: Exchange, head: Head) -> RawAnswer | RawAsked | None:
        """Returns what the answer goes through."""
        content_type = head.headers.get("content-type", "")
        if not self._telling or not content_type.startswith(_TEXTS):
            return None
        if self._matcher is not None:
            self._answer = RawAnswer(self._matcher, content_type)
        if self._waited_for or self._observing:
            self._asked = RawAsked(exchange, self._waited_for, content_type, self._answer, self._again)
        return self._asked or self._answer

    def _again(self, text: str) -> str | None:
        return self._screen.again(text, "output", freeform=True)

    async def on_error(self, exchange: Exchange, error: UpstreamError) -> None:
        """Searches what an upstream says of its failure, and asks about it."""
        self._screen.error(error)
        if self._waited_for and error.message:
            consulted = await consult(self._waited_for, Asked(exchange, "output", (error.message,)))
            if consulted.blocked is not None or consulted.texts[0] != error.message:
                reword(error, WITHHELD if consulted.blocked is not None else consulted.texts[0])
        self._failure = error.message

    @property
    def lingers(self) -> bool:  # type: ignore[override]  # it depends on what there was to be seen
        """Whether somebody is to be asked yet."""
        return bool(self._observing and self._seen())

    def _seen(self) -> tuple[str, ...]:
        """Returns what went out."""
        texts = self._asked.texts if self._asked is not None else ()
        return (*texts, self._failure) if self._failure else texts

    async def on_end(self, exchange: Exchange) -> None:
        """Leaves what was found on the exchange, after the last question."""
        found = {number for number, _ in (*self._screen.found, *self._screen.flagged())}
        if self._answer is not None:
            found |= self._answer.found | self._answer.flagged
        for number in sorted(found):
            note_act(exchange, self._acts[number], "output")
        seen = self._seen()
        if self._observing and seen and exchange.outcome != "cancelled":
            await consult(self._observing, Asked(exchange, "output", seen))
