"""Asks others about an answer that is passed on as it is: legacy completions, transcriptions.

They are asked once, about all of it. Where somebody is waited for, nothing goes out before that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import UpstreamGarbled
from .check import Asked, Asking
from .consult import consult
from .raw_answer import RawAnswer
from .raw_form import read

if TYPE_CHECKING:
    from ..exchange import Exchange

_MOST = 64 * 1024 * 1024
"""How many bytes of an answer wait."""


class RawAsked:
    """One answer on its way, behind the rules that are decided here, where there are any (`searched`).

    `askings` are those that are waited for, if any; `again` returns what may go out of a text that they have made, and
    None where nothing may. In the end `texts` is what went out.
    """

    def __init__(
        self,
        exchange: Exchange,
        askings: Sequence[Asking],
        content_type: str,
        searched: RawAnswer | None,
        again: Callable[[str], str | None],
    ) -> None:
        self.texts: tuple[str, ...] = ()
        self._exchange = exchange
        self._askings = askings
        self._events = content_type.startswith("text/event-stream")
        self._searched = searched
        self._again = again
        self._body = bytearray()

    @property
    def done(self) -> bool:
        """Whether a rule that is decided here has ended the answer."""
        return self._searched is not None and self._searched.done

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; returns them where nobody is waited for. Raises UpstreamError for too many."""
        if self._searched is not None:
            data = self._searched.feed(data)
        if not self._askings:  # who only observes ends nothing: no more than this is shown
            self._body += data[: _MOST - len(self._body)]
            return data
        self._body += data
        if len(self._body) > _MOST:
            raise UpstreamGarbled("The answer is too large to be looked at.")
        return b""

    async def finish(self) -> bytes:
        """Says that the answer has ended; asks, and returns what may go out."""
        rest = b"" if self._searched is None else self._searched.finish()
        self._body += rest
        body = bytes(self._body)
        form = read(body, events=self._events)
        self.texts = form.texts
        if not self._askings:
            return rest
        if not any(form.texts):
            return body
        consulted = await consult(self._askings, Asked(self._exchange, "output", form.texts))
        if consulted.blocked is None and consulted.texts == form.texts:
            return body
        again = [self._again(text) for text in consulted.texts]
        self.texts = left = tuple(text for text in again if text is not None)
        if consulted.blocked is not None or len(left) < len(again):
            self.texts = ()
            return form.withheld()
        return form.saying(left)
