"""Ids of responses: their form, and the worker in them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

import pytest

from proxy.api.responses.ids import forget_worker, new_response_id, worker_of


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """Lets nobody else have the numbers of these tests."""
    yield
    forget_worker()


@pytest.mark.parametrize("number", [0, 1, 255, 256, 1023])
def test_an_id_names_its_worker(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_WORKER", str(number))
    forget_worker()
    ids = [new_response_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"resp_[0-9a-f]{48}", id) for id in ids)
    assert {worker_of(id) for id in ids} == {number}


def test_later_ids_stand_behind_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a store's index grows at its end."""
    moments = iter([1_795_000_000.25 + at / 8 for at in range(300)])
    monkeypatch.setattr(time, "time", lambda: next(moments))
    ids = [new_response_id() for _ in range(300)]
    assert ids == sorted(ids)
    assert all(id.startswith(f"resp_{1_795_000_000 + int(0.25 + at / 8):08x}") for at, id in enumerate(ids))


def test_ids_of_one_moment_have_nothing_in_common_but_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_795_000_000.25)
    ids = [new_response_id() for _ in range(1000)]
    assert len({id[:15] for id in ids}) == 1
    assert len({id[15:29] for id in ids}) == len({id[33:] for id in ids}) == 1000


def test_a_process_without_a_number_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_WORKER", raising=False)
    forget_worker()
    assert worker_of(new_response_id()) == 0


def test_a_forked_process_makes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_795_000_000.25)
    new_response_id()  # what was drawn beforehand is there in both
    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, " ".join(new_response_id() for _ in range(5)).encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(hear, "rb") as said:
        theirs = said.read().decode().split()
    os.waitpid(child, 0)
    assert len(theirs) == 5
    assert not {*theirs} & {new_response_id() for _ in range(5)}


@pytest.mark.parametrize("id", ["", "resp_", "resp_xyz", "msg_" + "0" * 48, "resp_" + "0" * 47, "resp_" + "A" * 48])
def test_foreign_ids_name_no_worker(id: str) -> None:
    assert worker_of(id) is None
