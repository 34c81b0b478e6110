"""How many exchanges a worker serves now, however their requests came."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from types import TracebackType

from ..errors import Overloaded


class Running:
    """Counts what runs: `with running:` around each, or `enter` and `leave`. `at_most` is how many may; None is no
    limit.

    `alone` are those that go on after their clients have left: nobody waits here for them, and yet they run.
    """

    def __init__(self, at_most: int | None = None, alone: Sized = ()) -> None:
        self._at_most = at_most
        self._alone = alone
        self._none: asyncio.Event | None = None  # made when somebody waits for it
        self._before: Running | None = None
        self.count = 0

    def enter(self) -> None:
        """Counts one more."""
        self.count += 1

    def leave(self) -> None:
        """Counts one less."""
        self.count -= 1
        if not self.count and self._none is not None:
            self._none.set()

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()

    def check(self) -> None:
        """Raises Overloaded when more run than may, the one that asks among them."""
        if self._at_most is not None and self.total > self._at_most:
            raise Overloaded(f"This server answers {self._at_most} requests at a time.", retry_after_s=1)

    @property
    def total(self) -> int:
        """How many run, with those that came before another configuration took over and are not over yet."""
        earlier = 0 if self._before is None else self._before.total
        if not earlier:
            self._before = None
        return self.count + len(self._alone) + earlier

    def follow(self, before: Running) -> None:
        """Counts from now on also what runs there."""
        if before.total:
            self._before = before

    async def none(self) -> None:
        """Returns when nothing runs."""
        while self.count:
            if self._none is None or self._none.is_set():
                self._none = asyncio.Event()
            await self._none.wait()
