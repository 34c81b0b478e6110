"""Pauses before a deployment is asked again."""

from __future__ import annotations

import pytest

from proxy.routing.backoff import pause_after


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 0.18, 0.32), (2, 0.37, 0.63), (3, 0.75, 1.25), (9, 3, 5)])
def test_pauses_grow_up_to_a_bound(failures: int, least: float, most: float) -> None:
    pauses = [pause_after(failures, None) for _ in range(50)]
    assert least <= min(pauses) < max(pauses) <= most


def test_what_the_upstream_names_counts() -> None:
    assert pause_after(3, 7.5) == 7.5
