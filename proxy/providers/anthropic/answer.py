"""What decoders of answers that come in blocks have in common: Claude's own API's, and Converse's."""

from __future__ import annotations

from ...errors import UpstreamError, UpstreamGarbled
from ...events import Event, UpstreamFailed
from .blocks import Blocks
from .frame import Frame

_MALFORMED_IN_A_ROW = 3


class BlockAnswer:
    """One answer so far: its blocks, why it ended once that was said, and what recognises its pieces of text.

    `done` is True once it has ended. `malformed` counts payloads that were skipped; three in a row fail the answer,
    unless it was said already why it ended.
    """

    __slots__ = ("_blocks", "_frame", "_malformed_run", "_reason", "done", "malformed", "text_of")

    def __init__(self, frame: Frame, blocks: Blocks) -> None:
        self.done = False
        self.malformed = 0
        self.text_of = frame.text
        self._malformed_run = 0
        self._frame = frame
        self._blocks = blocks
        self._reason: str | None = None

    def learn(self, read: bytes, text: str) -> None:
        """Tells of a read that was one whole event and gave that text alone, so that the next like it is known."""
        index = self._blocks.text_index
        if index is not None and index >= 0 and not self.done:
            self._frame.learn(read, index)

    def _skip(self, events: list[Event]) -> None:
        self.malformed += 1
        self._malformed_run += 1
        if self._malformed_run >= _MALFORMED_IN_A_ROW and self._reason is None:
            self._fail(UpstreamGarbled("The upstream sent several events in a row that are not JSON."), events)

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        self._blocks.end(events, complete=False)
        self.done = True
        events.append(UpstreamFailed(error))
