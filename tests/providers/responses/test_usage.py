"""Usage, as upstreams tell it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from proxy.providers.responses.usage import usage_from_responses

FULL = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (FULL, (9, 5, 4, 1, 2, 14)),
        ({}, (0, 0, 0, 0, 0, 0)),
        ({"input_tokens": 3, "output_tokens": 4}, (3, 4, 0, 0, 0, 7)),
        ({"input_tokens": 3.0, "output_tokens": "4", "input_tokens_details": None}, (3, 0, 0, 0, 0, 3)),
        ({"input_tokens": True, "output_tokens": -1, "total_tokens": 2}, (0, 0, 0, 0, 0, 2)),
    ],
)
def test_counts(usage: dict[str, Any], counts: tuple[int, ...]) -> None:
    told = usage_from_responses(usage)
    assert counts == (
        told.input_tokens,
        told.output_tokens,
        told.cached_tokens,
        told.cache_write_tokens,
        told.reasoning_tokens,
        told.total_tokens,
    )
    assert not told.estimated
