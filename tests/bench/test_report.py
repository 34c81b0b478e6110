import re

from bench.endtoend import Measured, Result
from bench.load import Report, histogram
from bench.report import page


def result(name, costs, **more):
    runs = [
        Measured(target, turn, cost, cost * 1000, 0.0, Report(answers=1, pieces=10, **more), 20.0 if turn else None)
        for target, all_costs in costs.items()
        for turn, cost in enumerate(all_costs)
    ]
    return Result(name, "us/delta", runs, dict.fromkeys(costs, 64_000))


def test_the_page_shows_each_scenario_and_needs_nothing_from_elsewhere():
    late = histogram([0.1 * step for step in range(1, 400)])
    costs = {"pass-through": [40.0, 42.0], "penstock": [30.0, 28.0]}
    told = [(f"words of {name}", result(name, costs, late_histogram=late)) for name in ("paced", "paced-200")]
    html = page("a machine & its <load>", told, ["pass-through", "penstock"])
    assert "a machine &amp; its &lt;load&gt;" in html
    for words in ("words of paced", "kB a stream", "us/delta", "later than the upstream meant", "over the rate"):
        assert words in html
    assert not re.findall(r'(?:src|href)="|https?://', html)


def test_what_was_wrong_stands_on_the_page():
    wrong = result("plain", {"penstock": [1.0]}, errors=1, examples=["stream 3: a piece is lost"])
    assert "stream 3: a piece is lost" in page("m", [("w", wrong)], ["penstock"])
