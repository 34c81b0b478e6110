"""The stage that counts every exchange for Prometheus."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Annotated

from msgspec import Meta

from proxy.errors import ConfigError, Problem
from proxy.exchange import Exchange
from proxy.metrics.cells import Cells
from proxy.metrics.pulse import Pulse
from proxy.metrics.recorder import By, Recorder
from proxy.metrics.stage import MetricsStage, MetricsStageConfig
from proxy.stage import ResponseFilter

_ASK_EVERY_S = 5.0


class MetricsConfig(MetricsStageConfig, frozen=True, kw_only=True):
    """What is counted besides models and upstreams, and where it is shown."""

    by: Annotated[
        tuple[By, ...],
        Meta(
            description="Whose requests, tokens and cost are told too: of each key, team or user, 1,000 of them at "
            "most. There is none for end users: clients choose their names, and the ledger keeps what they spend."
        ),
    ] = ()


class Metrics(MetricsStage):
    """Counts every exchange, also those that were refused, failed or left by their client, and shows that to
    Prometheus at `GET /metrics`, for all workers of this host whichever is asked.

    Where the file has an `admin` key, `/metrics` wants it as a bearer token; without one it answers clients of the same
    machine only. With `listen` it has an address of its own instead, and answers whoever can connect there. It needs
    the extra `metrics` (prometheus-client).

    What is told: requests by outcome, errors by code, attempts at upstreams, tokens and cost, the time to the first
    token and between tokens as the client got them, the time that requests and stages took and what Penstock itself
    took of it, what is open now, requests that limits refused, responses kept, and what stages tell of themselves, such
    as dropped lines of a log. A model that the file does not serve is `other`; beyond so many values of a label all
    are, so that no client can make series without end.

    It stands anywhere in the list and sees the same.

    Example:

        metrics:
          by: [team]
    """

    name = "metrics"
    observer = True
    Config = MetricsConfig
    config: MetricsConfig

    _task: asyncio.Task[None] | None = None
    _streamed: Counted
    _whole: Counted

    async def start(self) -> None:
        """Begins to count; raises ConfigError without prometheus-client, or without room for the numbers."""
        if importlib.util.find_spec("prometheus_client") is None:
            what = "metrics are written by prometheus-client, which is not installed"
            raise ConfigError([Problem("metrics", 1, 1, what, "pip install 'penstock[metrics]'")])
        try:
            self.cells = self.earlier or Cells.of_process()
        except OSError as error:
            what = f"the workers cannot share what they count: {error}"
            raise ConfigError(
                [Problem("metrics", 1, 1, what, "check the room in the directory for temporary files")]
            ) from None
        self.recorder = Recorder(self.cells, self.config.by)
        self._streamed, self._whole = Counted(self.recorder, streamed=True), Counted(self.recorder, streamed=False)
        self._task = asyncio.get_running_loop().create_task(self._ask())

    async def close(self) -> None:
        """Asks the other parts for the last time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self.leave()

    async def on_request(self, exchange: Exchange) -> Counted:
        """Counts what begins, and listens to its stream."""
        if exchange.times is None:
            exchange.times = {}
        if self.recorder.began(exchange):
            exchange.pulse = Pulse()
            return self._streamed
        return self._whole

    async def _ask(self) -> None:
        while True:
            self.take()
            await asyncio.sleep(_ASK_EVERY_S)


class Counted(ResponseFilter):
    """Counts the ends of exchanges. It knows nothing of one before its end, so that all of them share it."""

    ends_at_once = True

    def __init__(self, recorder: Recorder, *, streamed: bool) -> None:
        self._recorder = recorder
        self._streamed = streamed

    async def on_end(self, exchange: Exchange) -> None:
        """Counts it."""
        self._recorder.ended(exchange, streamed=self._streamed)
