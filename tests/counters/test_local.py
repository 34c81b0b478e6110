"""Counters of one process: bounded memory, and the same object for every pipeline of the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.counters import Limits, LocalCounters, SharedCounters, process_counters


async def test_the_number_of_subjects_is_bounded() -> None:
    counters = LocalCounters(lambda: 1000.0, most=10)
    limits = Limits(requests=1, parallel=1)
    running = await counters.take("running", limits)
    for number in range(100):
        await counters.release(await counters.take(f"subject {number}", limits))
    assert len(counters._subjects) == 10
    assert (await counters.take("running", limits)).refused_by is not None, "a subject with a running request was lost"
    await counters.release(running)


async def test_when_all_are_running_the_oldest_is_forgotten() -> None:
    counters = LocalCounters(lambda: 1000.0, most=3)
    limits = Limits(parallel=1)
    grants = [await counters.take(str(number), limits) for number in range(5)]
    assert len(counters._subjects) == 3
    for grant in grants:
        await counters.release(grant)
    assert (await counters.take("4", limits)).refused_by is None


def test_a_process_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("proxy.counters._of_process", {})
    monkeypatch.delenv("PENSTOCK_COUNTERS", raising=False)
    assert isinstance(process_counters(), LocalCounters)
    assert process_counters() is process_counters()
    monkeypatch.setattr("proxy.counters._of_process", {1: LocalCounters()})  # inherited from another process by a fork
    monkeypatch.setenv("PENSTOCK_COUNTERS", str(tmp_path / "counters"))
    monkeypatch.setenv("PENSTOCK_WORKER", "3")
    shared = process_counters()
    assert isinstance(shared, SharedCounters)
    shared.close()
