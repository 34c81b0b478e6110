"""Where the answers of each model can come from, looked up once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ..models import ModelTable
from ..patterns import stands_for
from ..providers.provider import Deployment, TimeoutChanges
from .config import Fallback
from .health import Board
from .plan import Routes, Way
from .strategies import Member

_MOST = 1024


class RouteTable:
    """The routes of a stage: its fallbacks, its limits of time, and what deployments charge where that matters."""

    def __init__(
        self,
        board: Board,
        fallbacks: Sequence[Fallback] = (),
        *,
        timeouts: TimeoutChanges | None = None,
        cost: Callable[[Deployment], float] | None = None,
    ) -> None:
        self._board = board
        self._fallbacks = fallbacks
        self._timeouts = timeouts
        self._cost = cost
        self._known: dict[str, tuple[Sequence[Deployment], Routes]] = {}

    def find(self, model: str, models: ModelTable) -> Routes | None:
        """Returns the routes of a model; None when nothing serves it. Hot: once an exchange."""
        deployments = models.resolve(model)
        known = self._known.get(model)
        if known is not None and known[0] is deployments:
            return known[1]
        if not deployments:
            return None
        routes = Routes(self._members(deployments), self._ways(model, models))
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[model] = deployments, routes
        return routes

    def _ways(self, model: str, models: ModelTable) -> tuple[Way, ...]:
        return tuple(
            Way(self._members(found), frozenset(fallback.errors) or None)
            for fallback in self._fallbacks
            if stands_for(fallback.from_, model)
            for name in fallback.to
            if (found := models.resolve(name))
        )

    def _members(self, deployments: Sequence[Deployment]) -> tuple[Member, ...]:
        return tuple(self._member(one) for one in deployments)

    def _member(self, deployment: Deployment) -> Member:
        if self._timeouts is not None:
            own = deployment.timeouts
            changed = self._timeouts if own is None else own.over(self._timeouts)
            deployment = msgspec.structs.replace(deployment, timeouts=changed)
        health = self._board.of(deployment.name)
        return Member(deployment, health) if self._cost is None else Member(deployment, health, self._cost(deployment))
