"""Tells whether something is worth asking: not, once it has failed several times, until it has answered again."""

from __future__ import annotations

import logging

_log = logging.getLogger("penstock")


class Breaker:
    """Opens after `threshold` failures without an answer between them, closes at the first answer.

    Each change is one line in the log: `what` it is about, and what `meanwhile` means for requests.
    """

    def __init__(self, what: str, meanwhile: str, threshold: int = 3) -> None:
        self._what = what
        self._meanwhile = meanwhile
        self._threshold = threshold
        self._failures = 0
        self.open = False

    def failed(self, error: BaseException) -> None:
        """Notes that it did not answer, or not in time."""
        self._failures += 1
        if self._failures >= self._threshold and not self.open:
            self.open = True
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            _log.error("%s does not answer (%s): %s", self._what, why, self._meanwhile)

    def answered(self) -> None:
        """Notes that it has answered."""
        self._failures = 0
        if self.open:
            self.open = False
            _log.warning("%s answers again", self._what)
