"""How an upstream that speaks the Messages API is to be asked, beside what its models take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ...config.types import Mistake

PromptCache = Literal["auto", "always", "never"]

_NOT_EXTRA = ("model", "messages", "stream", "tools", "max_tokens")
_LEAST_BUDGET = 1024
_Budget = Annotated[int, msgspec.Meta(ge=_LEAST_BUDGET)]


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class ThinkingBudgets(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How many tokens a model may think, by the effort that the client asks for, where it takes a number."""

    minimal: Annotated[_Budget, _about("For effort minimal.")] = 1024
    low: Annotated[_Budget, _about("For effort low.")] = 1024
    medium: Annotated[_Budget, _about("For effort medium.")] = 4096
    high: Annotated[_Budget, _about("For effort high.")] = 8192
    xhigh: Annotated[_Budget, _about("For effort xhigh.")] = 16384
    max: Annotated[_Budget, _about("For effort max.")] = 32768


class MessagesProfile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is sent beside what the client says."""

    max_tokens: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        _about(
            "Limit of an answer where the client sets none, which the API demands. By default the model's own, "
            "at most 32000."
        ),
    ] = None
    thinking_budgets: Annotated[
        ThinkingBudgets, _about("Tokens to think with by effort, for models that take a number (Claude 3.7 to 4.5).")
    ] = ThinkingBudgets()
    prompt_cache: Annotated[
        PromptCache,
        _about(
            "Where the beginning of a conversation is kept in the upstream's cache: where the client gives a "
            "prompt_cache_key (auto), always, or never. Breakpoints that the client sets count in any case but never."
        ),
    ] = "auto"
    strict_tools: Annotated[
        bool, _about("Hold models that can be to the schemas of tools that are declared strict.")
    ] = True
    web_search: Annotated[bool, _about("Let the upstream search the web where the client declares web_search.")] = True
    document_citations: Annotated[bool, _about("Ask for citations of the documents that the client sends.")] = False
    extra_body: Annotated[dict[str, Any], _about("Fields added to every request, such as mcp_servers.")] = (
        msgspec.field(default_factory=dict)
    )

    def __post_init__(self) -> None:
        """Refuses extra fields that come from the request."""
        for name in _NOT_EXTRA:
            if name in self.extra_body:
                raise Mistake(f'extra_body cannot hold "{name}"', "it comes from the request")
