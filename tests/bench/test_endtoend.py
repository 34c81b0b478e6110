from bench.endtoend import Measured, Result, Summary, summary
from bench.load import Report


def result(costs):
    """Returns a result of runs in turn, by target."""
    runs = [
        Measured(target, turn, cost, cost * 1000, 0.0, Report(pieces=10))
        for target, all_costs in costs.items()
        for turn, cost in enumerate(all_costs)
    ]
    return Result("paced", "us/delta", runs, {})


def test_ratios_are_taken_round_by_round():
    # the second round ran on a busy machine: both targets cost twice as much, and the ratio stays
    found = result({"pass-through": [40.0, 80.0, 40.0], "penstock": [20.0, 40.0, 30.0]})
    assert found.ratios("penstock") == [0.5, 0.5, 0.75]
    assert summary(found, "penstock") == Summary(30.0, 20.0, 40.0, 0.5, 0.5, 0.75, 30_000.0, 0.75)
    assert summary(found, "pass-through").ratio == 1.0


def test_without_a_pass_through_there_is_no_ratio():
    assert summary(result({"penstock": [20.0]}), "penstock") == Summary(20.0, 20.0, 20.0, instructions=20_000.0)
