import msgspec
import pytest

from bench.load import Report
from bench.scenarios import scenarios


def test_every_scenario_of_the_file_is_one_and_quick_ones_are_smaller():
    whole, quick = scenarios(quick=False), scenarios(quick=True)
    assert list(whole) == list(quick)
    for name, one in whole.items():
        small = quick[name].job
        assert small.connections * small.each * small.pieces < one.job.connections * one.job.each * one.job.pieces
        assert one.load()
        assert small.limit_s == 20


def test_a_field_that_is_not_known_is_named(tmp_path):
    path = tmp_path / "scenarios.yaml"
    path.write_text("mine: {shows: this, job: {connections: 1}, pre: request}")
    with pytest.raises(msgspec.ValidationError, match="pre"):
        scenarios(path, quick=False)


def test_cost_is_per_delta_or_per_request():
    found = scenarios(quick=True)
    report = Report(answers=10, pieces=1000)
    assert found["paced"].cost(0.05, report) == pytest.approx(50)
    assert found["plain"].cost(0.05, report) == pytest.approx(5)
    assert (found["paced"].unit, found["plain"].unit) == ("us/delta", "ms/request")


def test_nothing_right_is_no_division_by_zero():
    assert scenarios(quick=True)["paced"].cost(0.05, Report()) == pytest.approx(50_000)
