"""Ids of responses: their form, and the worker in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from proxy.api.responses.ids import new_response_id, this_worker, worker_of


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """Lets nobody else have the numbers of these tests."""
    yield
    this_worker.cache_clear()


@pytest.mark.parametrize("number", [0, 1, 255, 256, 1023])
def test_an_id_names_its_worker(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_WORKER", str(number))
    this_worker.cache_clear()
    ids = [new_response_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"resp_[0-9a-f]{48}", id) for id in ids)
    assert {worker_of(id) for id in ids} == {number}
    assert len({id[:9] for id in ids}) > 40  # the number does not show


def test_a_process_without_a_number_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_WORKER", raising=False)
    this_worker.cache_clear()
    assert worker_of(new_response_id()) == 0


@pytest.mark.parametrize("id", ["", "resp_", "resp_xyz", "msg_" + "0" * 48, "resp_" + "0" * 47, "resp_" + "A" * 48])
def test_foreign_ids_name_no_worker(id: str) -> None:
    assert worker_of(id) is None
