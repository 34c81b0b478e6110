"""What parts of a pipeline tell of themselves, when they are asked: stages, stores, upstreams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol, runtime_checkable

import msgspec


class Measure(msgspec.Struct, frozen=True):
    """One number. A counter is what this worker has counted since it began; a gauge is how it is now.

    The name is by Prometheus' conventions, with its unit, and `_total` at the end of a counter's. Values of labels must
    not come from clients: every one of them stays for as long as the process.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float
    labels: Mapping[str, str] = {}


@runtime_checkable
class Measured(Protocol):
    """A part of a pipeline that has something to tell."""

    def measures(self) -> Iterable[Measure]:
        """Yields what there is to tell now. Asked every few seconds, on the event loop."""
