"""Limits that hold under concurrency: counters of this process, of all processes of one host, or of all hosts.

The last ones, in Redis, are in `redis_counters`: who has none of them does not load it.
"""

from .limits import Counters, CounterState, Demand, Grant, Holder, Limit, Standing, Unit
from .local import LocalCounters
from .shared import SharedCounters

__all__ = [
    "CounterState",
    "Counters",
    "Demand",
    "Grant",
    "Holder",
    "Limit",
    "LocalCounters",
    "SharedCounters",
    "Standing",
    "Unit",
]
