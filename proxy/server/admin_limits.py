"""`GET /admin/limits`: every counter of limits and budgets, and who holds what of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from ..counters.limits import NANO, Counters, CounterState, Unit
from ..limiting.stage import LimitStage
from ..reply import Reply
from ..stage import Stage
from .admin import AdminRoutes
from .peers import Peers
from .response_routes import FROM_PEER

_MOST_SHOWN = 500
"""How many running exchanges of each worker are shown, the oldest first."""


class _Holds(msgspec.Struct):
    """What one worker answers to another one: what its exchanges hold, and how many of them are left out."""

    holds: list[dict[str, Any]]
    left_out: int


_read = msgspec.json.Decoder(_Holds).decode


def limit_routes(stages: Iterable[Stage], peers: Peers) -> AdminRoutes:
    """Returns the route that shows the counters of all stages that limit something.

    Each worker knows what its own exchanges hold: the others are asked for that.
    """
    every = {id(stage.counters): stage.counters for stage in stages if isinstance(stage, LimitStage)}

    async def show(request: web.BaseRequest) -> Reply:
        own = _own_holds(every.values())
        if FROM_PEER in request:
            return Reply.json(own)
        told = [own]
        for answer in await peers.ask_all(request):
            try:
                told.append(_read(answer))
            except msgspec.MsgspecError:  # another version, while all workers are replaced
                continue
        holds = [hold for one in told for hold in one.holds]
        holds.sort(key=lambda hold: -hold["age_s"])
        return Reply.json(
            {
                "object": "list",
                "data": await _shown(every.values()),
                "holds": holds,
                "holds_left_out": sum(one.left_out for one in told),
            }
        )

    return {"/admin/limits": {"GET": show}}


def _own_holds(every: Iterable[Counters]) -> _Holds:
    rows: list[dict[str, Any]] = []
    left_out = 0
    for counters in every:
        left_out += max(0, len(counters.holds) - _MOST_SHOWN)
        rows += [
            {
                "exchange": hold.exchange,
                "counter": hold.counter,
                "subject": hold.counter.partition(": ")[2],
                "unit": hold.unit,
                "amount": _amount(hold.unit, hold.amount),
                "age_s": hold.age_s,
                "who": f"process {os.getpid()}",
            }
            for hold in counters.holds.oldest(_MOST_SHOWN)
        ]
    return _Holds(rows, left_out)


async def _shown(every: Iterable[Counters]) -> list[dict[str, Any]]:
    states = [state for counters in every for state in await counters.snapshot()]
    return [_row(state) for state in sorted(states, key=lambda state: state.counter)]


def _row(state: CounterState) -> dict[str, Any]:
    """Returns a counter as it is shown: money in dollars, windows in seconds."""
    unit = state.unit
    return {
        "counter": state.counter,
        "unit": unit,
        "limit": _amount(unit, state.most),
        "window_s": state.window_s or None,
        "period": state.period,
        "used": _amount(unit, state.used),
        "held": _amount(unit, state.held),
        "remaining": _amount(unit, max(0, state.most - state.used - state.held)),
        "holders": [{"who": holder.who, "amount": _amount(unit, holder.amount)} for holder in state.holders],
    }


def _amount(unit: Unit, number: int) -> int | float:
    return number / NANO if unit == "usd" else number
