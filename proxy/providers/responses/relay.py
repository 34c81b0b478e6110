"""Passes the answer of an upstream that speaks the Responses API on to a client that does, event by event. Sans-IO.

What the upstream's stream says and how it says it stays; what of it breaks the grammar is repaired before. Penstock's
encoder numbers the events, puts its own Response around the items, and keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...events import Event, Passed, PassedResponse
from ..provider import Payload
from .ending import closing_events
from .repair import Repair
from .steps import AnyStep, Described, Ended


class ResponsesRelay:
    """A decoder whose events are those of the upstream. `done` is True once the answer has ended."""

    __slots__ = ("_repair", "done")

    def __init__(self) -> None:
        self._repair = Repair()
        self.done = False

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        """Takes payloads of the stream; returns the events they make. Hot: once a read."""
        return self._events(self._repair.feed(payloads))

    def text_of(self, read: bytes) -> str:
        """Returns nothing: every event is passed on as it is."""
        return ""

    def learn(self, read: bytes, text: str) -> None:
        """Takes nothing from it, for the same reason."""

    def finish(self) -> list[Event]:
        """Says that the body has ended; returns the rest, ending in `Finish` or `UpstreamFailed`."""
        return self._events(self._repair.finish())

    def whole(self, body: bytes) -> list[Event]:
        """Takes the body of a non-streamed answer instead; returns all its events."""
        return self._events(self._repair.whole(body))

    def _events(self, steps: list[AnyStep]) -> list[Event]:
        events: list[Event] = []
        for step in steps:
            if isinstance(step, Described):
                events.append(PassedResponse(step.fields))
            elif isinstance(step, Ended):
                self.done = True
                events.append(PassedResponse(step.fields, True))
                events += closing_events(step)
            else:
                events.append(Passed(step.type, step.item, step.data, step.number, step.fields, step.text, step.final))
        return events
