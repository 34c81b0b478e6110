"""A whole Response that is one message of one text, made in one step.

The encoder makes the same of the same answer, event by event; `tests/api/responses/test_plain.py` holds the one against
the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from .made_ids import first_id
from .plain_message import ITEM
from .snapshot import Shown, Snapshot, render_completed

if TYPE_CHECKING:
    from ...errors import ExchangeError
    from ...events import Event, PlainAnswer, Usage
    from ...exchange import Outcome
    from ...transform.edited import Changes

_encode = msgspec.json.encode
_ITEM = ITEM % (b'"%b"', b"%b", b"%b")
_COMPLETED = _ITEM % (b"%b", b"completed", b"%b")


class PlainResponse:
    """The Response of a plain answer: an encoder that has ended.

    `created_at` and `now`, the moment of its end, are in Unix seconds; `shown` is what it tells of its request, and
    `changed` what the file changes about its fields.
    """

    any_piece = False
    __slots__ = ("_chars", "_final", "_item", "outcome", "service_tier", "usage")

    done = True
    error: ExchangeError | None = None
    log = None
    outcome: Outcome | None
    usage: Usage | None
    service_tier: str | None

    def __init__(
        self, answer: PlainAnswer, shown: Shown, response_id: str, created_at: int, now: int, changed: Changes
    ) -> None:
        usage, tier = answer.usage, answer.service_tier
        self.usage = usage
        self.service_tier = tier
        self._chars = len(answer.text)
        item_id = first_id(response_id, "msg").encode()
        if answer.reason == "stop" and not changed:  # as nearly all
            self.outcome = "completed"
            item = self._item = _COMPLETED % (item_id, _encode(answer.text))
            self._final = render_completed(shown, response_id, created_at, now, item, usage, tier)
            return
        whole = answer.reason == "stop"
        self.outcome = "completed" if whole else "incomplete"
        self._item = _ITEM % (item_id, self.outcome.encode(), _encode(answer.text))
        reason = "max_output_tokens" if answer.reason == "length" else answer.reason
        snapshot = Snapshot.showing(shown, response_id=response_id, created_at=created_at, changed=changed)
        self._final = snapshot.render(
            self.outcome,
            output=b"[%b]" % self._item,
            usage=usage,
            completed_at=now if whole else None,
            incomplete_reason=None if whole else reason,
            service_tier=tier,
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
