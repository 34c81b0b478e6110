"""The page of figures is made of the data beside it, and says what they say."""

import re

import msgspec
import pytest

from bench.about import About
from bench.compare import read
from bench.document import PAGE, document, main, write
from bench.load import Report, Spread
from bench.measure import Timing
from bench.parts import Cost, Costs
from bench.results import Measured, Result, results, summary

DATA = PAGE.with_suffix("") / "result.json"
written = pytest.mark.skipif(not DATA.exists(), reason="no full run has been written")


def made():
    """Returns what a run gives that has the scenarios which goals are about."""
    ratios = {"paced": 0.5, "bulk": 1.25, "plain": 1.5}
    found = {}
    for name, ratio in ratios.items():
        spread = Spread(0.2 * ratio, 2, 3)
        costs = {"direct": 10.0, "pass-through": 40.0, "penstock": 40 * ratio}
        runs = [
            Measured(target, turn, cost, 100.0, 1.0, Report(late_ms=spread, first_ms=spread), 20.0, kernel=cost)
            for turn in range(2)
            for target, cost in costs.items()
        ]
        kb = dict.fromkeys(costs, 50_000)
        found[name] = Result(name, "us/delta", runs, kb, kb, number="S1", words=f"words of {name}; load")
    peaks = dict.fromkeys(("penstock-bare", "penstock+log"), 60_000)
    both = [run(turn, name) for turn in range(2) for name in ("penstock-bare", "penstock+log")]
    found["stages"] = Result("stages", "ms/request", both, peaks, base="penstock-bare", number="S8", words="words")
    found["open"] = msgspec.structs.replace(found["paced"], scenario="open")
    about = About("a machine", {"aiohttp": "3"}, "2026-01-02", "python -m bench --docs x.md", "0123abc")
    parts = Costs("instructions", [Cost("auth", 3000), Cost("all else", 9000)])
    return {
        "about": about,
        "quick": False,
        "parts": parts,
        "micro": [Timing("reference", 1.0, 1.0, 1.0, 2000)],
        **found,
    }


def run(turn, name):
    cost, count = (0.2, 500_000.0) if name == "penstock-bare" else (0.25, 580_000.0)
    return Measured(name, turn, cost, count, 1.0, Report(), kernel=1000.0)


def row(page, words):
    return next(line for line in page.splitlines() if line.startswith(f"| {words}"))


def test_a_run_is_written_as_a_page_with_its_data_and_plots_beside_it(tmp_path):
    path = tmp_path / "speed.md"
    write(path, made())
    page = path.read_text()
    assert "[speed/result.json](speed/result.json)" in page
    assert "on 2026-01-02 at revision `0123abc`: a machine; aiohttp 3" in page
    assert ".venv/bin/python -m bench --docs x.md" in page
    assert row(page, "S2 paced streams").endswith("| 0.50 | 0.50 to 0.50 | 0.86 | <= 0.65 | yes |")
    assert row(page, "S1 unpaced").endswith("| <= 1.2 | no |")
    assert row(page, "S4 memory of one open stream").endswith("| 20 kB |  |  | <= 25 kB | yes |")
    assert row(page, "memory of a worker").endswith("| 50 MB |  |  | <= 60 MB | yes |")
    assert row(page, "S2 at 5,000 deltas/s").endswith("| 0.00 / 0.00 ms |  |  | <= 0.3 / 3 ms | yes |")
    assert row(page, "reference") == "| reference | 1.00 | 2,000 |"
    assert row(page, "auth") == "| auth | 3,000 | 25.0 % |"
    assert row(page, "`penstock-bare`") == "| `penstock-bare` |  | 200 | 501,000 |"
    assert row(page, "`penstock+log`") == "| `penstock+log` | `penstock-bare` | +50 | +80,000 |"
    assert "Words of bulk; load. 2 rounds" in page
    assert "{{" not in page
    data = read(tmp_path / "speed" / "result.json")
    assert data["paced"] == made()["paced"]
    assert data["summaries"]["paced"]["penstock"]["added_late"] == [0, 0]
    assert "words of paced" in (tmp_path / "speed" / "report.html").read_text()


@written
def test_the_page_is_what_its_data_say():
    """After the template or the data have changed: `python -m bench.document`."""
    assert PAGE.read_text("utf-8") == document(read(DATA), DATA.parent.name)


@written
def test_the_page_is_of_a_full_run_in_which_nothing_was_wrong():
    found = read(DATA)
    told = results(found)
    assert not found["quick"]
    assert {one.number for one in told.values()} == {f"S{number}" for number in range(1, 11)}
    assert [text for one in told.values() for text in one.errors()] == []
    paced = summary(told["paced"], "penstock")
    assert paced.ratio is not None
    assert f"| {paced.ratio:.2f} |" in row(PAGE.read_text("utf-8"), "S2 paced streams")


@written
def test_what_lies_beside_the_page_is_small_and_names_no_place_of_a_machine():
    for path in DATA.parent.iterdir():
        text = path.read_text("utf-8")
        assert len(text) < 500_000, path.name
        assert not re.search(r"/(?:home|Users|tmp)/", text), path.name


def test_the_page_is_written_anew_from_its_data(tmp_path):
    path = tmp_path / "speed.md"
    write(path, made())
    first = path.read_text()
    path.write_text("lost")
    assert main([str(path)]) == 0
    assert path.read_text() == first
