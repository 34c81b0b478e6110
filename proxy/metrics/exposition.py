"""Puts the numbers of all workers together, and has prometheus-client write them in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from .cells import Cells
from .family import Family

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(cells: Cells) -> bytes:
    """Returns what Prometheus is told; raises ModuleNotFoundError without the extra `metrics`."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(cells))  # what has `collect` is one
    return generate_latest(registry)


class _Collector:
    """Reads the cells when the registry asks."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        found: dict[str, tuple[Family, dict[tuple[str, ...], Sequence[float]]]] = {}
        for series, numbers in self._cells.all():
            _, every = found.setdefault(series.family.name, (series.family, {}))
            known = every.get(series.labels)
            every[series.labels] = numbers if known is None else [a + b for a, b in zip(known, numbers, strict=True)]
        for family, every in sorted(found.values(), key=lambda row: row[0].name):
            yield _metric(family, every)


def _metric(family: Family, every: dict[tuple[str, ...], Sequence[float]]) -> Metric:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        SummaryMetricFamily,
    )

    name, text, labels = family.name, family.help, family.labels
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(name, text, labels=labels)
        bounds = [*map(str, family.bounds), "+Inf"]
        for values, numbers in sorted(every.items()):
            buckets = list(zip(bounds, accumulate(numbers[:-1]), strict=True))
            histogram.add_metric(values, buckets, sum_value=numbers[-1])
        return histogram
    if family.kind == "summary":
        summary = SummaryMetricFamily(name, text, labels=labels)
        for values, numbers in sorted(every.items()):
            summary.add_metric(values, count_value=int(numbers[1]), sum_value=numbers[0])
        return summary
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    one: CounterMetricFamily | GaugeMetricFamily = kind(name, text, labels=labels)
    for values, numbers in sorted(every.items()):
        one.add_metric(values, numbers[0] * family.scale)
    return one
