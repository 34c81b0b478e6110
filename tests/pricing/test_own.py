"""Prices of the file's own, and whose they are."""

from __future__ import annotations

import pytest

from proxy.pricing.own import OwnPrice, OwnPrices, deployments_of
from proxy.pricing.rates import rate_card

MODELS = {
    "smart": ["azure/prod-4o", "openai/gpt-4o"],
    "smart-er": ["openai/o3"],
    "acme/*": ["gateway/*"],
    "gpt-*": ["openai/gpt-*"],
    "one": ["gateway/fixed"],
}
UPSTREAMS = ("azure", "openai", "gateway")


@pytest.mark.parametrize(
    ("name", "deployments"),
    [
        ("smart", ("azure/prod-4o", "openai/gpt-4o")),
        ("smart*", ("azure/prod-4o", "openai/gpt-4o", "openai/o3")),
        ("azure/prod-4o", ("azure/prod-4o",)),
        ("azure/*", ("azure/*",)),
        ("azure/never-named", ("azure/never-named",)),
        ("acme/big", ("gateway/big",)),
        ("acme/b*", ("gateway/b*",)),
        ("acme/*", ("gateway/*",)),
        ("gpt-4o", ("openai/gpt-4o",)),
        ("g*", ("openai/gpt-*",)),
        ("prod-4o", ("azure/prod-4o",)),
        ("prod-*", ("azure/prod-4o",)),
        ("o3", ("openai/o3",)),
        ("*", ("*", "azure/prod-4o", "openai/gpt-4o", "openai/o3", "gateway/*", "openai/gpt-*", "gateway/fixed")),
    ],
)
def test_what_a_name_is_for(name: str, deployments: tuple[str, ...]) -> None:
    assert deployments_of(name, MODELS, UPSTREAMS) == deployments


@pytest.mark.parametrize("name", ["prod-5", "nobody/x", "smarter", "", "/x"])
def test_a_name_that_means_nothing(name: str) -> None:
    assert deployments_of(name, MODELS, UPSTREAMS) == ()


def own(name: str, *deployments: str) -> OwnPrice:
    return OwnPrice(name, 1, rate_card({"input": 1, "output": 1}), deployments or (name,))


def test_the_nearest_name_counts() -> None:
    prices = OwnPrices([
        own("*"), own("openai/*"), own("openai/gpt-*"), own("openai/gpt-4o"), own("smart", "openai/gpt-4o", "azure/x"),
    ])  # fmt: skip
    found = {
        name: price.name if (price := prices.find(name)) else None
        for name in ("openai/gpt-4o", "openai/gpt-5", "openai/o3", "azure/x", "azure/y")
    }
    assert found == {
        "openai/gpt-4o": "openai/gpt-4o", "openai/gpt-5": "openai/gpt-*", "openai/o3": "openai/*",
        "azure/x": "smart", "azure/y": "*",
    }  # fmt: skip


def test_without_prices_none_is_found() -> None:
    assert OwnPrices([]).find("openai/gpt-4o") is None
