"""Usage, as upstreams tell it."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.events import Usage
from proxy.providers.responses.usage import usage_from_responses

FULL = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
    "cost": 0.1,
}


def test_all_of_it() -> None:
    assert usage_from_responses(FULL) == Usage(9, 5, 4, 1, 2, 14)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, Usage()),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4, total_tokens=7)),
        ({"input_tokens": 3.0, "output_tokens": "4", "input_tokens_details": None}, Usage(3, total_tokens=3)),
        ({"input_tokens": True, "output_tokens": -1, "total_tokens": 2}, Usage(total_tokens=2)),
    ],
)
def test_what_is_missing_or_odd(usage: dict[str, Any], expected: Usage) -> None:
    assert usage_from_responses(usage) == expected
