"""Limits that hold under concurrency: counters of this process, or shared by the workers of one host."""

from __future__ import annotations

import os

from .limits import Counters, Grant, Limits
from .local import LocalCounters
from .shared import SharedCounters

__all__ = ["Counters", "Grant", "Limits", "LocalCounters", "SharedCounters", "process_counters"]

_of_process: dict[int, Counters] = {}


def process_counters() -> Counters:
    """Returns the counters of this process, the same at every call: a new pipeline hands out no fresh quotas.

    They are shared with the other workers when `PENSTOCK_COUNTERS` names a file; `PENSTOCK_WORKER` is then the number
    of this worker.
    """
    counters = _of_process.get(os.getpid())
    if counters is None:
        path = os.environ.get("PENSTOCK_COUNTERS")
        counters = SharedCounters(path, int(os.environ.get("PENSTOCK_WORKER", "0"))) if path else LocalCounters()
        _of_process.clear()
        _of_process[os.getpid()] = counters
    return counters
