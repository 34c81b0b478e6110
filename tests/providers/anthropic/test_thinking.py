from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.anthropic.profile import ThinkingBudgets
from proxy.providers.anthropic.thinking import Decided, Wanted, decide
from proxy.providers.anthropic.traits import traits_of

EFFORTS = (None, "none", "minimal", "low", "medium", "high", "xhigh", "max")


def decided(model: str, effort: str | None, limit: int = 8000, **wanted: Any) -> tuple[Decided, list[str]]:
    hints: list[str] = []
    asked = Wanted(**{"effort": effort, "shown": True, "forced": False, "lost": False, **wanted})
    return decide(asked, traits_of(model), ThinkingBudgets(), limit, hints.append), hints


SHOWN = {"type": "adaptive", "display": "summarized"}
OFF = {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("claude-opus-4-6", (None, None, "low", "low", "medium", "high", "max", "max")),
        ("claude-opus-4-7", (None, None, "low", "low", "medium", "high", "xhigh", "max")),
        ("claude-fable-5", (None, None, "low", "low", "medium", "high", "xhigh", "max")),
    ],
)
def test_efforts_of_models_that_find_it_themselves(model: str, efforts: tuple[str | None, ...]) -> None:
    assert tuple(decided(model, effort)[0].effort for effort in EFFORTS) == efforts


def test_models_that_find_it_themselves() -> None:
    assert decided("claude-opus-5", None)[0].thinking is None
    assert decided("claude-opus-5", "none")[0].thinking == OFF
    assert decided("claude-opus-5", "high")[0].thinking == SHOWN
    assert decided("claude-opus-5", "high", shown=False)[0].thinking == {"type": "adaptive", "display": "omitted"}
    assert decided("claude-opus-5", "max")[0].max_tokens == 8000


def test_models_that_always_think() -> None:
    assert decided("claude-opus-5-5", None, shown=False) == (Decided(max_tokens=8000), [])
    assert decided("claude-opus-5-5", None)[0].thinking == SHOWN
    assert decided("claude-opus-5-5", "none") == (Decided(max_tokens=8000), ["reasoning.effort"])
    made, hints = decided("claude-fable-5", "low", forced=True)
    assert (made.thinking, made.effort, hints) == (None, "low", [])  # whoever is made to call may not be told to think


@pytest.mark.parametrize(("effort", "sent"), [("low", "low"), ("xhigh", "high"), ("max", "high")])
def test_nobody_thinks_who_must_call_a_tool(effort: str, sent: str) -> None:
    made, hints = decided("claude-opus-5", effort, forced=True)
    assert (made.thinking, made.effort, hints) == (OFF, sent, ["reasoning.effort"])
    assert decided("claude-opus-5", None, forced=True) == (Decided(thinking=OFF, max_tokens=8000), [])
    assert decided("claude-sonnet-4-5", effort, forced=True) == (Decided(max_tokens=8000), ["reasoning.effort"])


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 1024), ("medium", 4096), ("high", 8192), ("xhigh", 16384), ("max", 32768)],
)
def test_budgets_are_put_on_top_of_the_limit(effort: str, budget: int) -> None:
    made, hints = decided("claude-sonnet-4-5", effort)
    assert made.thinking == {"type": "enabled", "budget_tokens": budget}
    assert (made.max_tokens, made.effort, hints) == (8000 + budget, None, [])
    assert made.on


@pytest.mark.parametrize(
    ("limit", "max_tokens", "budget"),
    [(60000, 64000, 8192), (64000, 64000, 8192), (1, 8193, 8192), (100, 8292, 8192)],
)
def test_a_limit_that_is_as_high_as_it_can_be(limit: int, max_tokens: int, budget: int) -> None:
    made, _ = decided("claude-sonnet-4-5", "high", limit)
    assert (made.max_tokens, made.thinking) == (max_tokens, {"type": "enabled", "budget_tokens": budget})


def test_a_budget_that_has_no_room() -> None:
    hints: list[str] = []
    wanted = Wanted(effort="max", shown=True, forced=False, lost=False)
    small = traits_of("claude-sonnet-4-5").__class__(thinking="budget", max_output=1000)
    assert decide(wanted, small, ThinkingBudgets(), 900, hints.append) == Decided(max_tokens=900)
    assert hints == ["reasoning.effort"]
    tight = traits_of("claude-sonnet-4-5").__class__(thinking="budget", max_output=3000)
    made = decide(wanted, tight, ThinkingBudgets(), 900, hints.append)
    assert (made.max_tokens, made.thinking) == (3000, {"type": "enabled", "budget_tokens": 2999})


@pytest.mark.parametrize("effort", [None, "none"])
def test_models_with_a_budget_do_not_think_unasked(effort: str | None) -> None:
    assert decided("claude-sonnet-4-5", effort) == (Decided(max_tokens=8000), [])


def test_thinking_that_is_lost_ends_it() -> None:
    assert decided("claude-sonnet-4-5", "high", lost=True) == (Decided(max_tokens=8000), ["reasoning.effort"])
    assert decided("claude-opus-5", "high", lost=True)[0].thinking == SHOWN


def test_models_that_cannot_think() -> None:
    assert decided("claude-3-5-haiku-latest", "high") == (Decided(max_tokens=8000), ["reasoning.effort"])
