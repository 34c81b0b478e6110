"""The observer that enters every exchange in the ledger. It is no stage of a file: `stores.ledger` puts it there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import ConfigError, Problem
from ..metrics.measure import Measure
from ..stage import ResponseFilter, Stage
from ..stores.store import StoreFailed
from .ledger import Ledger
from .row import row_of

if TYPE_CHECKING:
    from ..exchange import Exchange


class LedgerStage(Stage):
    """Enters every exchange once it has ended, also those that were refused, failed or left by their client."""

    name = "ledger"
    observer = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self._enter = _Enter(ledger)

    async def start(self) -> None:
        """Opens the ledger; raises ConfigError when it cannot be."""
        try:
            await self.ledger.start()
        except StoreFailed as error:
            path = self.ledger.path
            what = f"the ledger cannot be kept: {str(error).removeprefix(f'{path}: ')}"
            raise ConfigError([Problem(str(path), 1, 1, what, "see stores.ledger")]) from None

    async def close(self) -> None:
        """Writes what is left."""
        await self.ledger.close()

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        """Asks to see the end."""
        return self._enter

    def measures(self) -> Iterable[Measure]:
        """Yields how many rows wait, and how many were dropped."""
        waiting, lost = self.ledger.waiting, self.ledger.lost
        yield Measure("penstock_ledger_waiting_rows", "gauge", "Rows of the ledger that are not written yet.", waiting)
        yield Measure("penstock_ledger_lost_rows_total", "counter", "Rows of the ledger that were lost.", lost)


class _Enter(ResponseFilter):
    """Enters one exchange; it knows nothing of it before its end, so that all exchanges share one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.ends_at_once = not ledger.durable

    async def on_end(self, exchange: Exchange) -> None:
        await self._ledger.add(row_of(exchange))


def ledger_of(stages: Iterable[Stage]) -> Ledger | None:
    """Returns the ledger that a pipeline keeps, if it does."""
    return next((stage.ledger for stage in stages if isinstance(stage, LedgerStage)), None)
