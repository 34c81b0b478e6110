"""The base of stages that choose upstreams: what a pipeline gives them, and what they show of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ..metrics.measure import Measure
from ..pricing.book import PriceBook
from ..stage import Stage
from .health import Board
from .host import Host

_log = logging.getLogger("penstock")


class RoutingStage(Stage):
    """A stage that chooses among deployments. A pipeline gives it the prices of the file before it starts.

    `board` is how the deployments are doing, as far as this worker knows.
    """

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.prices: PriceBook | None = None
        self.board = Board()

    async def start(self) -> None:
        """Joins the other workers of the host, where there are any."""
        try:
            self.board.host = Host.of_process()
        except OSError as error:
            _log.warning("each worker finds out for itself how deployments are doing: %s", error)

    def measures(self) -> Iterable[Measure]:
        """Yields how often deployments of each upstream cooled down."""
        for upstream, times in self.board.cooldowns.items():
            what = "Times a deployment cooled down because it failed."
            yield Measure("penstock_cooldowns_total", "counter", what, times, {"upstream": upstream})

    async def close(self) -> None:
        """Leaves them."""
        host, self.board.host = self.board.host, None
        if host is not None:
            host.close()
