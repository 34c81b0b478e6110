"""What is asked of counters: a limit for one subject, and the answer to one request under it."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one subject may have: `requests` in any `window_s` seconds, and `parallel` at the same time."""

    requests: int | None = None
    parallel: int | None = None
    window_s: float = 60.0


class Grant(msgspec.Struct):
    """Whether a request may go on, and how the subject stands after it.

    `refused_by` names the limit that was reached; a refused request has taken nothing. `remaining` counts the requests
    left, `reset_s` the seconds until all of them are there again, `retry_after_s` those until one is.
    """

    subject: bytes
    refused_by: Literal["requests", "parallel"] | None = None
    remaining: int = 0
    reset_s: float = 0.0
    retry_after_s: float = 0.0
    held: bool = False
    """A parallel slot is taken, and waits for `release`."""


class Counters(Protocol):
    """Counts what subjects take. Deciding and taking is one step: two requests never get the same last place."""

    async def take(self, subject: str, limits: Limits) -> Grant:
        """Takes one request and one parallel slot of a subject, or nothing when either limit is reached."""

    async def release(self, grant: Grant) -> None:
        """Gives back the parallel slot of a grant; the second time nothing happens."""

    def forget_worker(self, index: int) -> None:
        """Gives back the parallel slots of a worker that is no more."""

    def close(self) -> None:
        """Lets go of what the counters hold open."""
