import sys

import pytest

from bench.endtoend import Bench
from bench.load import histogram
from bench.results import summary
from bench.scenarios import scenarios

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")


def test_targets_take_turns_and_all_is_known_of_each():
    scenario = scenarios(quick=True)["leaving"]
    names = ["direct", "pass-through"]
    with Bench(names) as bench:
        result = bench.measure(scenario, names, 2, warm=False)
    assert [(run.round, run.target) for run in result.runs] == [(turn, name) for turn in (0, 1) for name in names]
    assert result.errors() == []
    assert min(run.report.left for run in result.runs) > 0
    assert all(run.cost and run.cost > 0 and run.busy > 0 for run in result.runs)
    assert (result.number, result.base, result.against) == ("S10", "pass-through", "direct")
    assert all(0 < result.base_kb[name] <= result.peak_kb[name] for name in names)
    assert summary(result, "pass-through").added_first is not None
    histograms = result.histograms["pass-through"]
    assert histograms.first
    assert histograms.late
    assert all(run.report.late_histogram == "" for run in result.runs)  # those of all rounds are kept as one


def test_histograms_are_small_enough_to_be_kept():
    assert len(histogram([0.01 * step for step in range(20_000)])) < 3000
