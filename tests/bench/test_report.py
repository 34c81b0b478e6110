import re

import msgspec

from bench.load import Report, Spread, histogram
from bench.report import page
from bench.results import Histograms, Measured, Result

LATE = Histograms(histogram([0.1 * step for step in range(1, 400)]))


def result(name, costs, **more):
    runs = [
        Measured(target, turn, cost, cost * 1000, 0.0, Report(answers=1, pieces=10, **more), 20.0 if turn else None)
        for target, all_costs in costs.items()
        for turn, cost in enumerate(all_costs)
    ]
    kb = dict.fromkeys(costs, 64_000)
    return Result(
        name, "us/delta", runs, kb, number="S2", words=f"words of {name}", histograms=dict.fromkeys(costs, LATE)
    )


def test_the_page_shows_each_scenario_and_needs_nothing_from_elsewhere():
    costs = {"direct": [9.0, 8.0], "pass-through": [40.0, 42.0], "penstock": [30.0, 28.0]}
    told = [result(name, costs, late_ms=Spread(1, 2, 3)) for name in ("paced", "paced-200")]
    html = page("a machine & its <load>", told)
    assert "a machine &amp; its &lt;load&gt;" in html
    for words in ("words of paced", "kB a stream", "us/delta", "later than the upstream meant", "over the rate", "S2"):
        assert words in html
    assert "<th>added</th>" in html
    assert "busy for 0 %" in html
    assert not re.findall(r'(?:src|href)="|https?://', html)


def test_memory_is_drawn_over_the_streams_that_are_open():
    found = result("open", {"penstock": [1.0]})
    grown = [msgspec.structs.replace(run, memory=[(10, 50_000), (2000, 90_000)]) for run in found.runs]
    assert "over the streams that are open" in page("m", [msgspec.structs.replace(found, runs=grown)])
    assert "over the streams that are open" not in page("m", [found])


def test_what_was_wrong_stands_on_the_page():
    wrong = result("plain", {"penstock": [1.0]}, errors=1, examples=["stream 3: a piece is lost"])
    assert "stream 3: a piece is lost" in page("m", [wrong])
