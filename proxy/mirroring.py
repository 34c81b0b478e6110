"""Copies of exchanges that are sent to another model as well: nobody waits for them, and nobody reads their answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from .errors import ExchangeError
from .exchange import Exchange
from .metrics.measure import Measure
from .providers.provider import Plan

_log = logging.getLogger("penstock")

MARK = "mirror_of"
"""The mark of a copy: the id of the exchange that it is a copy of."""

_MOST = 64
_SUFFIX = "-mirror"


class Mirrors:
    """The copies that are on their way in one worker: at most so many, those beyond are dropped.

    `serve` serves one whose plan is made. Observers, such as the log, see each of them as an exchange of its own.
    """

    def __init__(self, serve: Callable[[Exchange], Coroutine[Any, Any, object]], *, most: int = _MOST) -> None:
        self._serve = serve
        self._most = most
        self._running: set[asyncio.Task[object]] = set()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._running)

    def offer(self, exchange: Exchange, plan_of: Callable[[Exchange], Plan]) -> None:
        """Sends a copy of an exchange on its way, unless too many are."""
        if len(self._running) >= self._most:
            self.dropped += 1
            return
        twin = Exchange(exchange.id + _SUFFIX, exchange.client, exchange.request.copy())
        twin.key, twin.asked_model = exchange.key, exchange.asked_model
        twin.models, twin.translate = exchange.models, exchange.translate
        twin.marks[MARK] = exchange.id
        try:
            twin.plan = plan_of(twin)
        except ExchangeError as error:
            _log.warning("exchange %s is not mirrored: %s", exchange.id, error.message)
            return
        task = asyncio.get_running_loop().create_task(self._serve(twin))
        self._running.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a copy of an exchange failed", exc_info=error)

    def measures(self) -> Iterable[Measure]:
        """Yields how many copies are on their way, and how many were dropped."""
        yield Measure("penstock_mirror_open_requests", "gauge", "Copies for a mirror on their way.", len(self))
        yield Measure("penstock_mirror_dropped_total", "counter", "Copies dropped: too many were there.", self.dropped)

    async def close(self) -> None:
        """Ends those that are still on their way."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
