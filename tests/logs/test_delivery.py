"""Rows leave the queue when they were delivered: not before, not twice, whatever fails in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.config.types import Duration, Size
from proxy.logs import delivery as module
from proxy.logs.config import DeliveryConfig
from proxy.logs.delivery import Delivery, DeliveryFailed


class Other:
    """The other side: takes batches by name, fails or hangs when told so, and may lose its answers."""

    where = "s3://there"

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.failing: Exception | None = None
        self.forgets_to_answer = False
        self.hanging: asyncio.Event | None = None
        self.tries = 0

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, name: str, body: bytes) -> None:
        self.tries += 1
        if self.hanging is not None:
            await self.hanging.wait()
        if self.failing is not None:
            raise self.failing
        assert self.taken.get(name, body) == body, "another batch under the same name"
        self.taken[name] = body
        if self.forgets_to_answer:
            self.forgets_to_answer = False
            raise DeliveryFailed("the connection was lost")

    @property
    def rows(self) -> list[int]:
        return [int(line) for body in self.taken.values() for line in body.split()]


def config(**changed: Any) -> DeliveryConfig:
    usual = {"every": Duration(0.01), "retry": Duration(0.01), "flush": Duration(10), "timeout": Duration(20)}
    return DeliveryConfig(**{**usual, **changed})


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


def put(delivery: Delivery, *numbers: int) -> None:
    for number in numbers:
        delivery.put(b"%d\n" % number)


def everything(path: Path) -> list[Path]:
    return list(path.rglob("*"))


def spilled(path: Path) -> list[Path]:
    return [each for each in path.rglob("*") if each.is_file() and each.name != ".lock"]


async def test_rows_go_out_in_batches(tmp_path: Path) -> None:
    other = Other()
    delivery = Delivery(other, config(rows=10, every=Duration(3600)), tmp_path / "spill")
    await delivery.start()
    put(delivery, *range(25))
    await until(lambda: len(other.taken) == 3)
    put(delivery, *range(25, 30))
    await delivery.close()
    assert [len(body.split()) for body in other.taken.values()] == [10, 10, 5, 5]
    assert (other.rows, delivery.delivered, delivery.lost, delivery.waiting_bytes) == (list(range(30)), 30, 0, 0)
    assert list(other.taken) == sorted(other.taken)
    assert everything(tmp_path / "spill") == []


async def test_a_row_waits_for_others_no_longer_than_it_should() -> None:
    other = Other()
    delivery = Delivery(other, config(), None)
    await delivery.start()
    put(delivery, 1)
    await until(lambda: other.rows == [1])
    await delivery.close()


async def test_bytes_bound_a_batch() -> None:
    other = Other()
    delivery = Delivery(other, config(bytes=Size(20), every=Duration(3600)), None)
    await delivery.start()
    put(delivery, *range(1000, 1009))  # five bytes each
    await delivery.close()
    assert [len(body) for body in other.taken.values()] == [20, 20, 5]


async def test_nothing_is_lost_or_twice_over_an_outage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.001)
    other = Other()
    delivery = Delivery(other, config(), tmp_path)
    await delivery.start()
    other.forgets_to_answer = True
    put(delivery, 0, 1)
    await until(lambda: delivery.delivered == 2)
    other.failing = DeliveryFailed("it answered 503, and key sk-planted0123456789")
    put(delivery, 2, 3)
    await until(lambda: spilled(tmp_path))
    assert delivery.waiting_bytes == 0
    put(delivery, 4)
    await until(lambda: other.tries > 8)
    other.failing = None
    put(delivery, 5)
    await until(lambda: delivery.delivered == 6)
    await delivery.close()
    assert sorted(other.rows) == [0, 1, 2, 3, 4, 5]
    assert spilled(tmp_path) == []
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert sum("cannot deliver rows to s3://there: it answered 503" in message for message in told) == 1
    assert "planted" not in caplog.text
    assert told[-1] == "delivering to s3://there again; 0 rows were lost"


async def test_what_is_left_at_the_end_is_delivered_by_the_next_start(tmp_path: Path) -> None:
    other = Other()
    other.hanging = asyncio.Event()  # it never answers
    delivery = Delivery(other, config(flush=Duration(0.01)), tmp_path)
    await delivery.start()
    put(delivery, 1, 2)
    await until(lambda: other.tries)
    put(delivery, 3)
    await delivery.close()
    assert (delivery.lost, other.taken) == (0, {})
    other.hanging = None
    later = Delivery(other, config(), tmp_path)
    await later.start()
    await until(lambda: later.delivered == 3)
    await later.close()
    assert sorted(other.rows) == [1, 2, 3]
    assert everything(tmp_path) == []


async def test_what_another_one_leaves_is_found_by_one_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.logs.delivery._LOOK_S", 0.01)
    gone, other = Other(), Other()
    gone.failing = DeliveryFailed("away")
    before, after = Delivery(gone, config(flush=Duration(0.01)), tmp_path), Delivery(other, config(), tmp_path)
    await before.start()
    await after.start()  # as where a configuration takes the place of another
    put(before, 1, 2)
    await before.close()
    await until(lambda: after.delivered == 2)
    await after.close()
    assert sorted(other.rows) == [1, 2]
    assert everything(tmp_path) == []


async def test_memory_is_bounded_and_the_disk_takes_what_is_over(tmp_path: Path) -> None:
    other = Other()
    other.hanging = asyncio.Event()
    delivery = Delivery(other, config(rows=10, queue=Size(100), flush=Duration(0.01)), tmp_path)
    await delivery.start()
    for number in range(1000, 1200):  # a thousand bytes, ten times as many
        put(delivery, number)
        if number % 10 == 0:
            await until(lambda: delivery.waiting_bytes <= 100)
    other.hanging.set()
    await until(lambda: delivery.delivered == 200)
    await delivery.close()
    assert (sorted(other.rows), delivery.lost) == (list(range(1000, 1200)), 0)


@pytest.mark.parametrize("spill", [None, Size(30)])
async def test_what_fits_nowhere_is_dropped_and_counted(
    tmp_path: Path, spill: Size | None, caplog: pytest.LogCaptureFixture
) -> None:
    other = Other()
    other.failing = DeliveryFailed("away")
    settings = config(rows=5, queue=Size(50), spill_size=spill or Size(0), flush=Duration(0.01))
    delivery = Delivery(other, settings, None if spill is None else tmp_path)
    await delivery.start()
    put(delivery, *range(1000, 1100))
    assert 0 < delivery.lost < 100
    assert delivery.waiting_bytes <= 100
    assert "rows for s3://there are being lost" in caplog.text
    await delivery.close()
    kept = sum(len(each.read_bytes().split()) for each in spilled(tmp_path))
    assert (kept == 0) == (spill is None)
    assert delivery.lost + kept == 100


async def test_what_is_refused_for_good_is_not_sent_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    other = Other()
    other.failing = DeliveryFailed("it answered 400", refused=True)
    delivery = Delivery(other, config(), None)
    await delivery.start()
    put(delivery, 1)
    await until(lambda: delivery.lost == 1)
    other.failing = None
    put(delivery, 2)
    await delivery.close()
    assert (other.rows, delivery.waiting_bytes) == ([2], 0)
    assert "s3://there refuses 1 rows: it answered 400" in caplog.text


async def test_a_side_that_hangs_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    other = Other()
    other.hanging = asyncio.Event()
    delivery = Delivery(other, config(timeout=Duration(0.02)), None)
    await delivery.start()
    put(delivery, 1)
    await until(lambda: other.tries > 1)
    other.hanging.set()
    await until(lambda: delivery.delivered == 1)
    await delivery.close()
    assert "no answer within 0.02 s" in caplog.text


async def test_a_bug_in_the_way_there_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    other = Other()
    other.failing = KeyError("oops")
    delivery = Delivery(other, config(), None)
    await delivery.start()
    put(delivery, 1)
    await until(lambda: other.tries)
    other.failing = None
    await delivery.close()
    assert other.rows == [1]
    assert "KeyError: 'oops'" in caplog.text


async def test_rows_that_cannot_be_packed_do_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def pack(rows: Sequence[bytes]) -> bytes:
        if b"1\n" in rows:
            raise ValueError("odd")
        return b"".join(rows)

    other = Other()
    delivery = Delivery(other, config(rows=1), None, pack)
    await delivery.start()
    put(delivery, 0, 1, 2)
    await delivery.close()
    assert (other.rows, delivery.lost, delivery.waiting_bytes) == ([0, 2], 1, 0)
    assert "1 rows for s3://there cannot be packed" in caplog.text
