import pytest

from bench.load import Report, Spread
from bench.results import Measured, Result, results, summary


def run(target, turn, cost, **more):
    return Measured(target, turn, cost, None, None, Report(), **more)


def result(*runs, **more):
    return Result("paced", "us/delta", list(runs), {}, **more)


def timed(target, turn, p50, p99):
    report = Report(late_ms=Spread(p50, p99, p99), first_ms=Spread(1, 1, 1))
    return Measured(target, turn, None, None, None, report)


def test_ratios_are_taken_round_by_round():
    # the second round ran on a busy machine: both targets cost twice as much, and the ratio stays
    costs = {"pass-through": [40.0, 80.0, 40.0], "penstock": [20.0, 40.0, 30.0]}
    found = result(*(run(name, turn, cost) for name, some in costs.items() for turn, cost in enumerate(some)))
    assert found.ratios("penstock") == [0.5, 0.5, 0.75]
    told = summary(found, "penstock")
    assert (told.cost, told.low, told.high) == (30, 20, 40)
    assert (told.ratio, told.ratio_low, told.ratio_high) == (0.5, 0.5, 0.75)
    assert summary(found, "pass-through").ratio == 1.0
    assert summary(result(run("penstock", 0, 20.0)), "penstock").ratio is None


def test_a_target_with_fewer_rounds_is_compared_within_those():
    found = result(*(run("pass-through", turn, cost) for turn, cost in enumerate((10.0, 50.0))), run("slow", 1, 100.0))
    assert found.ratios("slow") == [2.0]


def test_ratios_are_to_the_base_of_the_scenario_in_every_figure():
    found = result(
        Measured("penstock", 0, 10.0, 100.0, 1.0, Report(), kernel=50.0, cycles=30.0),
        Measured("penstock-policy", 0, 15.0, 120.0, 1.0, Report(), kernel=60.0, cycles=60.0),
        base="penstock",
    )
    told = summary(found, "penstock-policy")
    assert (told.ratio, told.instructions_ratio, told.counted_ratio, told.cycles_ratio) == (1.5, 1.2, 1.2, 2.0)


def test_added_times_are_differences_of_percentiles_of_the_same_round():
    found = result(
        *(timed("direct", turn, p50, p99) for turn, (p50, p99) in enumerate([(0.1, 1.0), (0.2, 5.0), (0.1, 1.0)])),
        *(timed("penstock", turn, p50, p99) for turn, (p50, p99) in enumerate([(0.3, 2.0), (0.5, 9.0), (0.3, 3.0)])),
    )
    assert found.added("penstock", "late_ms") == pytest.approx((0.2, 2.0))
    assert found.times("penstock", "late_ms") == (0.3, 3.0)
    assert found.added("direct", "late_ms") is None
    assert summary(found, "penstock").added_first == (0, 0)
    other = result(timed("penstock", 0, 1, 2), timed("guarded", 0, 4, 7), against="penstock")
    assert other.added("guarded", "late_ms") == (3, 5)
    assert result(timed("penstock", 0, 1, 2)).added("penstock", "late_ms") is None


def test_what_one_stage_more_costs_is_the_middle_of_the_differences():
    costs = {"a": [1.0, 5.0, 2.0], "b": [2.0, 6.0, 9.0]}
    found = result(*(run(name, turn, cost) for name, some in costs.items() for turn, cost in enumerate(some)))
    assert found.more("b", "a", "cost") == 1.0
    assert found.more("b", "a", "counted") is None


def test_what_is_not_known_is_left_out():
    found = result(run("pass-through", 0, 10.0), run("mine", 0, None, busy=0.9))
    assert summary(found, "mine").cost is None
    assert found.ratios("mine") == []
    assert found.busy() == 0.9
    assert found.stream_kb("mine") is None


def test_results_are_found_among_all_that_a_run_gives():
    one = result(run("a", 0, 1.0))
    assert results({"machine": "m", "micro": [], "paced": one}) == {"paced": one}
