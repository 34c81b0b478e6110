"""What turns a summary that a model writes into a compaction item, and what puts such an item before an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..api.raw import Raw
from ..errors import UpstreamStreamError
from ..events import Event, Finish, OutputItem, TextDelta, UpstreamFailed, Usage
from ..sealing import Sealing
from ..stage import ResponseFilter
from .summary import Kind, Summary, compaction_item

if TYPE_CHECKING:
    from ..exchange import Exchange


class Fold(ResponseFilter):
    """Gathers the text of an answer and gives one compaction item in its place.

    Stands next to the client, so that what other filters did to the text is done. Thinking is left out, and so are
    calls of tools, which a model may make although it was told not to.
    """

    def __init__(self, sealing: Sealing, kind: Kind, kept: list[Raw]) -> None:
        self._sealing = sealing
        self._kind = kind
        self._kept = kept
        self._texts: list[str] = []

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Lets through what the answer has used and how it ended; its text when all of it is there."""
        passed: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta):
                self._texts.append(event.text)
            elif isinstance(event, Finish):
                passed += self._ended(event)
            elif isinstance(event, (Usage, UpstreamFailed)):
                passed.append(event)
        return passed

    def _ended(self, finish: Finish) -> list[Event]:
        text = "".join(self._texts).strip()
        self._texts = []
        if not text:
            error = UpstreamStreamError("The model wrote no summary of the conversation.", code="server_error")
            return [UpstreamFailed(error)]
        summary = Summary(self._kind, text, self._kept)
        return [OutputItem(compaction_item(summary, self._sealing)), finish]


class Preface(ResponseFilter):
    """Puts an output item in front of the answer."""

    def __init__(self, item: dict[str, object]) -> None:
        self._item: dict[str, object] | None = item

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Gives the item with the first events; then changes nothing. Hot: once a read."""
        item = self._item
        if item is None or not events:
            return events
        self._item = None
        return [OutputItem(item), *events]
