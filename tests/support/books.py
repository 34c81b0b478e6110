"""Exchanges as they are when they have ended, for what is kept of them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from proxy.errors import ExchangeError
from proxy.events import Usage
from proxy.exchange import Attempt, Exchange, Key, Outcome
from proxy.models import ModelTable
from proxy.providers.echo.provider import Echo, EchoConfig
from proxy.providers.provider import Deployment
from tests.support.drive import asking, exchange_of

ECHO = Echo("e", EchoConfig())
TABLE = ModelTable({"m": [Deployment(ECHO, "up")], "wild-*": [Deployment(ECHO, "*")]})


def ended(
    outcome: Outcome = "completed",
    *usages: Usage | None,
    cost: str | None = None,
    key: Key | None = None,
    error: ExchangeError | None = None,
    **fields: Any,
) -> Exchange:
    """Returns an exchange that has ended after an attempt for each of the usages, all of which cost so many dollars."""
    exchange = exchange_of(asking(**{"model": "m", **fields}), key=key)
    exchange.models = TABLE
    for usage in usages:
        exchange.attempts.append(Attempt("e", "up", exchange.timing.started, usage=usage))
        exchange.deployment = Deployment(ECHO, "up")
        exchange.usage = usage
    exchange.cost = None if cost is None else Decimal(cost)
    exchange.outcome, exchange.error = outcome, error
    exchange.timing.ended = exchange.timing.started + 0.5
    return exchange


def numbers(text: bytes | str) -> dict[str, float]:
    """Returns the samples of Prometheus' text format by name and labels, as they are written there."""
    said = text.decode() if isinstance(text, bytes) else text
    found = re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", said, re.MULTILINE)
    return {name: float(value) for name, value in found}
