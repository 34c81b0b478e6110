"""What answers may cost at most."""

from __future__ import annotations

import pytest

from proxy.errors import BadRequest
from proxy.limiting.worst_costs import WorstCosts
from proxy.models import ModelTable
from proxy.pricing.book import PriceBook
from proxy.providers.provider import Deployment
from tests.support.drive import asking, exchange_of
from tests.support.scripted import ScriptedProvider


def test_the_dearest_deployment_counts() -> None:
    exchange = exchange_of(asking(model="m"))
    costs = WorstCosts(PriceBook(), unpriced=None)
    both = []
    for name, model, cost in (("cheap", "gpt-4o-mini", 750_000_000), ("dear", "gpt-4o", 12_500_000_000)):
        provider = ScriptedProvider(name=name)
        provider.kind = "openai"  # type: ignore[misc]
        both.append(Deployment(provider, model))
        assert costs.of(exchange, both[-1:], 1_000_000, 1_000_000) == cost
    assert costs.of(exchange, [*both, *both], 1_000_000, 0) == 2_500_000_000
    exchange.models = ModelTable({"m": both[:1]})
    assert costs.of_model(exchange, 1_000_000, 1_000_000) == 750_000_000
    exchange.models = ModelTable({"m": both})
    assert costs.of_model(exchange, 1_000_000, 1_000_000) == 12_500_000_000, "another table is not taken for the first"
    unknown = [*both, Deployment(both[0].provider, "nobody-knows")]
    with pytest.raises(BadRequest):
        costs.of(exchange, unknown, 1, 1)
    assert WorstCosts(PriceBook(), unpriced=7).of(exchange, unknown, 1, 1) == 7


def test_a_model_that_a_stage_has_put_in_the_place_of_another_is_paid() -> None:
    costs, provider = WorstCosts(PriceBook(), unpriced=None), ScriptedProvider(name="openai")
    provider.kind = "openai"  # type: ignore[misc]
    exchange = exchange_of(asking(model="alias"))
    exchange.models = ModelTable(
        {"m": [Deployment(provider, "gpt-4o")], "alias": [Deployment(provider, "gpt-4o-mini")]}
    )
    assert costs.of_model(exchange, 1_000_000, 0) == 150_000_000
    exchange.request.set("model", "m")
    assert costs.of_model(exchange, 1_000_000, 0) == 2_500_000_000
