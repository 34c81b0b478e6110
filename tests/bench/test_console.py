from bench.console import COSTS, TIMES, busy_words, cells, result_tables
from bench.load import Report, Spread
from bench.results import Measured, Result

PACED = Report(pieces=10, reads=5, late_ms=Spread(0.1, 1.0, 2.0), first_ms=Spread(0.5, 2.0, 2.0))


def result(busy=0.1, report=PACED, **more):
    costs = {"direct": 5.0, "pass-through": 10.0, "mine": None}
    runs = [Measured(name, 0, cost, None, None, report, busy=busy) for name, cost in costs.items()]
    return Result("paced", "us/delta", runs, dict.fromkeys(costs, 0), number="S2", words="what it shows", **more)


def test_columns_in_which_nothing_stands_are_left_out_and_unknown_costs_are_dashes():
    head, rows = cells(COSTS, result(), ["pass-through", "mine"])
    assert head == ["target", "CPU us/delta", "range", "ratio", "its range", "pieces a read", "wrong"]
    assert rows == [
        ["pass-through", "10.00", "10.00..10.00", "1.00", "1.00..1.00", "2.00", "0"],
        ["mine", "-", "-", "-", "-", "2.00", "0"],
    ]


def test_times_stand_beside_what_was_added_to_them():
    head, rows = cells(TIMES, result(), ["direct", "mine"])
    assert head == ["target", "first p50..p99", "added", "late p50..p99", "added"]
    assert rows[1] == ["mine", "0.50..2.00", "0.00..0.00", "0.10..1.00", "0.00..0.00"]


def test_a_scenario_is_told_with_its_load_and_how_busy_the_bench_was():
    told = result_tables(result(lighter={"mine": "4 answers"}), ["direct", "pass-through"])
    assert "S2 paced: what it shows; 1 rounds; ratios to pass-through" in told
    assert "mine had less to do: 4 answers" in told
    assert "busy for 10 %" in told


def test_a_bench_that_is_itself_too_busy_says_so():
    assert "partly their own" in busy_words(result(busy=0.9))
    assert "they set the pace" in busy_words(result(busy=0.9, report=Report()))
    assert "own" not in busy_words(result(busy=0.7))
