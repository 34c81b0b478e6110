"""Limits of a key's own, which stand in the place of those that a stage has for every key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from ..config.types import Duration, Mistake
from ..counters.limits import NANO, Limit, Unit
from .rules import Rule
from .window import Window, check_length

_MINUTE = Duration(60)
_MONTH = Window(30 * 86400)
_Count = Annotated[int, Meta(gt=0, le=1_000_000_000_000)]


class OwnLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What one key may have, instead of what stages with `per: key` say of the same unit."""

    requests_per_minute: Annotated[_Count | None, Meta(description="Requests a minute.")] = None
    tokens_per_minute: Annotated[_Count | None, Meta(description="Tokens a minute, of input and output.")] = None
    parallel: Annotated[
        Annotated[int, Meta(gt=0, le=60_000)] | None, Meta(description="Requests that may run at the same time.")
    ] = None
    usd: Annotated[Annotated[float, Meta(gt=0, le=1_000_000)] | None, Meta(description="Dollars in any window.")] = None
    window: Annotated[
        Window, Meta(description="How long the window of the dollars is, or which of the calendar (UTC).")
    ] = _MONTH

    def __post_init__(self) -> None:
        check_length(self.window, write="30d, say")
        if not any(True for _ in self.limits()):
            raise Mistake("nothing is limited", "set requests_per_minute, tokens_per_minute, parallel or usd")

    def limits(self) -> Iterator[tuple[Limit, Duration | None]]:
        """Yields each limit, with its window as it is written."""
        if self.requests_per_minute is not None:
            yield Limit(unit="requests", most=self.requests_per_minute, window_s=_MINUTE), _MINUTE
        if self.tokens_per_minute is not None:
            yield Limit(unit="tokens", most=self.tokens_per_minute, window_s=_MINUTE), _MINUTE
        if self.parallel is not None:
            yield Limit(unit="parallel", most=self.parallel), None
        if self.usd is not None:
            most = round(self.usd * NANO)
            yield Limit(unit="usd", most=most, window_s=float(self.window), period=self.window.period), self.window


def own_rules(own: OwnLimits, rules: Sequence[Rule], units: Sequence[Unit], stage: str, name: str) -> list[Rule]:
    """Returns the rules for a key with limits of its own, of a stage that counts by key and limits such units.

    `name` is what the file calls the stage's counts; `rules` are those that it has for every key, if it has any.
    """
    mine = [
        Rule(stage, ("key",), limit, "" if window is None else window.written, name)
        for limit, window in own.limits()
        if limit.unit in units
    ]
    replaced = {rule.limit.unit for rule in mine}
    return [*(rule for rule in rules if rule.limit.unit not in replaced), *mine]
