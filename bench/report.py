"""A run as one HTML page that needs nothing from elsewhere: tables, costs, latencies, cost over rate, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from hdrh.histogram import HdrHistogram

from .console import COSTS, TIMES, busy_words, cells
from .plots import Axis, Bar, bars, lines
from .results import Result, summary

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}
h1,h2{line-height:1.2} table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd} th:first-child,td:first-child{text-align:left}
svg{width:100%;height:auto;font:12px system-ui,sans-serif} .grid{stroke:#ddd} .wrong{color:#b00020}
figure{margin:1rem 0;max-width:60rem} figcaption{color:#555}
"""
_SHARES = (50.0, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)
_PERCENTILES = Axis("percentile", 1.9, 10_500, ((2, "50"), (10, "90"), (100, "99"), (1000, "99.9"), (10_000, "99.99")))
_TIMES = {"late": "later than the upstream meant to send it", "first": "from request to first piece"}
_PACED = {"paced-20": 1000.0, "paced-50": 2500.0, "paced": 5000.0, "paced-200": 10_000.0}
_RATES = Axis("deltas a second", 900, 12_000, tuple((rate, f"{rate:g}") for rate in _PACED.values()))
_STREAMS = Axis("open streams", 9, 2100, tuple((count, f"{count:g}") for count in (10.0, 100.0, 1000.0, 2000.0)))


def page(machine: str, found: Sequence[Result]) -> str:
    """Returns the page of a run: on what machine, and the result of each scenario."""
    by_name = {result.scenario: result for result in found}
    parts = [f"<h1>Penstock bench</h1><p>{escape(machine)}</p>", _over_rate(by_name)]
    parts += [_section(result) for result in found]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Penstock bench</title>'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _section(result: Result) -> str:
    names = result.targets()
    parts = [f"<h2>{escape(f'{result.number} {result.scenario}')}</h2><p>{escape(result.words)}</p>"]
    parts += [f"<p>{escape(f'{name} had less to do: {words}')}</p>" for name, words in result.lighter.items()]
    parts.append(f"<p>Ratios are to {escape(result.base)}.</p>" + _table(*cells(COSTS, result, names)))
    costs = [
        Bar(name, one.cost, one.low, one.high)
        for name in names
        if (one := summary(result, name)).cost is not None and one.low is not None and one.high is not None
    ]
    if costs:
        parts.append(_figure(bars(costs, f"CPU {result.unit}"), ""))
    memory = [Bar(name, kb, kb, kb) for name in names if (kb := max(result.stream_kb(name) or 0, 0)) > 0]
    if memory:
        plot = bars(memory, "kB a stream")
        parts.append(_figure(plot, "Memory of one open stream, at the peak, over what was resident before."))
    growths = {name: [(streams, kb / 1000) for streams, kb in run.memory] for name in names for run in result.of(name)}
    if any(growths.values()):
        parts.append(_figure(lines(growths, _STREAMS, "MB"), "Memory of the process over the streams that are open."))
    parts += _times(result, names)
    parts.append(f"<p>{escape(busy_words(result).capitalize())}.</p>")
    if wrong := result.errors():
        parts.append(f'<p class="wrong">{escape("; ".join(wrong))}</p>')
    return "".join(parts)


def _times(result: Result, names: Sequence[str]) -> list[str]:
    """Returns how long pieces took: a table, and a plot of the percentiles of all rounds."""
    head, rows = cells(TIMES, result, names)
    if len(head) == 1:
        return []
    words = f"How long pieces took, in ms; added is the difference of percentiles to {result.against} in the same round"
    parts = [f"<p>{escape(words)} (the middle of all rounds).</p>", _table(head, rows)]
    for kind, meaning in _TIMES.items():
        series = {name: points for name in names if (points := _percentiles(result, name, kind))}
        if series:
            parts.append(_figure(lines(series, _PERCENTILES, "ms"), f"Over all rounds: {meaning}."))
            break
    return parts


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(row: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _over_rate(found: Mapping[str, Result]) -> str:
    """Returns the cost of a delta at each rate, where more than one was measured."""
    rates = [name for name in _PACED if name in found]
    series: dict[str, list[tuple[float, float]]] = {}
    for rate in rates:
        for name in found[rate].targets():
            if (cost := summary(found[rate], name).cost) is not None:
                series.setdefault(name, []).append((_PACED[rate], cost))
    series = {name: points for name, points in series.items() if len(points) > 1}
    if not series:
        return ""
    return _figure(lines(series, _RATES, "us/delta"), "CPU of one paced delta, over the rate of deltas.")


def _percentiles(result: Result, name: str, kind: str) -> list[tuple[float, float]]:
    """Returns times of a target at some percentiles, over all rounds: (1 / share beyond, ms)."""
    encoded = getattr(result.histograms.get(name), kind, "")
    if not encoded:
        return []
    together = HdrHistogram.decode(encoded.encode())
    return [
        (100 / (100 - share), together.get_value_at_percentile(share) / 1000)
        for share in _SHARES
        if 100 / (100 - share) <= together.get_total_count()
    ]


def _figure(plot: str, caption: str) -> str:
    return f"<figure>{plot}<figcaption>{escape(caption)}</figcaption></figure>"
