"""A stage that has something to show to Prometheus: the engine serves that, and knows the stage by this class."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from ..stage import Stage
from .cells import Cells
from .exposition import exposition
from .measure import Measure, Measured
from .recorder import Recorder

_log = logging.getLogger("penstock")


class MetricsStage(Stage):
    """Base of the stage that counts, which has `cells` and a `recorder` once it has started.

    A pipeline gives it its `parts` before: those of them that are `Measured` have a say.
    """

    parts: Iterable[object] = ()
    cells: Cells
    recorder: Recorder

    def take(self) -> None:
        """Has the parts tell of themselves; one that cannot keeps no other from it."""
        told: list[Measure] = []
        for part in self.parts:
            if not isinstance(part, Measured):
                continue
            try:
                told.extend(part.measures())
            except Exception as error:  # somebody else's bug must not cost all metrics
                _log.error("%s could not be measured", type(part).__name__, exc_info=error)
        self.recorder.take(told)

    async def exposition(self) -> bytes:
        """Returns the numbers of all workers of this host, in Prometheus' text format."""
        self.take()
        return await asyncio.to_thread(exposition, self.cells)
