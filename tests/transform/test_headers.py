"""Changes to headers; tests/stages/test_transform.py tries them over attempts."""

from __future__ import annotations

from proxy.transform.headers import HeaderEdits, apply_headers


def test_removal_comes_first() -> None:
    headers = {"x-a": "1", "x-b": "2", "x-c": "3"}
    apply_headers(HeaderEdits(set={"X-A": "9", "X-D": "4"}, drop=("X-A", "X-B")).changes(), headers)
    assert headers == {"x-a": "9", "x-c": "3", "x-d": "4"}
