import msgspec
import pytest

from bench.load import Report
from bench.scenarios import scenarios
from bench.targets import NAMES, Target


def test_every_scenario_of_the_file_is_one_and_quick_ones_are_smaller():
    whole, quick = scenarios(quick=False), scenarios(quick=True)
    assert list(whole) == list(quick)
    for name, one in whole.items():
        small = quick[name].job
        assert small.connections * small.each * small.pieces < one.job.connections * one.job.each * one.job.pieces
        assert one.load()
        assert small.limit_s == 20
        assert set(one.targets) <= set(NAMES)
        assert one.base in one.targets
    assert {one.number for one in whole.values()} == {f"S{number}" for number in range(1, 11)}


def test_slow_targets_have_less_to_do():
    bulk = scenarios(quick=False)["bulk"]
    quick, slow = Target(name="a", dialect="chat"), Target(name="b", dialect="chat", slow=True)
    assert bulk.job_of(quick) == bulk.job
    light = bulk.job_of(slow)
    assert (light.connections, light.block) == (bulk.job.connections, bulk.job.block)
    assert light.each * light.pieces < bulk.job.each * bulk.job.pieces / 10


def test_a_field_that_is_not_known_is_named(tmp_path):
    path = tmp_path / "scenarios.yaml"
    path.write_text("mine: {number: S1, shows: this, targets: [direct], job: {connections: 1}, pre: request}")
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
