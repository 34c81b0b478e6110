"""The receiving end of an upstream's connection: what comes goes to the shortcut of the answer, or is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import compiled_if_built

if TYPE_CHECKING:
    from .client import Taker


@compiled_if_built
class Receiver:
    """Takes what a transport brings. Whoever sees to the answer sets `shortcut`, and says when the next read begins
    where a chunk may begin (`between`). `last` is when the shortcut took one, by the loop's clock.
    """

    __slots__ = ("between", "last", "shortcut")

    def __init__(self) -> None:
        self.last = 0.0
        self.shortcut: Taker | None = None
        self.between = False

    def data_received(self, data: bytes) -> None:
        """Transport's call. Hot: once a read."""
        if self.between:
            shortcut = self.shortcut
            if shortcut is not None and (now := shortcut.take(data)):
                self.last = now
                return
            self.between = False
        self.read(data)

    def read(self, data: bytes) -> None:
        """Takes a read that no shortcut has taken."""
        raise NotImplementedError  # of who sees to the answer; not an ABC, for which no compiled class could stand
