"""The stage that limits how much one client may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from proxy.config.types import Duration, Mistake
from proxy.counters import Limit, Unit
from proxy.exchange import Exchange
from proxy.limiting.estimate import expected
from proxy.limiting.rules import Claim, Rule
from proxy.limiting.stage import LimitStage
from proxy.limiting.subjects import Per
from proxy.limiting.window import check_length
from proxy.stage import StageConfig

_MINUTE = Duration(60)
_Count = Annotated[int, Meta(gt=0, le=1_000_000_000_000)]
_Subject = Per | Annotated[tuple[Per, ...], Meta(min_length=1, max_length=4)]


class WindowLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """So many requests or tokens in a window."""

    requests: Annotated[_Count | None, Meta(description="Requests in any window.")] = None
    tokens: Annotated[_Count | None, Meta(description="Tokens in any window, of input and output together.")] = None
    window: Annotated[Duration, Meta(description="How long the window is.")]

    def __post_init__(self) -> None:
        if self.requests is None and self.tokens is None:
            raise Mistake("nothing is limited in this window", "set requests or tokens")
        check_length(self.window, write="1s or more")


class RateLimitConfig(StageConfig, frozen=True, kw_only=True):
    """How much is too much, and for whom."""

    per: Annotated[
        _Subject,
        Meta(
            description="Whose requests are counted together: those of a key (of an address where no key is asked "
            "for), of the key's team or user, of an end user of the key, of an address, for a model; or, as a list, "
            "of several of these together."
        ),
    ] = "key"
    requests_per_minute: Annotated[
        _Count | None, Meta(description="Requests a minute; short for requests in window 1m.")
    ] = None
    tokens_per_minute: Annotated[
        _Count | None, Meta(description="Tokens a minute, of input and output; short for tokens in window 1m.")
    ] = None
    requests: Annotated[_Count | None, Meta(description="Requests in any window, when that is not a minute.")] = None
    tokens: Annotated[_Count | None, Meta(description="Tokens in any window, when that is not a minute.")] = None
    window: Annotated[Duration, Meta(description="How long the window of requests and tokens is.")] = _MINUTE
    limits: Annotated[
        tuple[WindowLimit, ...], Meta(description="More windows for the same subjects, each with its own limits.")
    ] = ()
    parallel: Annotated[
        Annotated[int, Meta(gt=0, le=60_000)] | None, Meta(description="Requests that may run at the same time.")
    ] = None
    assume_output: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)],
        Meta(description="Tokens of output that are reserved for a request that does not set max_output_tokens."),
    ] = 1024
    name: Annotated[
        str, Meta(description="What these counts are called; needed by a second stage with the same per and window.")
    ] = ""

    def __post_init__(self) -> None:
        for unit, short in (("requests", self.requests_per_minute), ("tokens", self.tokens_per_minute)):
            if getattr(self, unit) is not None and short is not None:
                raise Mistake(f"{unit} and {unit}_per_minute say the same thing", "keep one of them")
            if short is not None and self.window != _MINUTE:
                raise Mistake(f"{unit}_per_minute counts in minutes, not in another window", f"write {unit} and window")
        check_length(self.window, write="1s or more")
        every = [(unit, float(window)) for unit, _, window in self.windows()]
        if not every and self.parallel is None:
            raise Mistake("nothing is limited", "set requests_per_minute, tokens_per_minute, limits or parallel")
        if len(set(every)) < len(every):
            raise Mistake("two limits are for the same unit and window", "keep the lower one")
        if len(set(self.subjects)) < len(self.subjects):
            raise Mistake("per names something twice", "name it once")

    @property
    def subjects(self) -> tuple[Per, ...]:
        """What requests are counted by, as a list."""
        return (self.per,) if isinstance(self.per, str) else self.per

    def windows(self) -> Iterator[tuple[Unit, int, Duration]]:
        """Yields unit, number and window of each limit in a window."""
        first = (self.requests or self.requests_per_minute, self.tokens or self.tokens_per_minute, self.window)
        for requests, tokens, window in (first, *((one.requests, one.tokens, one.window) for one in self.limits)):
            if requests is not None:
                yield "requests", requests, window
            if tokens is not None:
                yield "tokens", tokens, window


class RateLimit(LimitStage):
    """Refuses requests beyond a number in a window, or beyond a number at the same time, and tokens beyond a number.

    A window slides: in no stretch of its length is more let through than the limit says. A request reserves the tokens
    that it may need: those of its input, estimated, and `max_output_tokens`, or `assume_output` where it sets none.
    When it has ended, however that was, what it has really used stands in their place. All limits of this stage, and of
    the limiting stages right above and below it, are decided at once: a refused request counts for none of them.

    Limits hold for all workers of this host together, and for all hosts with `stores: {counters: {kind: redis}}`. What
    a killed worker has held is free again after a lease of some seconds. An answer that is not streamed is settled
    before its client has it; a stream right behind its last event, so that a next request which comes to another worker
    or host in that very moment may still find held what it has: its tokens in the headers, its place among `parallel`.
    `GET /admin/limits` shows every counter, and which running exchanges hold how much of it.

    The answer says how the client stands in `x-ratelimit-limit-requests`, `-remaining-requests` and `-reset-requests`,
    and the same with `-tokens`, of several limits for the nearest; a refusal (429) in `retry-after` when to come again.
    An end user is who the request names in `safety_identifier`, `user` or `metadata.user_id`; a key without a team or
    user counts by its owner, and without that, like a request without an end user, by itself. Where each key is
    counted, the `limits` of a key's own entry stand in the place of these. Above `route` a request counts once, below
    it once an attempt; copies for a mirror count nowhere.

    Example:

        rate-limit:
          per: key
          requests_per_minute: 600
          tokens_per_minute: 400000
          limits:
            - {requests: 20000, window: 1d}
          parallel: 20
    """

    name = "rate-limit"
    after: ClassVar[tuple[str, ...]] = ("auth",)
    once: ClassVar[bool] = False
    units: ClassVar[tuple[Unit, ...]] = ("requests", "tokens", "parallel")
    advice: ClassVar[dict[str, str]] = {
        "route": "then every attempt counts as a request",
        "guardrail": "then requests are searched that are over the limit anyway",
    }
    Config = RateLimitConfig
    config: RateLimitConfig

    def __init__(self, config: RateLimitConfig) -> None:
        rules = [
            Rule(
                self.name,
                config.subjects,
                Limit(unit=unit, most=most, window_s=float(window)),
                window.written,
                config.name,
            )
            for unit, most, window in config.windows()
        ]
        if config.parallel is not None:
            rules.append(
                Rule(self.name, config.subjects, Limit(unit="parallel", most=config.parallel), "", config.name)
            )
        super().__init__(config, rules)

    def claims(self, exchange: Exchange) -> list[Claim]:
        """Returns one request, one place and the tokens that it may need."""
        rules = self.rules(exchange)
        allowed = None
        for rule in rules:
            if rule.limit.unit == "tokens" and (allowed is None or rule.limit.most < allowed):
                allowed = rule.limit.most
        tokens = 0
        if allowed is not None:
            wanted = expected(exchange)
            tokens = wanted.input_tokens + wanted.output(self.config.assume_output)
            if wanted.most_output is None:  # an assumption refuses nobody who might be within the limit
                tokens = min(tokens, max(allowed, wanted.input_tokens))
        return [Claim(rule, tokens if rule.limit.unit == "tokens" else 1) for rule in rules]
