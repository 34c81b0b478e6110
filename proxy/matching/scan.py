"""What every way of looking for something in a running text offers."""

from __future__ import annotations

from typing import Protocol

Match = tuple[int, int, int]
"""Where something was found: first character, number of the rule, character after the last. Sorts by place."""

APART = "\0"
"""Stands between texts that are searched together."""


class Scan(Protocol):
    """One search over one text that arrives in pieces. Offsets count characters from the beginning of that text."""

    safe: int
    """No match that is not in `found` yet begins before this offset: what stands before it is decided."""

    found: list[Match]
    """Matches that are sure, in no particular order; whoever reads them empties the list."""

    def feed(self, text: str) -> None:
        """Takes the next piece. Hot: once an event."""

    def idle(self, text: str) -> bool:
        """Tells whether nothing waits, and the next piece neither holds nor begins a match; does nothing. Hot.

        It may also say False where that is so: `feed` knows better.
        """

    def skip(self, text: str) -> bool:
        """Takes the next piece if it is `idle`, and tells whether it has. Hot: once an event."""

    def settle(self) -> None:
        """Decides what is there as if the text ended here; `safe` becomes its length.

        More may follow: a match that had begun before goes on where it stood.
        """
