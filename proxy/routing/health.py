"""How the deployments are doing: who is busy, how fast they begin to answer, who cools down after failures.

A deployment that keeps failing cools down and gets no requests; then one request is let through as a probe, and how
that ends decides. An upstream that names the time after which it may be asked again gets that time. Who cools down, and
how many requests are in flight, the workers of a host know of each other; how fast deployments are, each of them finds
out for itself, and each sends a probe of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import inf

import msgspec

from ..errors import ExchangeError
from .failures import Failure, counts, failure_of
from .host import Host, HostRow

_WEIGHT_OF_NEW = 0.3
_HALF_LIFE_S = 60.0
_MOST = 4096


class Health:
    """One deployment. `cool_until` is on the board's clock, as is `cooled_since`; `cooled` until a probe has succeeded.

    Times to the first token and of whole answers are moving averages, in seconds; 0 where nothing is known. `host` is
    what the other workers know of it, where there are any.
    """

    __slots__ = (
        "attempts",
        "cool_until",
        "cooled",
        "cooled_since",
        "failed",
        "failures",
        "first_token_s",
        "host",
        "in_flight",
        "measured_at",
        "name",
        "probing",
        "whole_s",
        "why",
    )

    def __init__(self, name: str, host: HostRow | None = None) -> None:
        self.name = name
        self.host = host
        self.in_flight = 0
        self.attempts = 0
        self.failed = 0
        self.failures = 0  # in a row
        self.cool_until = 0.0
        self.cooled = False
        self.cooled_since = -inf
        self.probing = False
        self.why: Failure | None = None
        self.first_token_s = 0.0
        self.whole_s = 0.0
        self.measured_at = 0.0

    def is_ready(self, now: float) -> bool:
        """Tells whether it may be asked: it does not cool down, or it has and nobody tries it yet. Hot."""
        if self.host is not None and (until := self.host.until()) > now and until > self.cool_until:
            self.cooled, self.cooled_since, self.cool_until, self.why = True, now, until, self.host.why()
        return not self.cooled or (now >= self.cool_until and not self.probing)

    @property
    def busy(self) -> int:
        """How many requests are in flight, over all workers of the host."""
        return self.in_flight if self.host is None else self.host.in_flight()

    def count(self, change: int) -> None:
        """Takes note of more or fewer requests in flight."""
        self.in_flight += change
        if self.host is not None:
            self.host.count(self.in_flight)

    def latency_s(self, now: float, *, streamed: bool) -> float:
        """Returns how long it takes to answer; what was measured long ago counts for less and less."""
        known = self.first_token_s if streamed else self.whole_s
        return known * 0.5 ** ((now - self.measured_at) / _HALF_LIFE_S) if known else 0.0

    def measure(self, seconds: float, now: float, *, streamed: bool) -> None:
        """Takes note of how long an answer has taken."""
        known = self.first_token_s if streamed else self.whole_s
        average = known + _WEIGHT_OF_NEW * (seconds - known) if known else seconds
        if streamed:
            self.first_token_s = average
        else:
            self.whole_s = average
        self.measured_at = now


class Standing(msgspec.Struct):
    """One deployment as it is shown; times are in seconds. `state` is `up`, `cooling` or `probing`."""

    deployment: str
    state: str
    in_flight: int
    attempts: int
    failed: int
    failures_in_a_row: int
    cooling_for_s: float | None = None
    because: str | None = None
    first_token_s: float | None = None
    whole_answer_s: float | None = None


class Board:
    """The health of all deployments. After so many `failures` in a row one of them cools down for `cooldown_s`."""

    def __init__(
        self, *, failures: int = 3, cooldown_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures = failures
        self._cooldown_s = cooldown_s
        self.clock = clock
        self.host: Host | None = None
        self.cooldowns: dict[str, int] = {}  # of each upstream's deployments
        self._all: dict[str, Health] = {}

    def of(self, name: str) -> Health:
        """Returns the health of the deployment of that name."""
        health = self._all.get(name)
        if health is None:
            if len(self._all) >= _MOST:
                self._all = {key: one for key, one in self._all.items() if one.in_flight or one.cooled}
            health = self._all[name] = Health(name, self.host.row(name) if self.host is not None else None)
        return health

    def begin(self, health: Health) -> None:
        """Takes note of an attempt."""
        health.count(1)
        health.attempts += 1
        if health.cooled:
            health.probing = True

    def leave(self, health: Health, *, began: float = inf) -> None:
        """Takes note of the end of an attempt that says nothing about the deployment."""
        health.count(-1)
        if began >= health.cooled_since:
            health.probing = False

    def succeeded(self, health: Health, seconds: float | None, *, streamed: bool, began: float = inf) -> None:
        """Takes note of an answer, and of how long the client has waited for it. Hot: once an exchange.

        One that `began` before the deployment cooled down does not end that: it was let in before.
        """
        health.count(-1)
        if began >= health.cooled_since:
            health.probing = health.cooled = False
            health.failures = 0
            health.why = None
        if seconds is not None:
            health.measure(seconds, self.clock(), streamed=streamed)

    def failed(self, health: Health, error: ExchangeError, *, alone: bool) -> None:
        """Takes note of a failed attempt. One that is `alone` only cools down when it has said itself for how long."""
        was_probe = health.probing
        self.leave(health)
        if not counts(error):
            return
        health.failed += 1
        health.failures += 1
        why = failure_of(error)
        named = error.retry_after_s if error.status in (429, 503) else None
        at_once = was_probe or why in ("rate_limit", "auth") or health.failures >= self._failures
        if named is not None or (at_once and not alone and self._cooldown_s):
            self.cool_down(health, self._cooldown_s if named is None else named, why)

    def cool_down(self, health: Health, seconds: float, why: Failure | None) -> None:
        """Lets a deployment cool down, longer than it does if that was less."""
        if not health.cooled or self.clock() >= health.cool_until:
            upstream = health.name.partition("/")[0]
            self.cooldowns[upstream] = self.cooldowns.get(upstream, 0) + 1
        health.cooled = True
        health.cooled_since = self.clock()
        health.why = why
        health.cool_until = max(health.cool_until, self.clock() + seconds)
        if health.host is not None:
            health.host.cool_down(health.cool_until, why)

    def standings(self) -> Iterable[Standing]:
        """Yields every deployment that was asked, as it is now."""
        now = self.clock()
        for one in sorted(self._all.values(), key=lambda one: one.name):
            one.is_ready(now)  # hears what other workers say
            cooling = one.cooled and now < one.cool_until
            yield Standing(
                deployment=one.name,
                state="cooling" if cooling else "probing" if one.cooled else "up",
                in_flight=one.busy,
                attempts=one.attempts,
                failed=one.failed,
                failures_in_a_row=one.failures,
                cooling_for_s=round(one.cool_until - now, 3) if cooling else None,
                because=one.why,
                first_token_s=round(one.first_token_s, 6) or None,
                whole_answer_s=round(one.whole_s, 6) or None,
            )
