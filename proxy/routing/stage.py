"""The base of stages that choose upstreams: what a pipeline gives them, and what they show of it."""

from __future__ import annotations

from typing import Any

from ..pricing.book import PriceBook
from ..stage import Stage
from .health import Board


class RoutingStage(Stage):
    """A stage that chooses among deployments. A pipeline gives it the prices of the file before it starts.

    `board` is how the deployments are doing, as this worker has found out.
    """

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.prices: PriceBook | None = None
        self.board = Board()
