"""What is counted of exchanges that have ended."""

from __future__ import annotations

from pathlib import Path

from proxy.counters import Limit
from proxy.errors import RateLimited
from proxy.events import Usage
from proxy.exchange import Key
from proxy.limiting.rules import Rule
from proxy.limiting.stage import REFUSED_BY
from proxy.metrics.cells import Cells
from proxy.metrics.exposition import exposition
from proxy.metrics.measure import Measure
from proxy.metrics.recorder import Recorder
from tests.support.books import ended, numbers


def test_everything_of_an_exchange_is_counted_once() -> None:
    cells = Cells(None, 0)
    recorder = Recorder(cells, ("key", "team"))
    used = [Usage(100, 10, cached_tokens=40, reasoning_tokens=4), Usage(100, 30, estimated=True)]
    one = ended("completed", *used, cost="0.000000123", key=Key("alice", owner="ann", team="search"), stream=True)
    one.attempts[0].error = "server_error"
    one.timing.first_event = one.timing.started + 0.03
    one.timing.upstream_sent = one.timing.started + 0.0015
    one.times = {"route": 0.25}
    one.kept = True
    one.marks["guardrail"] = [{"rule": "cards", "action": "masked", "where": "output", "kind": "card"}]
    assert recorder.began(one)
    assert numbers(exposition(cells))["penstock_open_streams"] == 1
    recorder.ended(one, streamed=True)
    recorder.take_times()
    told = numbers(exposition(cells))
    pair = 'model="m",upstream="e"'
    expected = {
        "penstock_open_requests": 0,
        "penstock_open_streams": 0,
        'penstock_requests_total{dialect="responses",model="m",outcome="completed",upstream="e"}': 1,
        'penstock_attempts_total{error="server_error",upstream="e"}': 1,
        'penstock_attempts_total{error="none",upstream="e"}': 1,
        f'penstock_tokens_total{{kind="input",{pair}}}': 200,
        f'penstock_tokens_total{{kind="cached",{pair}}}': 40,
        f'penstock_tokens_total{{kind="output",{pair}}}': 40,
        f'penstock_tokens_total{{kind="reasoning",{pair}}}': 4,
        f"penstock_estimated_usage_total{{{pair}}}": 1,
        f"penstock_cost_dollars_total{{{pair}}}": 123e-9,
        f'penstock_time_to_first_token_seconds_bucket{{le="0.025",{pair}}}': 0,
        f'penstock_time_to_first_token_seconds_bucket{{le="0.05",{pair}}}': 1,
        f"penstock_request_duration_seconds_sum{{{pair}}}": 0.5,
        'penstock_overhead_seconds_bucket{le="0.001"}': 0,
        'penstock_overhead_seconds_bucket{le="0.002"}': 1,
        'penstock_stage_seconds_sum{stage="route"}': 0.25,
        'penstock_responses_kept_total{kept="yes"}': 1,
        'penstock_guardrail_actions_total{action="masked",rule="cards",where="output"}': 1,
        'penstock_key_tokens_total{key="alice",kind="input"}': 200,
        'penstock_team_cost_dollars_total{team="search"}': 123e-9,
    }
    assert {name: told.get(name) for name in expected} == expected


def test_a_refusal_says_which_limit_it_was() -> None:
    cells = Cells(None, 0)
    recorder = Recorder(cells)
    one = ended("rejected", error=RateLimited("no", code="rate_limit_exceeded"))
    one.marks[REFUSED_BY] = Rule("budget", ("team", "model"), Limit(unit="usd", most=1, window_s=60))
    recorder.began(one)
    recorder.ended(one, streamed=False)
    told = numbers(exposition(cells))
    assert told['penstock_limit_refusals_total{limit="budget usd per team+model"}'] == 1
    assert told['penstock_errors_total{code="rate_limit_exceeded",upstream="none"}'] == 1


class Part:
    """Something that tells of itself."""


def test_what_parts_tell_is_added_up_and_goes_on_after_a_worker_has_died(tmp_path: Path) -> None:
    def dropped(value: float) -> Measure:
        return Measure("penstock_lines_dropped_total", "counter", "Lines.", value, {"stage": "log"})

    recorder = Recorder(Cells(tmp_path, 0))
    log, another, store = Part(), Part(), Part()
    recorder.take(log, [dropped(2), dropped(3), Measure("penstock_waiting", "gauge", "Waiting.", 9)])
    recorder.take(log, [dropped(4), dropped(3), Measure("penstock_waiting", "gauge", "Waiting.", 1)])
    recorder.take(store, [Measure("penstock_moved_total", "counter", "Moved.", 7)])
    next_one = Recorder(recorder._cells)  # of the pipeline that takes its place, while it still runs
    next_one.take(another, [dropped(5), Measure("penstock_waiting", "gauge", "Waiting.", 2)])
    next_one.take(store, [Measure("penstock_moved_total", "counter", "Moved.", 8)])  # a part that both have
    recorder.take(log, [dropped(4), dropped(4), Measure("penstock_waiting", "gauge", "Waiting.", 1)])
    told = numbers(exposition(recorder._cells))
    assert (told['penstock_lines_dropped_total{stage="log"}'], told["penstock_waiting"]) == (13, 3)
    recorder.leave(log)
    told = numbers(exposition(recorder._cells))
    assert (told['penstock_lines_dropped_total{stage="log"}'], told["penstock_waiting"]) == (13, 2)
    assert told["penstock_moved_total"] == 8
    successor = Cells(tmp_path, 0)
    Recorder(successor).take(Part(), [dropped(1)])
    told = numbers(exposition(successor))
    assert told['penstock_lines_dropped_total{stage="log"}'] == 14
    assert told["penstock_waiting"] == 0
