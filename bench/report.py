"""A run as one HTML page that needs nothing from elsewhere: tables, costs, latencies, cost over rate, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from hdrh.histogram import HdrHistogram

from .endtoend import Result, summary
from .plots import Axis, Bar, bars, lines
from .tables import number

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h1,h2{line-height:1.2} table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd} th:first-child,td:first-child{text-align:left}
svg{width:100%;height:auto;font:12px system-ui,sans-serif} .grid{stroke:#ddd} .wrong{color:#b00020}
figure{margin:1rem 0} figcaption{color:#555}
"""
_SHARES = (50.0, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)
_PERCENTILES = Axis("percentile", 1.9, 10_500, ((2, "50"), (10, "90"), (100, "99"), (1000, "99.9"), (10_000, "99.99")))
_TIMES = {"late": "later than the upstream meant to send it", "first": "from request to first piece"}
_PACED = {"paced-50": 2500.0, "paced": 5000.0, "paced-200": 10_000.0}
_RATES = Axis("deltas a second", 2000, 12_000, tuple((rate, f"{rate:g}") for rate in _PACED.values()))


def page(machine: str, results: Sequence[tuple[str, Result]], names: Sequence[str]) -> str:
    """Returns the page of a run: on what machine, each scenario's words and result, the targets in their order."""
    by_name = {result.scenario: result for _, result in results}
    parts = [f"<h1>Penstock bench</h1><p>{escape(machine)}</p>", _over_rate(by_name, names)]
    parts += [_section(words, result, names) for words, result in results]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Penstock bench</title>'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _section(words: str, result: Result, names: Sequence[str]) -> str:
    found = [(name, summary(result, name)) for name in names]
    costs = bars([Bar(name, one.cost, one.low, one.high) for name, one in found], f"CPU {result.unit}")
    parts = [f"<h2>{escape(result.scenario)}</h2><p>{escape(words)}</p>", _table(result, names), _figure(costs, "")]
    memory = [(name, kb) for name in names if (kb := result.stream_kb(name)) is not None]
    if memory:
        plot = bars([Bar(name, max(kb, 0.1), max(kb, 0.1), max(kb, 0.1)) for name, kb in memory], "kB a stream")
        parts.append(_figure(plot, "Memory of one open stream, at the peak, over what was resident before."))
    for kind, meaning in _TIMES.items():
        series = {name: points for name in names if (points := _percentiles(result, name, kind))}
        if series:
            parts.append(_figure(lines(series, _PERCENTILES, "ms"), f"How long pieces took: {meaning}."))
            break
    if wrong := result.errors():
        parts.append(f'<p class="wrong">{escape("; ".join(wrong))}</p>')
    return "".join(parts)


def _table(result: Result, names: Sequence[str]) -> str:
    rows = ["<tr><th>target</th>" + "".join(f"<th>{one}</th>" for one in _head(result.unit)) + "</tr>"]
    for name in names:
        found = summary(result, name)
        reports = [run.report for run in result.runs if run.target == name]
        cells = [
            number(found.cost),
            f"{number(found.low)}..{number(found.high)}",
            _or_dash(found.ratio),
            _or_dash(found.instructions_ratio),
            f"{result.peak_kb[name] / 1000:.0f}",
            str(sum(one.errors for one in reports)),
        ]
        rows.append(f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table>{''.join(rows)}</table>"


def _head(unit: str) -> tuple[str, ...]:
    return f"CPU {escape(unit)}", "range", "ratio", "instructions", "peak MB", "wrong"


def _over_rate(results: Mapping[str, Result], names: Sequence[str]) -> str:
    """Returns the cost of a delta at each rate, where more than one was measured."""
    rates = [name for name in _PACED if name in results]
    if len(rates) < 2:
        return ""
    series = {name: [(_PACED[rate], summary(results[rate], name).cost) for rate in rates] for name in names}
    return _figure(lines(series, _RATES, "us/delta"), "CPU of one paced delta, over the rate of deltas.")


def _percentiles(result: Result, name: str, kind: str) -> list[tuple[float, float]]:
    """Returns times of a target at some percentiles, over all rounds: (1 / share beyond, ms)."""
    together: Any = None
    for run in result.runs:
        encoded = run.report.late_histogram if kind == "late" else run.report.first_histogram
        if run.target == name and encoded:
            one = HdrHistogram.decode(encoded.encode())
            if together is None:
                together = one
            else:
                together.add(one)
    if together is None or not together.get_total_count():
        return []
    return [
        (100 / (100 - share), together.get_value_at_percentile(share) / 1000)
        for share in _SHARES
        if 100 / (100 - share) <= together.get_total_count()
    ]


def _figure(plot: str, caption: str) -> str:
    return f"<figure>{plot}<figcaption>{escape(caption)}</figcaption></figure>"


def _or_dash(value: float | None) -> str:
    return number(value) if value is not None else "-"
