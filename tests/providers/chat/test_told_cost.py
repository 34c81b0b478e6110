"""Costs that upstreams tell, as they were recorded and as they should never be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from proxy.providers.chat.told_cost import told_cost


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        ({"cost": 0.000669, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}, "0.000669"),
        ({"cost": 7.159e-05}, "0.00007159"),
        ({"cost": 0.0076509169000000005}, "0.0076509169"),
        ({"cost": 0}, "0"),
        ({"cost": 3}, "3"),
        ({"cost": 0.95, "is_byok": True, "cost_details": {"upstream_inference_cost": 19}}, "19.95"),
        ({"cost": 0.95, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, "0.95"),
        ({"cost": 0.95, "is_byok": True, "cost_details": None}, "0.95"),
        ({"cost": 0.001156, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.001156}}, "0.001156"),
        ({"cost": {"input_tokens_cost": 0.001, "output_tokens_cost": 0.002, "total_cost": 0.008}}, "0.008"),
        ({"cost_in_usd_ticks": 37756000}, "0.0037756"),
        ({"cost_in_usd_ticks": 1497500}, "0.00014975"),
    ],
)
def test_what_is_told(usage: dict[str, Any], dollars: str) -> None:
    assert told_cost(usage) == Decimal(dollars)


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"cost": None},
        {"cost": "0.5"},
        {"cost": True},
        {"cost": -0.1},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"cost": 10**30},
        {"cost": [1]},
        {"cost": {}},
        {"cost": {"total_cost": 0}},
        {"cost": {"total_cost": "1"}},
        {"cost_in_usd_ticks": 0},
        {"cost_in_usd_ticks": -5},
        {"cost_in_usd_ticks": 1.5},
        {"cost_in_usd_ticks": True},
        {"cost_in_usd_ticks": 10**40},
    ],
)
def test_what_is_not(usage: dict[str, Any]) -> None:
    assert told_cost(usage) is None
