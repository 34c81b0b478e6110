"""Each way to choose one of several deployments."""

from __future__ import annotations

import random
from collections import Counter
from math import inf

import pytest

from proxy.pricing.book import Price
from proxy.pricing.rates import rate_card
from proxy.routing.health import Health
from proxy.routing.strategies import STRATEGIES, Member, cost_of
from tests.support.routes import deployment


def members(**more: dict[str, float]) -> list[Member]:
    """Returns members by name, with weight, requests in flight, latency and cost."""
    made = []
    for name, said in more.items():
        health = Health(name)
        health.in_flight = int(said.get("busy", 0))
        if "latency" in said:
            health.measure(said["latency"], 0.0, streamed=True)
        made.append(Member(deployment(name, said.get("weight", 1.0)), health, said.get("cost", inf)))
    return made


@pytest.mark.parametrize(
    ("strategy", "group", "shares"),
    [
        ("weighted", {"a": {"weight": 3}, "b": {}}, {"a": 0.75, "b": 0.25}),
        ("least-busy", {"a": {"busy": 2}, "b": {"busy": 1}, "c": {"busy": 1}}, {"b": 0.5, "c": 0.5}),
        ("least-busy", {"a": {"busy": 2, "weight": 4}, "b": {"busy": 1}}, {"a": 1.0}),
        ("latency", {"a": {"latency": 0.1}, "b": {"latency": 0.2}}, {"a": 1.0}),
        ("latency", {"a": {"latency": 0.1, "busy": 3}, "b": {"latency": 0.2}}, {"b": 1.0}),
        (
            "latency",
            {"a": {"latency": 0.1}, "b": {"latency": 0.2}, "c": {"latency": 0.3}},
            {"a": 2 / 3, "b": 1 / 3},
        ),
        ("latency", {"a": {"latency": 0.1}, "new": {}}, {"new": 1.0}),
        ("cost", {"a": {"cost": 2}, "b": {"cost": 1}, "c": {"cost": 1}, "d": {}}, {"b": 0.5, "c": 0.5}),
        ("cost", {"a": {}, "b": {}}, {"a": 0.5, "b": 0.5}),
    ],
)
def test_who_is_asked(strategy: str, group: dict[str, dict[str, float]], shares: dict[str, float]) -> None:
    random.seed(3)
    choose, made = STRATEGIES[strategy], members(**group)  # type: ignore[index]
    asked = Counter(choose(made, 0.0, streamed=True).health.name for _ in range(4000))
    assert set(asked) == set(shares)
    assert all(abs(asked[name] / 4000 - share) < 0.03 for name, share in shares.items())


def test_a_lone_member_is_the_one() -> None:
    made = members(a={})
    assert {choose(made, 0.0, streamed=False) is made[0] for choose in STRATEGIES.values()} == {True}


def test_unknown_prices_are_the_highest() -> None:
    assert cost_of(Price("unknown")) == inf
    cheap, dear = (Price("file", rate_card({"input": 1, "output": out})) for out in (5, 9))
    assert cost_of(cheap) < cost_of(dear)
    assert cost_of(Price("own", rate_card({"input": 0, "output": 0}))) == 0
