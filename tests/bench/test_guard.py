"""The hot path is as fast as its baseline says, and a slow change of it would be found."""

import os
import subprocess
import sys
from contextlib import closing

import pytest

from bench import guard
from bench.guard import BASELINE, compare, guarded, main, place, read, slower
from bench.measure import Operation
from bench.processes import ROOT
from bench.way import Way
from proxy.providers.chat.decoder import ChatDecoder

KNOWN = read().get(place())
here = pytest.mark.skipif(KNOWN is None, reason="there is no baseline for this Python on this processor")
TRANSLATOR = "translator, text delta"


@here
@pytest.mark.parametrize("pure", ["0", "1"])
def test_nothing_has_become_slower(pure):
    """In a process of its own: what other tests leave behind costs time too. After a change that is meant: --update."""
    environment = {**os.environ, "PENSTOCK_PURE": pure}
    command = [sys.executable, "-m", "bench.guard"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert TRANSLATOR in done.stdout


@here
@pytest.mark.parametrize("how", ["instructions", "cpu"])
def test_a_decoder_that_does_everything_twice_is_found(how, monkeypatch):
    if how == "instructions" and guard.how_counted() == "cpu":
        pytest.skip("instructions cannot be counted here")
    before = KNOWN.costs(how)
    feed = ChatDecoder.feed

    def slow(self, payloads):
        feed(ChatDecoder(), payloads)
        return feed(self, payloads)

    monkeypatch.setattr(ChatDecoder, "feed", slow)
    monkeypatch.setattr(guard, "_TRIES", 1)  # what is that slow is found at once
    with closing(Way()) as way:
        watched = [one for one in guarded(way) if one.name in (TRANSLATOR, "chat encoder, text delta")]
        assert slower(compare(watched, before, how), before) == [TRANSLATOR]


def test_what_seems_slow_is_measured_again_before_it_is_said(monkeypatch):
    given = iter([{"a": 1.5, "b": 1.0}, {"a": 1.3}, {"a": 1.1}])
    asked = []

    def measured(watched, how):
        asked.append([one.name for one in watched])
        return next(given)

    monkeypatch.setattr(guard, "measured", measured)
    watched = [Operation(name, 1, lambda: lambda: None) for name in ("a", "b")]
    assert compare(watched, {"a": 1.0, "b": 1.0}, "cpu") == {"a": 1.1, "b": 1.0}
    assert asked == [["a", "b"], ["a"], ["a"]]


def test_a_fifth_more_is_too_much_and_what_is_new_is_not_compared():
    assert slower({"a": 1.19, "b": 1.21, "new": 9.0}, {"a": 1.0, "b": 1.0}) == ["b"]


def test_a_baseline_is_written_beside_those_of_other_places_and_compared_with(tmp_path, monkeypatch, capsys):
    path = tmp_path / "baseline.json"
    path.write_text('{"Abacus 1.0 hand": {"cpu": {"bead": 1.0}}}')
    cost = 1.0
    monkeypatch.setattr(guard, "measured", lambda watched, how: {"bead": cost})
    monkeypatch.setattr(guard, "how_counted", lambda: "cpu")
    monkeypatch.setattr(guard, "guarded", lambda way: [Operation("bead", 1, lambda: lambda: None)])
    assert main(["--baseline", str(path)]) == 0
    assert "no baseline" in capsys.readouterr().err
    assert main(["--baseline", str(path), "--update"]) == 0
    assert read(path)["Abacus 1.0 hand"].cpu == {"bead": 1.0}
    assert main(["--baseline", str(path)]) == 0
    cost = 1.5
    assert main(["--baseline", str(path)]) == 1
    assert "SLOWER" in capsys.readouterr().out


def test_the_baseline_knows_the_operations_of_today():
    with closing(Way()) as way:
        names = {one.name for one in guarded(way)}
    for baseline in read(BASELINE).values():
        for costs in filter(None, (baseline.instructions, baseline.cpu)):
            assert len(names & set(costs)) > 0.8 * len(names)
