"""A whole Response that is one message of one text, made in one step.

The encoder makes the same of the same answer, event by event; `tests/api/responses/test_plain.py` holds the one against
the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from .made_ids import made_id

if TYPE_CHECKING:
    from ...errors import ExchangeError
    from ...events import Event, PlainAnswer, Usage
    from ...exchange import Outcome
    from .snapshot import Snapshot

_encode = msgspec.json.encode


class PlainResponse:
    """The Response of a plain answer: an encoder that has ended.

    `now` is the moment of its end, in Unix seconds.
    """

    __slots__ = ("_chars", "_final", "_item", "outcome", "service_tier", "usage")

    done = True
    error: ExchangeError | None = None
    log = None
    outcome: Outcome | None
    usage: Usage | None
    service_tier: str | None

    def __init__(self, answer: PlainAnswer, snapshot: Snapshot, response_id: str, now: int) -> None:
        whole = answer.reason == "stop"
        self.outcome = "completed" if whole else "incomplete"
        self.usage = answer.usage
        self.service_tier = answer.service_tier
        self._chars = len(answer.text)
        self._item = (
            b'{"id":"%b","type":"message","status":"%b","role":"assistant",'
            b'"content":[{"type":"output_text","text":%b,"annotations":[],"logprobs":[]}]}'
            % (made_id(response_id, "msg", 0).encode(), self.outcome.encode(), _encode(answer.text))
        )
        reason = "max_output_tokens" if answer.reason == "length" else answer.reason
        self._final = snapshot.render(
            self.outcome,
            output=b"[%b]" % self._item,
            usage=answer.usage,
            completed_at=now if whole else None,
            incomplete_reason=None if whole else reason,
            service_tier=answer.service_tier,
        )

    def use(self, tools: Any, seal: Any, *, heard: bool = True) -> None:
        """Does nothing: it has ended."""

    def begin(self) -> bytes:
        """Returns nothing: it has ended, and nobody was told of it."""
        return b""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Ignores events behind the end."""
        return b""

    def piece(self, text: str) -> bytes:
        """Takes no piece of text behind the end."""
        return b""

    def pieces(self, texts: list[str], strings: list[bytes]) -> bytes:
        """Takes none, likewise."""
        return b""

    def fail(self, error: ExchangeError) -> bytes:
        """Ignores what comes behind the end."""
        return b""

    def final(self) -> bytes:
        """Returns the Response, as JSON."""
        return self._final

    def now(self) -> bytes:
        """Returns the same: it has ended."""
        return self._final

    def end(self) -> bytes:
        """Returns nothing: nobody was told that it has begun."""
        return b""

    def kept_output(self) -> list[msgspec.Raw]:
        """Returns its one item."""
        return [msgspec.Raw(self._item)]

    def output_chars(self) -> int:
        """Returns how many characters the model has produced."""
        return self._chars
