"""How much a model is to think: what the client asks for as an effort, in the words that the model knows.

Rules (wire reference, section 5.2): models up to 4.5 take a number of tokens, which must be less than the limit of the
answer; later ones find it themselves and take an effort. Neither may be made to call a tool while it thinks. A model
with a budget that is in the middle of its calls must find its own thinking in front of them; where that is lost, it
goes on without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...api.responses.fields import ReasoningSettings
from .profile import ThinkingBudgets
from .traits import Traits

_LEAST_BUDGET = 1024
_PLAIN = ("low", "medium", "high")
_LOWER = {"xhigh": ("xhigh", "max", "high"), "max": ("max", "high")}
"""What stands for an effort that a model does not know."""

Hint = Callable[[str], None]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the request says of it.

    `shown`: somebody wants to read the thinking. `forced`: a tool must be called. `lost`: the model is in the middle
    of its calls, and its thinking in front of them is not there.
    """

    effort: str | None
    shown: bool
    forced: bool
    lost: bool


class Decided(msgspec.Struct, kw_only=True):
    """What is sent: the field `thinking`, the effort of `output_config`, and the limit of the answer."""

    thinking: dict[str, Any] | None = None
    effort: str | None = None
    max_tokens: int

    @property
    def on(self) -> bool:
        """Whether the model was told to think."""
        return self.thinking is not None and self.thinking["type"] != "disabled"


def wanted(settings: ReasoningSettings, hint: Hint, *, show: bool, forced: bool, lost: bool) -> Wanted:
    """Returns what the request says of it; `hint` is told of a mode that has no effect. `show` as the options say."""
    if settings.mode not in (None, "standard"):
        hint("reasoning.mode")
    shown = show or bool(settings.summary or settings.generate_summary)
    return Wanted(effort=settings.effort, shown=shown, forced=forced, lost=lost)


def decide(wanted: Wanted, traits: Traits, budgets: ThinkingBudgets, max_tokens: int, hint: Hint) -> Decided:
    """Returns what is sent; `hint` is told of an effort that has no effect."""
    if traits.thinking == "adaptive":
        return _adaptive(wanted, traits, max_tokens, hint)
    decided = Decided(max_tokens=max_tokens)
    if wanted.effort in (None, "none"):
        return decided
    if traits.thinking == "none" or wanted.forced or wanted.lost:
        hint("reasoning.effort")
        return decided
    _budget(getattr(budgets, wanted.effort or "low"), decided, traits, hint)
    return decided


def _adaptive(wanted: Wanted, traits: Traits, max_tokens: int, hint: Hint) -> Decided:
    decided = Decided(max_tokens=max_tokens)
    effort = wanted.effort
    if effort is not None and effort != "none":
        decided.effort = _known(effort, traits)
    if traits.always_thinks:
        if effort == "none":
            hint("reasoning.effort")
        elif (effort is not None or wanted.shown) and not wanted.forced:  # beside a forced tool it may not be said
            decided.thinking = _shown(wanted)
    elif effort == "none" or wanted.forced:
        decided.thinking = {"type": "disabled"}
        if effort not in (None, "none"):
            hint("reasoning.effort")
            decided.effort = decided.effort if decided.effort in _PLAIN else "high"
    elif effort is not None:
        decided.thinking = _shown(wanted)
    return decided


def _shown(wanted: Wanted) -> dict[str, Any]:
    return {"type": "adaptive", "display": "summarized" if wanted.shown else "omitted"}


def _known(effort: str, traits: Traits) -> str:
    if effort in ("minimal", *_PLAIN):
        return "low" if effort == "minimal" else effort
    return next((one for one in _LOWER.get(effort, ("high",)) if one in traits.efforts), "high")


def _budget(budget: int, decided: Decided, traits: Traits, hint: Hint) -> None:
    """Makes room for the budget above the limit of the answer, lowers it where there is none, or gives it up."""
    limit = decided.max_tokens + budget
    if traits.max_output is not None:
        limit = min(limit, traits.max_output)
    budget = min(budget, limit - 1)
    if budget < _LEAST_BUDGET:
        hint("reasoning.effort")
        return
    decided.max_tokens = limit
    decided.thinking = {"type": "enabled", "budget_tokens": budget}
