"""Efforts of models that are no Claude."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.bedrock.effort import effort_fields, takes_no_limits


@pytest.mark.parametrize(
    ("form", "effort", "made", "hints"),
    [
        ("reasoning_config", "medium", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}, 0),
        ("reasoning_config", "max", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, 0),
        ("reasoning_config", "none", {}, 0),
        ("reasoning_effort", "minimal", {"reasoning_effort": "low"}, 0),
        ("reasoning_effort", "none", {}, 1),
        ("reasoning", "none", {"reasoning": {"effort": "none"}}, 0),
        ("none", "none", {}, 0),
        ("none", "low", {}, 1),
        ("reasoning", None, {}, 0),
    ],
)
def test_fields(form: Any, effort: str | None, made: dict[str, Any], hints: int) -> None:
    told: list[str] = []
    assert effort_fields(form, effort, told.append) == made
    assert told == ["reasoning.effort"] * hints


def test_novas_highest_effort_takes_no_limits() -> None:
    assert takes_no_limits({"reasoningConfig": {"maxReasoningEffort": "high"}})
    assert not takes_no_limits({"reasoningConfig": {"maxReasoningEffort": "low"}})
    assert not takes_no_limits({"reasoning_effort": "high"})
