"""How much a model of Bedrock's is to think, how long its answer may be, and how freely it is drawn."""

from __future__ import annotations

from ..anthropic.fields import sampling
from ..anthropic.thinking import Decided, decide, wanted
from ..anthropic.tools import Offered
from .draft import Draft
from .effort import effort_fields, takes_no_limits

_USUAL_LIMIT = 32_000
_SAMPLING = {"temperature": "temperature", "top_p": "topP"}


def put_thinking(build: Draft, offer: Offered) -> bool:
    """Puts how much the model is to think; tells whether Claude was told to, which forbids to force and to sample."""
    request, family = build.request, build.target.family
    forced = offer.forced and family.claude is not None and family.claude.forced_tools
    asked = wanted(request.reasoning, build.hint, show=build.target.show_thinking, forced=forced, lost=build.said.lost)
    limit = request.max_output_tokens
    if family.claude is None:
        build.extra.update(effort_fields(family.effort, asked.effort, build.hint))
        if limit is not None:
            build.inference["maxTokens"] = limit
        return False
    most = family.claude.max_output or _USUAL_LIMIT
    budgets = build.target.profile.thinking_budgets
    decided = decide(asked, family.claude, budgets, min(limit or most, most), build.hint)
    if limit is not None:
        build.inference["maxTokens"] = decided.max_tokens
    _put_decided(build, decided)
    return decided.on


def _put_decided(build: Draft, decided: Decided) -> None:
    if decided.thinking is not None:
        build.extra["thinking"] = decided.thinking
    if decided.effort is not None:
        build.extra["output_config"] = {"effort": decided.effort}


def put_limit(build: Draft) -> None:
    """Takes the limit back where the model takes none with the effort it was told."""
    if takes_no_limits(build.extra) and build.inference.pop("maxTokens", None) is not None:
        build.hint("max_output_tokens")


def put_sampling(build: Draft, *, thinks: bool) -> None:
    """Puts temperature and top_p: of Claude's not both, not where it thinks, not where it takes neither."""
    claude = build.target.family.claude
    takes = not thinks and not takes_no_limits(build.extra) and (claude is None or claude.sampling)
    made = sampling(build.request, build.hint, takes=takes, both=claude is None)
    build.inference.update((_SAMPLING[name], value) for name, value in made.items())
