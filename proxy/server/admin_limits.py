"""`GET /admin/limits`: every counter of limits and budgets, and who holds what of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from ..counters.limits import NANO, Counters, CounterState
from ..limiting.stage import LimitStage
from ..reply import Reply
from ..stage import Stage
from .admin import AdminRoutes


def limit_routes(stages: Iterable[Stage]) -> AdminRoutes:
    """Returns the route that shows the counters of all stages that limit something."""
    every = {id(stage.counters): stage.counters for stage in stages if isinstance(stage, LimitStage)}

    async def show(request: web.BaseRequest) -> Reply:
        return Reply.json({"object": "list", "data": await _shown(every.values())})

    return {"/admin/limits": {"GET": show}}


async def _shown(every: Iterable[Counters]) -> list[dict[str, Any]]:
    states = [state for counters in every for state in await counters.snapshot()]
    return [_row(state) for state in sorted(states, key=lambda state: state.counter)]


def _row(state: CounterState) -> dict[str, Any]:
    """Returns a counter as it is shown: money in dollars, windows in seconds."""

    def amount(number: int) -> int | float:
        return number / NANO if state.unit == "usd" else number

    return {
        "counter": state.counter,
        "unit": state.unit,
        "limit": amount(state.most),
        "window_s": state.window_s or None,
        "period": state.period,
        "used": amount(state.used),
        "held": amount(state.held),
        "remaining": amount(max(0, state.most - state.used - state.held)),
        "holders": [{"who": holder.who, "amount": amount(holder.amount)} for holder in state.holders],
    }
