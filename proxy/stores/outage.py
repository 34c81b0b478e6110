"""Says once that something is out of reach, and once that it is back, however many calls have failed meanwhile."""

from __future__ import annotations

import logging

from .store import StoreFailed, StoreUnavailable

_log = logging.getLogger("penstock")


class Outage:
    """Whether `what` is out of reach. Who asks it says how each call has ended."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lasts = False

    def failed(self, error: StoreUnavailable) -> None:
        """Notes a call that got no answer; its error counts as told."""
        error.told = True
        if not self._lasts:
            self._lasts = True
            _log.error("%s", error)

    def answered(self) -> None:
        """Notes a call that got an answer."""
        if self._lasts:
            self._lasts = False
            _log.warning("%s answers again", self._what)


def tell(error: StoreFailed) -> None:
    """Says in the log that a store has failed, unless that was said."""
    if not error.told:
        _log.error("the response store failed: %s", error)
