"""Counts of upstreams, and what may stand in their places."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.counts import count, part


@pytest.mark.parametrize(
    ("value", "read"),
    [(7, 7), (0, 0), (7.0, 7), (None, 0), (-1, 0), (-2.0, 0), (7.5, 0), (True, 0), ("7", 0), ([7], 0), (1e400, 0)],
)
def test_counts_are_whole_and_not_negative(value: Any, read: int) -> None:
    found = count({"tokens": value}, "tokens")
    assert (found, type(found)) == (read, int)
    assert count({}, "tokens") == 0


@pytest.mark.parametrize("value", [None, 5, "x", [{"tokens": 7}]])
def test_a_part_is_an_object(value: Any) -> None:
    assert part({"details": {"tokens": 7}}, "details") == {"tokens": 7}
    assert part({"details": value}, "details") == part({}, "details") == {}
