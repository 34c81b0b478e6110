import xml.etree.ElementTree as ET

import pytest

from bench.plots import Axis, Bar, bars, lines

AXIS = Axis("rate", 1, 100, ((1, "1"), (10, "10"), (100, "100")))


def test_an_axis_is_logarithmic_and_keeps_values_within_it():
    assert [AXIS.at(value) for value in (0.1, 1, 10, 100, 1000)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_bars_are_as_long_as_their_values_say_and_names_are_text():
    drawn = ET.fromstring(bars([Bar("<a>", 10, 9, 11), Bar("b", 100, 90, 110)], "us"))
    first, second = (float(one.get("width", 0)) for one in drawn.iter("rect"))
    assert 0 < first < second
    assert "<a>" in [one.text for one in drawn.iter("text")]


def test_lines_go_through_their_points_from_left_to_right():
    drawn = ET.fromstring(lines({"one": [(1, 5.0), (10, 50.0)], "two": [(1, 7.0), (100, 7.0)]}, AXIS, "ms"))
    paths = [one.get("points", "").split() for one in drawn.iter("polyline")]
    assert [len(path) for path in paths] == [2, 2]
    (left, low), (right, high) = (tuple(map(float, point.split(","))) for point in paths[0])
    assert left < right
    assert low > high  # y counts from above
