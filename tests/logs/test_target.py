"""What `to` says leads to the right place; one destination never gets what was meant for another."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.logs.config import DeliveryConfig, S3Config, WebhookConfig
from proxy.logs.target import RemoteSink, kind_of, packed, s3_sink, webhook_sink
from tests.logs.test_delivery import Other, spilled


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("stdout", "stream"),
        ("stderr", "stream"),
        ("./a.jsonl", "file"),
        ("/var/log/s3", "file"),
        ("s3://bucket/prefix", "s3"),
        ("https://host/path", "webhook"),
        ("http://host", "webhook"),
        ("https:", "file"),
    ],
)
def test_kinds(to: str, kind: str) -> None:
    assert kind_of(to) == kind


def test_each_destination_has_a_directory_of_its_own(tmp_path: Path) -> None:
    settings = DeliveryConfig()
    sinks = [
        s3_sink("s3://bucket/a", S3Config(), settings, tmp_path),
        s3_sink("s3://bucket/b", S3Config(), settings, tmp_path),
        s3_sink("s3://bucket/b", S3Config(compress=False), settings, tmp_path),
        webhook_sink("http://host/a", WebhookConfig(), settings, tmp_path),
    ]
    assert len({sink._spill for sink in sinks}) == 4
    assert sinks[0]._spill == s3_sink("s3://bucket/a", S3Config(), settings, tmp_path)._spill


async def test_what_is_compressed_is_so_in_the_spool_too(tmp_path: Path) -> None:
    other = Other()
    sink = RemoteSink(other, DeliveryConfig(flush=5), tmp_path, packed)  # type: ignore[arg-type]
    await sink.start()
    sink.put(b"1\n")
    sink.put(b"2\n")
    await sink.close()
    assert [gzip.decompress(body) for body in other.taken.values()] == [b"1\n2\n"]
    assert (sink.lost, spilled(tmp_path)) == (0, [])


async def test_a_spool_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "penstock-spill").write_text("a file")
    with pytest.raises(ConfigError, match="batches cannot be spilled there: not a directory"):
        await RemoteSink(Other(), DeliveryConfig(), tmp_path).start()
