"""Rows in a bucket, over real HTTP: one object a batch, nothing lost and nothing twice over an outage."""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config.types import Duration, Secret
from proxy.errors import ConfigError
from proxy.logs import delivery as module
from proxy.logs.config import DeliveryConfig, S3Config
from proxy.logs.delivery import DeliveryFailed
from proxy.logs.s3 import S3Sender
from proxy.logs.target import RemoteSink, s3_sink
from tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def reached(s3: S3Server, **more: Any) -> S3Config:
    return S3Config(
        region=REGION,
        endpoint_url=s3.url,
        access_key_id=Secret(ACCESS_KEY),
        secret_access_key=Secret(SECRET_KEY),
        **more,
    )


def sink(s3: S3Server, to: str, directory: Path, **more: Any) -> RemoteSink:
    usual = {"every": Duration(0.01), "retry": Duration(0.05), "flush": Duration(20), "timeout": Duration(20)}
    settings = DeliveryConfig(rows=10, **{**usual, **more})
    return s3_sink(to, reached(s3), settings, directory)


def files(path: Path) -> list[Path]:
    return [each for each in path.rglob("*") if each.is_file()]


def rows(s3: S3Server, bucket: str) -> list[int]:
    return sorted(int(row) for body in s3.objects(bucket).values() for row in body.split())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def test_batches_are_objects_by_date(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    one = sink(s3, f"s3://{bucket}/team/logs/", tmp_path)
    await one.start()
    for number in range(25):
        one.put(b"%d\n" % number)
    await one.close()
    objects = await asyncio.to_thread(s3.objects, bucket)
    assert sorted(len(body.split()) for body in objects.values()) == [5, 10, 10]
    for key in objects:
        team, logs, year, month, day, name = key.split("/")
        assert (team, logs, f"{year}{month}{day}", name[-9:]) == ("team", "logs", name[:8], ".jsonl.gz")
    assert rows(s3, bucket) == list(range(25))


async def test_12_1_an_outage_loses_nothing_and_doubles_nothing(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """litellm#28907, litellm#31828: the queue was cleared before the upload had finished."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.001)
    bucket = s3.bucket()
    one = sink(s3, f"s3://{bucket}/x", tmp_path, flush=Duration(0.05))
    await one.start()
    for number in range(15):
        one.put(b"%d\n" % number)
    await until(lambda: one._delivery.delivered == 15)
    await asyncio.to_thread(s3.stop)
    for number in range(15, 40):
        one.put(b"%d\n" % number)
    await until(lambda: one._delivery._failures > 3)
    await one.close()  # and ends while it is away
    assert one.lost == 0
    later = sink(s3, f"s3://{bucket}/x", tmp_path)
    await later.start()
    later.put(b"40\n")
    await until(lambda: later._delivery._failures > 1)
    await asyncio.to_thread(s3.start)
    await until(lambda: later._delivery.delivered == 26)
    await later.close()
    assert rows(s3, bucket) == list(range(41))
    assert files(tmp_path) == []


async def test_objects_are_encrypted_and_filed_as_asked(s3: S3Server) -> None:
    bucket = s3.bucket()
    config = reached(s3, encryption="aws:kms", kms_key="planted-key-id", storage_class="STANDARD_IA", compress=False)
    sender = S3Sender(bucket, "", config, 20.0)
    await sender.start()
    await sender.send("20261122T035559Z_host_00000001_1", b"{}\n")
    await sender.close()
    key = "2026/11/22/20261122T035559Z_host_00000001_1.jsonl"
    there = await asyncio.to_thread(lambda: s3.client().get_object(Bucket=bucket, Key=key))
    assert (there["ServerSideEncryption"], there["StorageClass"]) == ("aws:kms", "STANDARD_IA")
    assert there["SSEKMSKeyId"].endswith("planted-key-id")
    assert (there["ContentType"], there["Body"].read()) == ("application/x-ndjson", b"{}\n")


async def test_what_s3_refuses_waits_for_somebody_to_mend_it(s3: S3Server) -> None:
    sender = S3Sender("not-there", "", reached(s3), 20.0)
    await sender.start()
    with pytest.raises(DeliveryFailed, match="NoSuchBucket") as failed:
        await sender.send("20261122T035559Z_host_00000001_1", gzip.compress(b"{}\n"))
    await sender.close()
    assert not failed.value.refused
    assert SECRET_KEY not in str(failed.value)


async def test_without_the_library_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore.session", None)
    with pytest.raises(ConfigError, match=r"pip install 'penstock\[aws\]'"):
        await S3Sender("b", "", S3Config(), 1.0).start()
