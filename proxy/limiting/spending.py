"""Keeps what is reserved of money in step with the attempts of an exchange.

At first so much is reserved as the model that was asked for may cost. An attempt at something dearer, a retry behind
one that was charged, or an attempt beside another one reserves more when it begins; where that is not there, it is not
made, and the next one is looked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..counters.limits import Counters, Grant
from .estimate import nano_dollars
from .rules import Claim, demands, refusal
from .stage import REFUSED_BY, Admitted

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..providers.provider import Deployment


class Spender(Protocol):
    """A stage that reserves money."""

    def covers(self, exchange: Exchange, deployment: Deployment) -> bool:
        """Tells whether a first attempt at a deployment costs no more than was reserved for the model."""

    def attempt_claims(self, exchange: Exchange, deployments: Sequence[Deployment], spent: int) -> list[Claim]:
        """Returns what its limits are asked for, in all, when deployments are asked at the same time.

        `spent` is what the exchange has cost until then, in nano-dollars.
        """


Part = tuple[Spender, Sequence[Claim]]
"""A stage, and what it has reserved first."""


class Spending(Admitted):
    """Reserves more for attempts that may cost more; `parts` are the claims of the stages with money among `claims`."""

    def __init__(
        self, counters: Counters, grant: Grant, claims: Sequence[Claim], exchange: Exchange, parts: Sequence[Part]
    ) -> None:
        super().__init__(counters, grant, claims, exchange)
        self._parts = parts
        self._reserved: list[int] | None = None  # by claim of the parts; None as long as nothing was added
        if not exchange.attempts:  # else it stands below `route`, and has to do with this attempt alone
            exchange.gates = (*exchange.gates, self.before_attempt)

    def before_attempt(self, exchange: Exchange, deployments: Sequence[Deployment]) -> Awaitable[None] | None:
        """Returns what reserves what attempts may cost beyond what is reserved, if they may cost more.

        Awaiting it raises ExchangeError where they must not be made. Hot: once an attempt.
        """
        exchange.marks.pop(REFUSED_BY, None)  # of an attempt that another one stands for now
        if exchange.cost is None and len(deployments) == 1:
            deployment = deployments[0]
            for stage, _ in self._parts:
                if not stage.covers(exchange, deployment):
                    break
            else:
                return None
        return self._keep_step(exchange, deployments)

    async def _keep_step(self, exchange: Exchange, deployments: Sequence[Deployment]) -> None:
        spent = nano_dollars(exchange.cost)
        wanted = [claim for stage, _ in self._parts for claim in stage.attempt_claims(exchange, deployments, spent)]
        reserved = self._reserved or [claim.amount for _, claims in self._parts for claim in claims]
        more = [
            Claim(claim.rule, claim.amount - before)
            for claim, before in zip(wanted, reserved, strict=True)
            if claim.amount > before
        ]
        if more:
            await self._reserve(exchange, more)
            self._reserved = [max(claim.amount, before) for claim, before in zip(wanted, reserved, strict=True)]

    async def _reserve(self, exchange: Exchange, more: Sequence[Claim]) -> None:
        grant = await self._counters.reserve(demands(exchange, more))
        if grant.refused is not None:
            claim = more[grant.refused]
            if not exchange.attempts:
                exchange.marks[REFUSED_BY] = claim.rule
            raise refusal(claim, grant.standings[grant.refused])
        self.grants.append(grant)
