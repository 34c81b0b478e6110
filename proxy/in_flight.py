"""The responses that this worker is making now: found by id, and how many of them may be in the background."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .errors import RateLimited
from .stores.keeper import owner_of

if TYPE_CHECKING:
    from .run import Run


class InFlight:
    """Runs by the id of their response. An owner sees its own; any other id is unknown to it."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}

    def add(self, run: Run) -> None:
        """Makes a run known under the id of its response."""
        id = run.exchange.response_id
        assert id is not None
        self._runs[id] = run

    def discard(self, run: Run) -> None:
        """Forgets a run."""
        id = run.exchange.response_id
        if id is not None and self._runs.get(id) is run:
            del self._runs[id]

    def get(self, id: str, owner: str) -> Run | None:
        """Returns the run that makes a response, or None when the owner has none of that id in flight."""
        run = self._runs.get(id)
        return run if run is not None and owner_of(run.exchange) == owner else None

    def __len__(self) -> int:
        return len(self._runs)


_WAITING_BYTES = 512 * 1024 * 1024


class Background:
    """Room for background responses in one worker: so many run at a time, and so many more wait for their turn.

    The requests of those that wait may take `most_bytes` in all; one may wait however large it is.
    """

    def __init__(self, running: int, waiting: int, *, most_bytes: int = _WAITING_BYTES) -> None:
        self.bounds = running, waiting
        self._most = running + waiting
        self._most_bytes = most_bytes
        self._slots = asyncio.Semaphore(running)
        self._inside = 0
        self._bytes = 0
        self._before: Background | None = None

    def following(self, before: Background) -> Background:
        """Returns what stands in the place of another: that one where the bounds are the same, else this, counting it.

        Then as many as may be running here run beside those that run there.
        """
        if self.bounds == before.bounds:
            return before
        self._before = before
        return self

    @property
    def inside(self) -> int:
        """How many run or wait."""
        earlier = 0 if self._before is None else self._before.inside
        if not earlier:
            self._before = None
        return self._inside + earlier

    def enter(self, size: int = 0) -> Ticket:
        """Takes a place for a request of so many bytes; raises RateLimited when all are taken."""
        if (inside := self.inside) >= self._most:
            raise _full(f"{inside} background responses are running or waiting here, and there may be no more.")
        if self._bytes and self._bytes + size > self._most_bytes:
            raise _full(f"Background responses of {self._bytes} bytes wait here, and there may be no more.")
        self._inside += 1
        self._bytes += size
        return Ticket(self, size)

    async def acquire(self) -> None:
        """Waits until one more may run."""
        await self._slots.acquire()

    def began(self, size: int) -> None:
        """Takes note that a request of so many bytes waits no longer."""
        self._bytes -= size

    def release(self, *, ran: bool) -> None:
        """Gives a place back."""
        self._inside -= 1
        if ran:
            self._slots.release()


class Ticket:
    """One place among the background responses."""

    def __init__(self, background: Background, size: int) -> None:
        self._background = background
        self._size = size
        self._runs = False
        self._left = False

    async def turn(self) -> None:
        """Waits for its turn to run."""
        await self._background.acquire()
        self._runs = True
        self._background.began(self._size)

    def leave(self) -> None:
        """Gives the place back; safe to call again."""
        if not self._left:
            self._left = True
            if not self._runs:
                self._background.began(self._size)
            self._background.release(ran=self._runs)


def _full(why: str) -> RateLimited:
    return RateLimited(why, retry_after_s=5)
