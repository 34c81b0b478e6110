"""What a star in a name stands for."""

from __future__ import annotations

import pytest

from proxy.patterns import stands_for


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "a", True),
        ("a*", "abc", True),
        ("a*", "ba", False),
        ("*", "", True),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a*b*b", "ab", False),
        ("a[1]*", "a[1]b", True),
        ("a[1]*", "a1b", False),
        ("a?", "ab", False),
    ],
)
def test_only_a_star_stands_for_others(pattern: str, name: str, fits: bool) -> None:
    assert stands_for(pattern, name) is fits
