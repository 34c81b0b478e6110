"""Limits that hold under concurrency: counters of this process, of all processes of one host, or of all hosts."""

from .limits import Counters, CounterState, Demand, Grant, Holder, Limit, Standing, Unit
from .local import LocalCounters
from .redis_counters import RedisCounters, RedisSettings
from .shared import SharedCounters

__all__ = [
    "CounterState",
    "Counters",
    "Demand",
    "Grant",
    "Holder",
    "Limit",
    "LocalCounters",
    "RedisCounters",
    "RedisSettings",
    "SharedCounters",
    "Standing",
    "Unit",
]
