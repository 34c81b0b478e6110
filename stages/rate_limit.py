"""The stage that limits how much one client may ask for."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from proxy.config.types import Duration, Mistake
from proxy.counters import Counters, Grant, Limits, process_counters
from proxy.errors import ConfigError, Problem
from proxy.exchange import Exchange
from proxy.reply import Reply
from proxy.stage import ResponseFilter, Stage, StageConfig

_MINUTE = Duration(60)
_LIMIT = "x-ratelimit-limit-requests"
_REMAINING = "x-ratelimit-remaining-requests"
_RESET = "x-ratelimit-reset-requests"


class RateLimitConfig(StageConfig, frozen=True, kw_only=True):
    """How much is too much, and for whom."""

    per: Annotated[
        Literal["key", "ip", "model"],
        Meta(
            description="Whose requests are counted together: those of a key (of an address where no key is asked "
            "for), of an address, or for a model."
        ),
    ] = "key"
    requests_per_minute: Annotated[
        Annotated[int, Meta(gt=0)] | None, Meta(description="Requests a minute; short for requests in window 1m.")
    ] = None
    requests: Annotated[
        Annotated[int, Meta(gt=0)] | None, Meta(description="Requests in any window, when that is not a minute.")
    ] = None
    window: Annotated[Duration, Meta(description="How long the window is that requests are counted in.")] = _MINUTE
    parallel: Annotated[
        Annotated[int, Meta(gt=0, le=60_000)] | None, Meta(description="Requests that may run at the same time.")
    ] = None
    name: Annotated[
        str, Meta(description="What these counts are called; needed by a second stage with the same per and window.")
    ] = ""

    def __post_init__(self) -> None:
        if self.requests is not None and self.requests_per_minute is not None:
            raise Mistake("requests and requests_per_minute say the same thing", "keep one of them")
        if self.requests_per_minute is not None and self.window != _MINUTE:
            raise Mistake("requests_per_minute counts in minutes, not in another window", "write requests and window")
        if self.requests is None and self.requests_per_minute is None and self.parallel is None:
            raise Mistake("nothing is limited", "set requests_per_minute, requests or parallel")
        if self.window < 1:
            raise Mistake("the window is shorter than a second", "write 1s or more")


class RateLimit(Stage):
    """Refuses requests beyond a number in a window, and beyond a number at the same time.

    The window slides: in no stretch of its length are more requests let through than the limit says. A refused request
    counts for nothing. The limit holds for all workers of this host together; other hosts count for themselves. The
    answer says how the client stands in `x-ratelimit-limit-requests`, `-remaining-requests` and `-reset-requests`, and
    a refusal (429) in `retry-after` when to come again. Above `route` a request counts once, below it once an attempt.

    Example:

        rate-limit:
          per: key
          requests_per_minute: 600
          parallel: 20
    """

    name = "rate-limit"
    after: ClassVar[tuple[str, ...]] = ("auth",)
    once: ClassVar[bool] = False
    advice: ClassVar[dict[str, str]] = {
        "route": "then every attempt counts as a request",
        "guardrail": "then requests are searched that are over the limit anyway",
    }
    Config = RateLimitConfig
    config: RateLimitConfig

    def __init__(self, config: RateLimitConfig, counters: Counters | None = None) -> None:
        super().__init__(config)
        self._counters = counters
        self._limits = Limits(
            requests=config.requests or config.requests_per_minute,
            parallel=config.parallel,
            window_s=float(config.window),
        )
        self._prefix = f"{self.name}\0{config.name}\0{config.per}\0{float(config.window):g}\0"

    async def start(self) -> None:
        """Takes the counters of the process; raises ConfigError when the workers' table cannot be used."""
        try:
            self._counters = self._counters or process_counters()
        except (OSError, ValueError) as error:
            raise ConfigError([Problem(self.name, 1, 1, f"the workers' counters cannot be used: {error}")]) from error

    async def on_request(self, exchange: Exchange) -> Settle | Reply | None:
        """Takes a place under the limits, or answers 429."""
        assert self._counters is not None
        subject = self._subject(exchange)
        grant = await self._counters.take(self._prefix + subject, self._limits)
        headers = self._headers(grant)
        if grant.refused_by is not None:
            return Reply.rate_limited(self._why(grant), grant.retry_after_s, headers)
        before = exchange.response_headers.get(_REMAINING)
        if before is None or int(before) >= grant.remaining:  # of several limits the client sees the nearest
            exchange.response_headers.update(headers)
        return Settle(self._counters, grant) if grant.held else None

    def _subject(self, exchange: Exchange) -> str:
        if self.config.per == "model":
            return exchange.model or ""
        if self.config.per == "key" and exchange.key is not None:
            return f"key {exchange.key.id}"
        return f"ip {exchange.client.address}"

    def _headers(self, grant: Grant) -> dict[str, str]:
        if self._limits.requests is None:
            return {}
        return {_LIMIT: str(self._limits.requests), _REMAINING: str(grant.remaining), _RESET: duration(grant.reset_s)}

    def _why(self, grant: Grant) -> str:
        whose = {"key": "your API key", "ip": "your address", "model": "this model"}[self.config.per]
        if grant.refused_by == "parallel":
            return f"Rate limit reached for {whose}: {self._limits.parallel} requests are running already."
        window = self.config.window.written
        wait = duration(grant.retry_after_s)
        return f"Rate limit reached for {whose}: {self._limits.requests} requests in {window}. Try again in {wait}."


class Settle(ResponseFilter):
    """Gives the parallel slot back."""

    def __init__(self, counters: Counters, grant: Grant) -> None:
        self._counters = counters
        self._grant = grant

    async def on_end(self, exchange: Exchange) -> None:
        """Releases the slot, however the exchange ended."""
        await self._counters.release(self._grant)


def duration(seconds: float) -> str:
    """Returns a duration as OpenAI writes it in headers: `17ms`, `8.64s`, `6m0s`, `1h0m0s`."""
    if 0 < seconds < 1:
        return f"{max(1, round(seconds * 1000))}ms"
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:.2f}".rstrip("0").rstrip(".") + "s"
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}" if minutes else text
