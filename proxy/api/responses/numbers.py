"""The sequence numbers of the events of one response."""

from __future__ import annotations

from ...compiled import compiled_if_built


@compiled_if_built
class Numbers:
    """Counts events: `next` is the number of the next one."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next = 0
