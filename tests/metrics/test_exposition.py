"""What Prometheus reads."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from proxy.metrics.cells import Cells
from proxy.metrics.exposition import exposition
from proxy.metrics.family import Family


def test_the_numbers_of_all_workers_are_one_text_that_prometheus_understands(tmp_path: Path) -> None:
    timed = Family("penstock_timed_seconds", "histogram", "Times.", ("model",), (0.1, 1.0))
    spent = Family("penstock_spent_dollars_total", "counter", "Dollars.", ("model",), scale=1e-9)
    took = Family("penstock_took_seconds", "summary", "Times.")
    name = 'a"b\\c\nd'
    every = [Cells(tmp_path, number) for number in range(2)]
    for cells in every:
        at = cells.series(timed, (name,)).at
        for bucket, seconds in ((0, 0.05), (1, 0.5), (2, 7.0)):
            cells.values[at + bucket] += 1
            cells.values[at + 3] += seconds
        cells.values[cells.series(spent, (name,)).at] += 1_500_000_000
        cells.values[cells.series(took).at] += 0.25
        cells.values[cells.series(took).at + 1] += 2
    families = {one.name: one for one in text_string_to_metric_families(exposition(every[0]).decode())}
    samples = {(one.name, one.labels.get("le")): one.value for f in families.values() for one in f.samples}
    assert samples == {
        ("penstock_timed_seconds_bucket", "0.1"): 2,
        ("penstock_timed_seconds_bucket", "1.0"): 4,
        ("penstock_timed_seconds_bucket", "+Inf"): 6,
        ("penstock_timed_seconds_count", None): 6,
        ("penstock_timed_seconds_sum", None): 15.1,
        ("penstock_spent_dollars_total", None): 3.0,
        ("penstock_took_seconds_count", None): 4,
        ("penstock_took_seconds_sum", None): 0.5,
    }
    assert families["penstock_spent_dollars"].samples[0].labels == {"model": name}
