"""What is asked of counters: so much of a limit for each of several subjects, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec

from .periods import PERIODS, Period

if TYPE_CHECKING:
    from .holds import Holds

Unit = Literal["requests", "tokens", "parallel", "usd"]
"""What is counted. Money is counted in nano-dollars (10^-9 $), as a whole number like everything else."""

UNITS: tuple[Unit, ...] = ("requests", "tokens", "parallel", "usd")
NANO = 1_000_000_000
"""How many nano-dollars a dollar has."""

SLOTS = 30
"""How many slots a window has; see `cells`."""
_FOREVER_US = 1 << 61


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """At most so much of a unit in any stretch of `window_s` seconds; `parallel` is at the same time, without window.

    With a `period` it is in each day, week or month of the calendar (UTC) instead.

    Requests count from the moment they are let in. Tokens and money are held as estimated, and count as they were
    really used from the moment that is known.
    """

    unit: Unit
    most: int
    window_s: float = 0.0
    period: Period | None = None
    slot_us: int = 0
    window_us: int = 0

    def __post_init__(self) -> None:
        if self.period is not None:
            slot_us = ~PERIODS.index(self.period)
        else:
            slot_us = max(1, int(self.window_s * 1_000_000) // SLOTS) if self.window_s else _FOREVER_US
            slot_us = min(slot_us, _FOREVER_US)
        msgspec.structs.force_setattr(self, "slot_us", slot_us)
        msgspec.structs.force_setattr(self, "window_us", int(self.window_s * 1_000_000))


class Demand(msgspec.Struct, frozen=True, gc=False):
    """So much of one limit, for the subject that `counter` names; the same name is the same counter everywhere."""

    counter: str
    limit: Limit
    amount: int


class Standing(msgspec.Struct, gc=False):
    """How a counter stands after a decision: `reset_s` until all is there again, `retry_after_s` until the demand fits.

    The latter is None where waiting does not help, or where it only ends with what is running.
    """

    used: int
    held: int
    remaining: int
    reset_s: float = 0.0
    retry_after_s: float | None = None


class Grant(msgspec.Struct):
    """The answer to demands: all of them were met, or none because of the one at `refused`.

    `taken` is for the counters alone: what they need to settle it.
    """

    demands: Sequence[Demand]
    standings: list[Standing]
    refused: int | None = None
    taken: Any = None


class Holder(msgspec.Struct, frozen=True):
    """Who holds how much of a counter for what still runs."""

    who: str
    amount: int


class CounterState(msgspec.Struct, frozen=True):
    """One counter at one moment. `most` and the window are those of the last demand; `slot_us` is that of its limit."""

    counter: str
    unit: Unit
    most: int
    slot_us: int
    used: int
    held: int
    holders: tuple[Holder, ...] = ()

    @property
    def window_s(self) -> float:
        """How long the window is; 0 where there is none, or where it is of the calendar."""
        return 0.0 if self.unit == "parallel" or self.slot_us < 0 else self.slot_us * SLOTS / 1e6

    @property
    def period(self) -> Period | None:
        """The calendar's window."""
        return PERIODS[~self.slot_us] if self.slot_us < 0 else None


class Counters(Protocol):
    """Counts what subjects take. Deciding and taking is one step: two requests never get the same last place.

    What was taken for something that runs belongs to this process for as long as it lives; of one that is dead nothing
    is held any more when its lease has ended.
    """

    settles_at_once: bool
    """Promises that `settle` waits for nothing."""
    holds: Holds
    """Which exchanges of this process hold something; noted by those who reserve for them."""

    async def start(self) -> None:
        """Begins to renew the lease. Who starts the counters again must close them again."""

    async def close(self) -> None:
        """Gives up what is still held, when all who have started the counters have closed them."""

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        """Meets all demands, or none of them when one does not fit; raises ExchangeError when that cannot be told."""

    async def settle(self, grant: Grant, used: Sequence[int]) -> None:
        """Puts what was used in the place of what was taken, demand by demand; the second time nothing happens.

        A request that was none uses 0; a place among the parallel ones is given back, whatever is said for it.
        """

    async def snapshot(self) -> list[CounterState]:
        """Returns every counter as it is now."""


@runtime_checkable
class OfAllHosts(Protocol):
    """What counters of all hosts are besides: two that ask the same server are like each other."""

    def is_like(self, other: Counters) -> bool:
        """Tells whether other counters ask the same server in the same way."""
