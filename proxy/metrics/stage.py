"""A stage that has something to show to Prometheus: the engine serves that, and knows the stage by this class."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from ..config.listen import Listen
from ..stage import Stage, StageConfig
from .cells import Cells
from .exposition import exposition
from .measure import Measured

if TYPE_CHECKING:
    from ..config.file import Config
    from .recorder import Recorder

_log = logging.getLogger("penstock")


class MetricsStageConfig(StageConfig, frozen=True, kw_only=True):
    """What the engine has to know of the settings of the stage that counts."""

    listen: Annotated[
        Listen | None,
        Meta(
            description="An address of its own for /metrics, which is then served there alone, to whoever can connect, "
            "beside /healthz and /readyz: 127.0.0.1:9100, or 0.0.0.0:9100 in a network of your own."
        ),
    ] = None


class MetricsStage(Stage):
    """Base of the stage that counts, which has `cells` and a `recorder` once it has started.

    A pipeline gives it its `parts` before: those of them that are `Measured` have a say. One that takes the place of
    another is given the cells of that one as its `earlier` ones, and counts on in them.
    """

    parts: Iterable[object] = ()
    earlier: Cells | None = None
    cells: Cells
    recorder: Recorder

    def take(self) -> None:
        """Has the parts tell of themselves; one that cannot keeps no other from it."""
        self.recorder.take_times()
        for part in self.parts:
            if not isinstance(part, Measured):
                continue
            try:
                self.recorder.take(part, list(part.measures()))
            except Exception as error:  # somebody else's bug must not cost all metrics
                _log.error("%s could not be measured", type(part).__name__, exc_info=error)

    def leave(self) -> None:
        """Has the parts tell of themselves for the last time."""
        self.take()
        for part in self.parts:
            if isinstance(part, Measured):
                self.recorder.leave(part)

    async def exposition(self) -> bytes:
        """Returns the numbers of all workers of this host, in Prometheus' text format."""
        self.take()
        return await asyncio.to_thread(exposition, self.cells)


def metrics_listen(config: Config) -> Listen | None:
    """Returns the address that metrics have for themselves; None when they have none."""
    own = (entry.config for entry in config.pipeline if isinstance(entry.config, MetricsStageConfig))
    return next((one.listen for one in own), None)
