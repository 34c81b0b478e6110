"""The bucket over real HTTP: what is there, what is not, and who may not ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from proxy.config.types import Duration
from proxy.stores.cold_bucket import Bucket, ColdForbidden, ColdUnfit
from proxy.stores.store import StoreUnavailable
from tests.support.cold import cold_config
from tests.support.s3 import SECRET_KEY, S3Server, s3_server


@pytest.fixture
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


async def test_objects_are_put_read_and_removed(server: S3Server) -> None:
    bucket = Bucket(cold_config(server, server.bucket()))
    bucket.start()
    try:
        assert await bucket.get("me", "a") is None
        await bucket.put("me", "a", b"one")
        await bucket.put("me", "a", b"two")
        assert (await bucket.get("me", "a"), await bucket.get("you", "a")) == (b"two", None)
        await bucket.remove("me", "a")
        await bucket.remove("me", "a")
        assert await bucket.get("me", "a") is None
    finally:
        await bucket.close()


async def test_a_bucket_that_is_not_there_is_no_missing_object(server: S3Server) -> None:
    bucket = Bucket(cold_config(server, "nowhere"))
    try:
        with pytest.raises(StoreUnavailable, match="s3://nowhere/penstock/kept: NoSuchBucket") as told:
            await bucket.get("me", "a")
        assert SECRET_KEY not in str(told.value)
    finally:
        await bucket.close()


async def test_who_does_not_answer_is_given_up(server: S3Server) -> None:
    held: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.read()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    config = cold_config(server, "kept", endpoint_url=f"http://127.0.0.1:{port}", timeout=Duration(0.2))
    bucket = Bucket(config)
    try:
        with pytest.raises(StoreUnavailable, match=r"gave no answer within 0\.2 s"):
            await bucket.get("me", "a")
    finally:
        await bucket.close()
        for writer in held:
            writer.close()
        listener.close()
        await listener.wait_closed()


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, ColdForbidden),
        ("InvalidAccessKeyId", 403, StoreUnavailable),
        ("RequestTimeTooSkewed", 403, StoreUnavailable),
        ("EntityTooLarge", 400, ColdUnfit),
        ("SlowDown", 503, StoreUnavailable),
        ("NoSuchBucket", 404, StoreUnavailable),
    ],
)
async def test_refusals_are_told_apart(server: S3Server, code: str, status: int, kind: type[Exception]) -> None:
    bucket = Bucket(cold_config(server, "kept"))
    answer = {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(kind, match=f"{code}: told") as raised:
        bucket._refuse(answer, "a")
    assert type(raised.value) is kind
    bucket._refuse({"Error": {"Code": "NoSuchKey"}}, "a")
