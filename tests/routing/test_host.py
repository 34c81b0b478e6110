"""What workers of one host know of each other's deployments."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.routing.health import Board
from proxy.routing.host import Host
from proxy.routing.stage import RoutingStage
from tests.support.routes import Clock, refused


def boards(directory: Path, count: int = 2) -> tuple[Clock, list[Board]]:
    """Returns a clock, and the boards of so many workers."""
    clock, made = Clock(), []
    for number in range(count):
        board = Board(clock=clock)
        board.host = Host(directory, number)
        made.append(board)
    return clock, made


def test_requests_in_flight_are_counted_over_all_workers(tmp_path: Path) -> None:
    _, (one, other) = boards(tmp_path)
    for board, times in ((one, 2), (other, 3)):
        for _ in range(times):
            board.begin(board.of("a/x"))
    assert (one.of("a/x").busy, other.of("a/x").busy, other.of("a/x").in_flight) == (5, 5, 3)
    other.leave(other.of("a/x"))
    assert one.of("a/x").busy == 4
    assert one.of("b/x").busy == 0


def test_a_deployment_cools_down_in_all_workers_and_each_tries_it_again(tmp_path: Path) -> None:
    clock, (one, other) = boards(tmp_path)
    one.begin(one.of("a/x"))
    one.failed(one.of("a/x"), refused(429, retry_after_s=30.0), alone=False)
    seen = other.of("a/x")
    assert not seen.is_ready(clock())
    assert [(each.state, each.because) for each in other.standings()] == [("cooling", "rate_limit")]
    clock.now += 30
    assert seen.is_ready(clock())
    other.begin(seen)
    assert not seen.is_ready(clock())
    other.succeeded(seen, None, streamed=False)
    assert seen.is_ready(clock())
    assert one.of("a/x").is_ready(clock())


def test_what_a_dead_worker_had_in_flight_is_gone_when_it_comes_again(tmp_path: Path) -> None:
    _, (one, other) = boards(tmp_path)
    other.begin(other.of("a/x"))
    assert one.of("a/x").busy == 1
    Host(tmp_path, 1)
    assert one.of("a/x").busy == 0


def test_two_pipelines_of_one_worker_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PEERS", str(tmp_path))
    monkeypatch.setenv("PENSTOCK_WORKER", "4")
    first, second = Board(), Board()
    first.host = Host.of_process()
    first.begin(first.of("a/x"))
    second.host = Host.of_process()
    second.begin(second.of("a/x"))
    second.begin(second.of("a/x"))
    assert (first.of("a/x").busy, second.of("a/x").busy) == (3, 3)
    first.leave(first.of("a/x"))
    assert second.of("a/x").busy == 2


def test_deployments_beyond_the_table_are_counted_by_each_worker(tmp_path: Path) -> None:
    host = Host(tmp_path, 0)
    rows = [host.row(f"a/{number}") for number in range(520)]
    assert sum(row is not None for row in rows) == 512
    assert rows[0] is not None
    rows[0].count(7)
    again = host.row("a/0")
    assert again is not None
    assert again.in_flight() == 7


async def test_a_stage_joins_the_workers_that_its_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = RoutingStage()
    await stage.start()
    assert stage.board.host is None
    monkeypatch.setenv("PENSTOCK_WORKER", "3")
    monkeypatch.setenv("PENSTOCK_PEERS", str(tmp_path))
    await stage.start()
    assert stage.board.of("a/x").host is not None
    await stage.close()
    monkeypatch.setenv("PENSTOCK_PEERS", str(tmp_path / "missing"))
    await stage.start()
    assert stage.board.host is None
    assert "each worker finds out for itself" in caplog.text
