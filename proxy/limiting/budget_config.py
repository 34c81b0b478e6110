"""What a budget may say: how much money, for whom, and what becomes of those who want more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..config.types import Mistake
from ..stage import StageConfig
from .subjects import Per
from .window import Window, check_length

_Usd = Annotated[float, Meta(gt=0, le=1_000_000)]
_Subject = Per | Annotated[tuple[Per, ...], Meta(min_length=1, max_length=4)]
_MONTH = Window(30 * 86400)


class WindowBudget(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """So many dollars in a window."""

    usd: Annotated[_Usd, Meta(description="Dollars in any window.")]
    window: Annotated[Window, Meta(description="How long the window is, or which of the calendar (UTC).")]

    def __post_init__(self) -> None:
        check_length(self.window, write="1d, say")


class BudgetConfig(StageConfig, frozen=True, kw_only=True):
    """How much money, and whose."""

    per: Annotated[
        _Subject,
        Meta(
            description="Who has the budget: each key, the team or user of a key, an end user, an address, each "
            "model; or, as a list, several of these together."
        ),
    ] = "key"
    usd: Annotated[_Usd | None, Meta(description="Dollars in any window.")] = None
    window: Annotated[Window, Meta(description="How long the window is, or which of the calendar (UTC).")] = _MONTH
    limits: Annotated[
        tuple[WindowBudget, ...], Meta(description="More windows for the same subjects, each with its own dollars.")
    ] = ()
    usd_per_response: Annotated[
        _Usd | None,
        Meta(description="What one response may cost: the length of its output is limited to what that buys."),
    ] = None
    in_flight: Annotated[
        Literal["finish", "cut"],
        Meta(
            description="What becomes of a stream that costs more than was reserved for it when the budget is used up: "
            "it goes on to its end, or is cut (response.failed, code insufficient_quota)."
        ),
    ] = "finish"
    unpriced: Annotated[
        Literal["refuse", "allow"],
        Meta(description="What becomes of requests for a model whose price is not known beforehand."),
    ] = "refuse"
    assume_usd: Annotated[
        Annotated[float, Meta(ge=0, le=1000)],
        Meta(description="What is reserved for an allowed request for a model whose price is not known beforehand."),
    ] = 0.0
    assume_output: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)],
        Meta(description="Tokens of output that are reserved for a request that does not set max_output_tokens."),
    ] = 1024
    name: Annotated[
        str, Meta(description="What these counts are called; needed by a second stage with the same per and window.")
    ] = ""

    def __post_init__(self) -> None:
        windows = [window for _, window in self.windows()]
        if not windows and self.usd_per_response is None:
            raise Mistake("there is no budget", "set usd, limits or usd_per_response")
        check_length(*windows, write="1d, say")
        if len(set(windows)) < len(windows):
            raise Mistake("two budgets are for the same window", "keep the lower one")
        if len(set(self.subjects)) < len(self.subjects):
            raise Mistake("per names something twice", "name it once")

    @property
    def subjects(self) -> tuple[Per, ...]:
        """What is counted by, as a list."""
        return (self.per,) if isinstance(self.per, str) else self.per

    def windows(self) -> Iterator[tuple[float, Window]]:
        """Yields dollars and window of each budget."""
        if self.usd is not None:
            yield self.usd, self.window
        for one in self.limits:
            yield one.usd, one.window
