"""How much a model is to think, by the effort that was asked for (wire reference, section 6.2)."""

from __future__ import annotations

from typing import Any

from .profile import GeminiProfile
from .settings import ThinkingBudgets

_LEVELS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192}


def thinking_config(
    effort: str | None, profile: GeminiProfile, budgets: ThinkingBudgets, *, thoughts: bool
) -> dict[str, Any]:
    """Returns `thinkingConfig`, empty when there is nothing to say; `thoughts` asks for their summary."""
    if profile.thinking == "none":
        return {}
    config: dict[str, Any] = {}
    if effort is not None and profile.thinking == "level":
        lowest = "minimal" if profile.minimal else "low"
        config["thinkingLevel"] = _LEVELS.get(effort, lowest)
    elif effort is not None:
        config["thinkingBudget"] = _budget(effort, profile, budgets)
    if thoughts and config.get("thinkingBudget") != 0:
        config["includeThoughts"] = True
    return config


def _budget(effort: str, profile: GeminiProfile, budgets: ThinkingBudgets) -> int:
    configured: int | None = getattr(budgets, effort)
    if configured is not None:
        return configured
    if effort == "none":
        return profile.least_budget
    return _BUDGETS.get(effort, profile.most_budget)
