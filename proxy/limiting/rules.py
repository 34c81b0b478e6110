"""One limit of a stage, and what a client is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from ..counters.limits import NANO, Demand, Limit, Standing
from ..errors import RateLimited
from ..reply import Reply
from .subjects import Per, subject_of, whose

if TYPE_CHECKING:
    from ..exchange import Exchange

_SHOWN = ("requests", "tokens")
_PER_EXCHANGE_S = 1.0  # how soon a place may become free that something running has


class Rule(msgspec.Struct, frozen=True):
    """A limit for each subject of some kind. `stage` and `name` tell its counters from those of other rules."""

    stage: str
    per: tuple[Per, ...]
    limit: Limit
    window: str = ""
    name: str = ""
    front: str = ""
    """What the names of all its counters begin with."""
    headers: tuple[str, str, str, str, str] | None = None
    """The names of the headers that tell limit, remaining and reset; limit and window as they are told."""

    def __post_init__(self) -> None:
        unit = self.limit.unit
        if unit in _SHOWN:
            names = f"x-ratelimit-limit-{unit}", f"x-ratelimit-remaining-{unit}", f"x-ratelimit-reset-{unit}"
            msgspec.structs.force_setattr(
                self, "headers", (*names, str(self.limit.most), duration(self.limit.window_s))
            )
        window = f"/{self.limit.window_s:.15g}s" if self.limit.window_s else ""
        if self.limit.period is not None:
            window = f"/{self.limit.period}"
        stage = f"{self.stage}:{self.name}" if self.name else self.stage
        front = f"{stage} {self.limit.unit}{window} per {'+'.join(self.per)}: "
        msgspec.structs.force_setattr(self, "front", front)

    @property
    def in_window(self) -> str:
        """When the limit is for, in words: `in 30d`, `in a calendar month`."""
        return f"in {self.window}" if self.limit.period is None else f"in a calendar {self.limit.period} (UTC)"

    def counter(self, exchange: Exchange) -> str:
        """Returns the name of the counter: `rate-limit requests/60s per team: key=alice`."""
        return self.front + subject_of(exchange, self.per)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What one exchange asks of one rule."""

    rule: Rule
    amount: int


def demands(exchange: Exchange, claims: Iterable[Claim]) -> list[Demand]:
    """Returns what is to be asked of counters. Hot: once an exchange."""
    found = []
    per: Sequence[Per] = ()
    subject = ""
    for claim in claims:
        rule = claim.rule
        if rule.per is not per and rule.per != per:  # mostly all limits are for the same
            per = rule.per
            subject = subject_of(exchange, per)
        found.append(Demand(rule.front + subject, rule.limit, claim.amount))
    return found


def tell(headers: dict[str, str], claims: Sequence[Claim], standings: Sequence[Standing]) -> None:
    """Puts into headers how the client stands, under OpenAI's names. Of several limits it sees the nearest.

    Hot: once an exchange.
    """
    for number, claim in enumerate(claims):
        shown = claim.rule.headers
        if shown is None:
            continue
        limit, remaining, reset, most, window = shown
        stand = standings[number]
        if remaining not in headers or _is_nearer(stand, headers[remaining]):
            headers[limit] = most
            headers[remaining] = str(stand.remaining)
            headers[reset] = window if stand.reset_s == claim.rule.limit.window_s else duration(stand.reset_s)


def _is_nearer(stand: Standing, told: str) -> bool:
    return not told.isdecimal() or int(told) >= stand.remaining


def refused(claim: Claim, stand: Standing) -> Reply:
    """Returns the answer to a request that one rule refuses: 429, with the time after which it helps to come again."""
    reply = Reply.from_error(refusal(claim, stand))
    if claim.amount > claim.rule.limit.most:
        reply.headers["x-should-retry"] = "false"
    return reply


def refusal(claim: Claim, stand: Standing) -> RateLimited:
    """Returns the error of a request that one rule refuses."""
    limit, amount = claim.rule.limit, claim.amount
    who = whose(claim.rule.per)
    if amount > limit.most:
        return _too_large(claim, who)
    wait_s = _PER_EXCHANGE_S if stand.retry_after_s is None else max(stand.retry_after_s, 0.001)
    again = f" Try again in {duration(wait_s)}."
    if limit.unit == "usd":
        text = f"The budget of {who} is used up: ${dollars(limit.most)} {claim.rule.in_window}"
        text += f", ${dollars(stand.held)} of them held by requests that still run." if stand.held else "."
        return RateLimited(text, code="insufficient_quota", type="insufficient_quota", retry_after_s=wait_s)
    if limit.unit == "parallel":
        text = f"Rate limit reached for {who}: {limit.most} requests are running already."
    elif limit.unit == "tokens":
        text = (
            f"Rate limit reached for {who}: {limit.most} tokens {claim.rule.in_window}, of which "
            f"{stand.used + stand.held} are used or held, and this request may need {amount}.{again}"
        )
    else:
        text = f"Rate limit reached for {who}: {limit.most} requests {claim.rule.in_window}.{again}"
    return RateLimited(text, retry_after_s=wait_s)


def _too_large(claim: Claim, who: str) -> RateLimited:
    """Returns the error of a request that no waiting would help."""
    limit, when = claim.rule.limit, claim.rule.in_window
    if limit.unit == "usd":
        text = f"This request may cost ${dollars(claim.amount)}, and the budget of {who} is ${dollars(limit.most)}"
        return RateLimited(f"{text} {when}.", code="insufficient_quota", type="insufficient_quota")
    text = f"Request too large for {who}: it may need {claim.amount} tokens, and {limit.most} are allowed"
    return RateLimited(f"{text} {when}. Send less, or set max_output_tokens lower.")


def dollars(nano: int) -> str:
    """Returns an amount of money in dollars, to the cent, or to the last digit below a cent."""
    text = f"{nano / NANO:.9f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}" if cents else whole


def duration(seconds: float) -> str:
    """Returns a duration as OpenAI writes it in headers: `17ms`, `8.64s`, `6m0s`, `1h0m0s`."""
    if 0 < seconds < 1:
        return _SHORT[int(seconds * 1000 + 0.5)]
    return _written(int(seconds * 100 + 0.5))


_SHORT = ["1ms", *(f"{number}ms" for number in range(1, 1001))]


@lru_cache(maxsize=8192)
def _written(hundredths: int) -> str:
    minutes, rest = divmod(hundredths / 100, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:.2f}".rstrip("0").rstrip(".") + "s"
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}" if minutes else text
