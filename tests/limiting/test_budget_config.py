"""What a budget may say in the file."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.limiting.budget_config import BudgetConfig, WindowBudget
from proxy.limiting.window import Window


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({}, "there is no budget"),
        ({"usd": 1, "window": Window(0.5)}, "shorter than a second"),
        ({"usd": 1, "limits": (WindowBudget(usd=2, window=Window(30 * 86400)),)}, "for the same window"),
        ({"usd": 1, "per": ("team", "team")}, "names something twice"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(config: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        BudgetConfig(**config)
    with pytest.raises(ValueError, match="shorter than a second"):
        WindowBudget(usd=1, window=Window(0.5))
