"""Plots as SVG, without anything from elsewhere: bars, and lines over logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import msgspec

from .tables import number

_COLOURS = ("#2a6f97", "#e07a5f", "#3d9970", "#8d6cab", "#b58900", "#6c757d", "#c2185b")
_WIDTH, _LEFT, _RIGHT = 760, 130, 90
_ROW, _HEIGHT, _TOP, _BOTTOM = 26, 320, 14, 46


class Bar(msgspec.Struct, frozen=True):
    """One value with its range."""

    name: str
    value: float
    low: float
    high: float


class Axis(msgspec.Struct, frozen=True):
    """One logarithmic axis: what it shows, its ends, and the marks on it with their words."""

    title: str
    low: float
    high: float
    marks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Returns where a value lies between the ends: 0 to 1."""
        value = min(max(value, self.low), self.high)
        return math.log(value / self.low) / math.log(self.high / self.low)


def colour(index: int) -> str:
    """Returns the colour of the target at that place."""
    return _COLOURS[index % len(_COLOURS)]


def bars(found: Sequence[Bar], unit: str) -> str:
    """Returns bars over a logarithmic axis that begins at a third of the lowest value."""
    axis = _axis(unit, [one.low for one in found] + [one.high for one in found])
    room = _WIDTH - _LEFT - _RIGHT
    rows = []
    for place, one in enumerate(found):
        y = _TOP + place * _ROW
        end, low, high = (_LEFT + room * axis.at(value) for value in (one.value, one.low, one.high))
        rows.append(
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(one.name)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="18" fill="{colour(place)}"/>'
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + 9}" y2="{y + 9}" stroke="#222"/>'
            f'<text x="{max(end, high) + 6:.1f}" y="{y + 14}">{number(one.value)}</text>'
        )
    bottom = _TOP + len(found) * _ROW
    for value, words in axis.marks:
        x = _LEFT + room * axis.at(value)
        rows.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{bottom}" class="grid"/>'
            f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{words}</text>'
        )
    rows.append(f'<text x="{_LEFT + room / 2}" y="{bottom + 32}" text-anchor="middle">{escape(unit)}</text>')
    return _svg(bottom + 40, "".join(rows))


def lines(series: Mapping[str, Sequence[tuple[float, float]]], x: Axis, y_title: str) -> str:
    """Returns lines through points, each series in the colour of its place; both axes are logarithmic."""
    y = _axis(y_title, [value for points in series.values() for _, value in points])
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    drawn = []
    for value, words in x.marks:
        at = _LEFT + wide * x.at(value)
        drawn.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_TOP + high}" class="grid"/>'
            f'<text x="{at:.1f}" y="{_TOP + high + 16}" text-anchor="middle">{words}</text>'
        )
    for value, words in y.marks:
        at = _TOP + high * (1 - y.at(value))
        drawn.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + wide}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>'
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{words}</text>'
        )
    for place, (name, points) in enumerate(series.items()):
        path = " ".join(f"{_LEFT + wide * x.at(a):.1f},{_TOP + high * (1 - y.at(b)):.1f}" for a, b in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour(place)}" stroke-width="2"/>')
        drawn.append(
            f'<text x="{_LEFT + wide + 6}" y="{_TOP + 14 + 16 * place}" fill="{colour(place)}">{escape(name)}</text>'
        )
    drawn.append(f'<text x="{_LEFT + wide / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x.title)}</text>')
    drawn.append(f'<text x="12" y="{_TOP + 4}">{escape(y_title)}</text>')
    return _svg(_HEIGHT, "".join(drawn))


def _axis(title: str, values: Sequence[float]) -> Axis:
    """Returns an axis around values, with marks at 1, 2 and 5 times each power of ten."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive) / 3, max(positive) * 1.05
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 100 else (1,)
    marks = [step * 10.0**power for power in powers for step in steps]
    return Axis(title, low, high, tuple((mark, f"{mark:g}") for mark in marks if low <= mark <= high))


def _svg(height: float, content: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img">{content}</svg>'
