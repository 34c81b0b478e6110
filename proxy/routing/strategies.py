"""Which of several deployments is asked: by weight, by how busy or fast they are, by price."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import inf
from typing import Literal, Protocol

import msgspec

from ..events import Usage
from ..pricing.book import Price
from ..providers.provider import Deployment
from .health import Health

Strategy = Literal["weighted", "least-busy", "latency", "cost"]

_COMPARED = Usage(3000, 1000)  # three tokens of input for one of output, as in prices that people compare


class Member(msgspec.Struct, frozen=True, eq=False):
    """A deployment of a model, its health, and what it charges; `cost` is infinite where nobody knows."""

    deployment: Deployment
    health: Health
    cost: float = inf


class Choose(Protocol):
    """Chooses one of at least one member; `now` is the time on the board's clock."""

    def __call__(self, members: Sequence[Member], now: float, *, streamed: bool) -> Member:
        """Returns the one to ask for a stream, or for a whole answer."""


def cost_of(price: Price) -> float:
    """Returns what an answer of a usual shape costs, so that deployments can be compared."""
    return inf if price.card is None else float(price.card.cost(_COMPARED))


def weighted(members: Sequence[Member], now: float, *, streamed: bool) -> Member:
    """Returns each member as often as its weight says. Hot: once an attempt."""
    if len(members) == 1:
        return members[0]
    left = random.random() * sum([one.deployment.weight for one in members])
    for one in members:
        left -= one.deployment.weight
        if left < 0:
            return one
    return members[-1]


def least_busy(members: Sequence[Member], now: float, *, streamed: bool) -> Member:
    """Returns the member with the fewest requests in flight for its weight."""
    busy = [one.health.busy / one.deployment.weight for one in members]
    least = min(busy)
    idle = [one for one, how in zip(members, busy, strict=True) if how <= least]
    return weighted(idle, now, streamed=streamed)


def quickest(members: Sequence[Member], now: float, *, streamed: bool) -> Member:
    """Returns the better of two members that were drawn by weight: by latency, and by how many wait there already.

    Two are enough to stay away from the slow ones, and few enough that not everybody runs to the fastest. Source:
    Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (2001).
    """
    if len(members) == 1:
        return members[0]
    one = weighted(members, now, streamed=streamed)
    other = weighted([each for each in members if each is not one], now, streamed=streamed)
    return min(one, other, key=lambda each: _expected(each.health, now, streamed=streamed))


def _expected(health: Health, now: float, *, streamed: bool) -> float:
    return health.latency_s(now, streamed=streamed) * (1 + health.busy)


def cheapest(members: Sequence[Member], now: float, *, streamed: bool) -> Member:
    """Returns the member that charges least; equals share by weight, and those of unknown price come last."""
    least = min([one.cost for one in members])
    return weighted([one for one in members if one.cost <= least], now, streamed=streamed)


STRATEGIES: Mapping[Strategy, Choose] = {
    "weighted": weighted,
    "least-busy": least_busy,
    "latency": quickest,
    "cost": cheapest,
}
