"""Parameters inside parameters."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.parameters import drop, put, spellings, value
from tests.support.drive import asking


def test_reading() -> None:
    request = asking(reasoning={"effort": "low", "none": None}, temperature=1)
    found = [value(request, name) for name in ("temperature", "reasoning.effort", "reasoning.none", "a.b", "model.x")]
    assert found == [1, "low", None, None, None]


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ({}, "a", {"a": 9}),
        ({"a": 1}, "a", {"a": 9}),
        ({}, "a.b", {"a": {"b": 9}}),
        ({"a": None}, "a.b", {"a": {"b": 9}}),
        ({"a": {"b": 1, "c": 2}}, "a.b", {"a": {"b": 9, "c": 2}}),
        ({"a": {"x": None}}, "a.x.y.z", {"a": {"x": {"y": {"z": 9}}}}),
        ({"a": "text"}, "a.b", {"a": "text"}),
        ({"a": {"b": [1]}}, "a.b.c", {"a": {"b": [1]}}),
        ({"a": {"b": [1]}}, "a.b.c.d", {"a": {"b": [1]}}),
    ],
)
def test_setting(before: dict[str, Any], name: str, after: dict[str, Any]) -> None:
    request = asking(**before)
    put(request, name, 9)
    assert {key: request.get(key) for key in request.fields if key not in ("model", "input")} == after


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ({"a": 1}, "a", {}),
        ({"a": {"b": 1, "c": 2}}, "a.b", {"a": {"c": 2}}),
        ({"a": {"b": {"c": 2}}}, "a.b.c", {"a": {"b": {}}}),
        ({"a": 1}, "a.b", {"a": 1}),
        ({"a": {"b": 1}}, "a.x.y", {"a": {"b": 1}}),
        ({}, "a.b", {}),
    ],
)
def test_dropping(before: dict[str, Any], name: str, after: dict[str, Any]) -> None:
    request = asking(**before)
    drop(request, name)
    assert {key: request.get(key) for key in request.fields if key not in ("model", "input")} == after


def test_the_bound_of_output_has_three_names() -> None:
    assert spellings(asking(max_tokens=5, max_output_tokens=None), "max_output_tokens") == ("max_tokens",)
    assert spellings(asking(), "max_output_tokens") == ("max_output_tokens",)
    assert spellings(asking(max_tokens=5), "top_p") == ("top_p",)
