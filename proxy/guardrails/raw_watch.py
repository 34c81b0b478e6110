"""Searches the answer to a request that is passed on as it is, where that is a text, and what is said of failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UpstreamError
from ..matching import AnswerScreen, Matcher
from ..stage import Head, ResponseFilter
from .local import Act
from .marks import note_act
from .raw_answer import RawAnswer

if TYPE_CHECKING:
    from ..exchange import Exchange

_TEXTS = ("application/json", "text/")


class RawWatch(ResponseFilter):
    """The filter of one exchange. `telling` says that its answer is a text, and not vectors, pictures or files."""

    def __init__(self, matcher: Matcher, acts: Sequence[Act], *, telling: bool) -> None:
        self._matcher = matcher
        self._acts = acts
        self._telling = telling
        self._errors = AnswerScreen(matcher, None, None)
        self._answer: RawAnswer | None = None

    def on_raw(self, exchange: Exchange, head: Head) -> RawAnswer | None:
        """Returns what the answer goes through."""
        content_type = head.headers.get("content-type", "")
        if self._telling and content_type.startswith(_TEXTS):
            self._answer = RawAnswer(self._matcher, content_type)
        return self._answer

    async def on_error(self, exchange: Exchange, error: UpstreamError) -> None:
        """Searches what an upstream says of its failure."""
        self._errors.error(error)

    async def on_end(self, exchange: Exchange) -> None:
        """Leaves what was found on the exchange."""
        found = {number for number, _ in (*self._errors.found, *self._errors.flagged())}
        if self._answer is not None:
            found |= self._answer.found | self._answer.flagged
        for number in sorted(found):
            note_act(exchange, self._acts[number], "output")
