"""Who holds what."""

from __future__ import annotations

from proxy.counters import Demand, Grant, Limit
from proxy.counters.holds import Hold, Holds

TOKENS = Limit(unit="tokens", most=100, window_s=60)


class Letting:
    """An exchange that was let in."""

    def __init__(self, name: str, since: float, *amounts: int) -> None:
        self.exchange_id, self.since = name, since
        every = [Demand(f"limit: {unit}", Limit(unit=unit, most=9), 1) for unit in ("requests", "parallel")]
        self.grants = [Grant([Demand("limit: a", TOKENS, amount), *every], [], None, "taken") for amount in amounts]


def test_the_oldest_are_shown_with_all_that_they_hold() -> None:
    holds = Holds(lambda: 105.0)
    first, second, third = Letting("one", 100.0, 5, 0), Letting("two", 104.5, 7), Letting("three", 105.0, 9)
    for one in (first, second, third):
        holds.running[one] = None
    assert len(holds) == 3
    assert holds.oldest(2) == [
        Hold("one", "limit: a", "tokens", 5, 5.0),
        Hold("one", "limit: parallel", "parallel", 1, 5.0),
        Hold("one", "limit: parallel", "parallel", 1, 5.0),
        Hold("two", "limit: a", "tokens", 7, 0.5),
        Hold("two", "limit: parallel", "parallel", 1, 0.5),
    ]
    second.grants[0].taken = None
    assert [one.exchange for one in holds.oldest(9)] == ["one"] * 3 + ["three"] * 2, "what is settled is held no more"
