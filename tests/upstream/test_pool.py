"""The client: connections used again, asked twice only when that is safe, shared out in order."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from proxy.errors import (
    InternalError,
    UpstreamCut,
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.upstream.client import UpstreamRequest
from proxy.upstream.origin_pool import PoolLimits
from proxy.upstream.pool import Http1Client, PoolCounts
from proxy.upstream.tls import TlsSettings
from tests.support.hostile import PATIENT, HostileUpstream, Peer, Sink, answering, closing, fixed, post, until

HANGING = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"


async def _ask(client: Http1Client, upstream: HostileUpstream) -> bytes:
    return await (await client.send(post(upstream), PATIENT)).read(100)


async def test_a_connection_is_used_again(client: Http1Client) -> None:
    async with HostileUpstream(answering(fixed(b"1"), fixed(b"2"), fixed(b"3"))) as upstream:
        assert [await _ask(client, upstream) for _ in range(3)] == [b"1", b"2", b"3"]
        assert len(upstream.peers) == 1
        assert client.counts == PoolCounts(open=1, idle=1, waiting=0)


@pytest.mark.parametrize("answer", [fixed(b"x", headers="connection: close\r\n"), b"HTTP/1.0 200 OK\r\n\r\nx"])
async def test_a_connection_that_may_not_be_used_again(client: Http1Client, answer: bytes) -> None:
    async with HostileUpstream(closing(answer)) as upstream:
        assert [await _ask(client, upstream) for _ in range(2)] == [b"x", b"x"]
        assert len(upstream.peers) == 2
        assert client.counts.open == 0


async def test_a_connection_closed_while_idle_is_noticed(client: Http1Client) -> None:
    async with HostileUpstream(closing(fixed(b"x"))) as upstream:
        assert await _ask(client, upstream) == b"x"
        await until(lambda: client.counts.open == 0)
        assert await _ask(client, upstream) == b"x"
        assert [len(peer.received) for peer in upstream.peers] == [0, 0]


async def test_the_upstream_says_how_long_it_keeps_a_connection(client: Http1Client) -> None:
    raw = fixed(b"x", headers="keep-alive: timeout=1, max=100\r\n")
    async with HostileUpstream(answering(raw)) as upstream:
        await _ask(client, upstream)
        assert client.counts.open == 0
        assert await upstream.peers[0].was_closed()


def _dying(after: bytes, *, manner: str) -> HostileUpstream:
    """Its first connection serves one request and dies at the second, having said `after`; the next ones serve."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer is not upstream.peers[0]:
            await peer.send(fixed(b"second"))
            await peer.stall()
        await peer.send(fixed(b"first"))
        await peer.request()
        if after:
            await peer.send(after)
        getattr(peer, manner)()

    upstream = HostileUpstream(script)
    return upstream


@pytest.mark.parametrize("manner", ["close", "reset"])
async def test_a_kept_connection_that_dies_without_a_byte_is_replaced_once(client: Http1Client, manner: str) -> None:
    async with _dying(b"", manner=manner) as upstream:
        assert await _ask(client, upstream) == b"first"
        assert await _ask(client, upstream) == b"second"
        assert len(upstream.peers) == 2
        assert client.counts.open == 1


async def test_also_when_it_dies_during_a_large_upload(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        if peer is upstream.peers[0]:
            await peer.request()
            await peer.send(fixed(b"first"))
            await peer.head()
            peer.reset()
        else:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            await peer.send(fixed(str(len(body)).encode()))
            await peer.stall()

    async with HostileUpstream(script) as upstream:
        assert await _ask(client, upstream) == b"first"
        response = await client.send(post(upstream, bytes(10_000_000)), PATIENT)
        assert await response.read(100) == b"10000000"


@pytest.mark.parametrize("after", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_one_byte_of_an_answer_is_enough_not_to_ask_twice(client: Http1Client, after: bytes) -> None:
    async with _dying(after, manner="close") as upstream:
        assert await _ask(client, upstream) == b"first"
        with pytest.raises(UpstreamCut) as caught:
            await _ask(client, upstream)
        assert not caught.value.before_bytes
        assert len(upstream.peers) == 1


async def test_garbage_is_no_reason_to_ask_twice(client: Http1Client) -> None:
    async with _dying(b"garbage\r\n\r\n", manner="close") as upstream:
        assert await _ask(client, upstream) == b"first"
        with pytest.raises(UpstreamGarbled):
            await _ask(client, upstream)
        assert len(upstream.peers) == 1


async def test_a_new_connection_that_dies_is_not_replaced(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer is upstream.peers[0]:
            await peer.send(fixed(b"first"))
            await peer.request()
        peer.close()

    async with HostileUpstream(script) as upstream:
        assert await _ask(client, upstream) == b"first"
        with pytest.raises(UpstreamCut, match="without an answer") as caught:
            await _ask(client, upstream)
        assert caught.value.before_bytes
        assert len(upstream.peers) == 2


async def test_the_second_time_is_never_on_another_kept_connection(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await upstream.peer(2)  # so there are three of them
        await peer.send(fixed(b"fine"))
        await peer.request()
        peer.close()  # every kept connection dies at its second request

    async with HostileUpstream(script) as upstream:
        assert await asyncio.gather(*(_ask(client, upstream) for _ in range(3))) == [b"fine"] * 3
        assert client.counts.idle == 3
        assert await _ask(client, upstream) == b"fine"
        assert len(upstream.peers) == 4


async def _hold(client: Http1Client, upstream: HostileUpstream) -> Sink:
    sink = Sink(await client.send(post(upstream), PATIENT)).start()
    await sink.first()
    return sink


async def test_no_more_connections_than_wanted() -> None:
    client = Http1Client(limits=PoolLimits(max_connections=2))
    async with HostileUpstream(answering(HANGING)) as upstream:
        held = [await _hold(client, upstream) for _ in range(2)]
        waiting = [asyncio.create_task(client.send(post(upstream), PATIENT)) for _ in range(3)]
        await until(lambda: client.counts == PoolCounts(open=2, idle=0, waiting=3))
        held[0].response.close()
        first = await waiting[0]
        assert not any(task.done() for task in waiting[1:])
        assert len(upstream.peers) == 3
        waiting[1].cancel()
        first.close()
        (await waiting[2]).close()
        held[1].response.close()
        assert client.counts == PoolCounts(open=0, idle=0, waiting=0)
    await client.close()


async def test_waiting_in_line_has_a_limit_of_its_own() -> None:
    client = Http1Client(limits=PoolLimits(max_connections=1))
    async with HostileUpstream(answering(HANGING)) as upstream:
        await _hold(client, upstream)
        with pytest.raises(UpstreamTimeout, match=r"became free within 0\.05 s") as caught:
            await client.send(post(upstream), msgspec.structs.replace(PATIENT, pool=0.05))
        assert caught.value.phase == "pool"
        with pytest.raises(UpstreamTimeout) as caught:
            await client.send(post(upstream), msgspec.structs.replace(PATIENT, total=0.05))
        assert caught.value.phase == "total"
        assert client.counts == PoolCounts(open=1, idle=0, waiting=0)
        await client.close()


async def test_a_failed_connection_attempt_gives_its_slot_back() -> None:
    client = Http1Client(limits=PoolLimits(max_connections=1))
    async with HostileUpstream(answering(fixed(b"x"))) as upstream:
        request = post(upstream)
    for _ in range(3):
        with pytest.raises(UpstreamUnreachable):
            await client.send(request, PATIENT)
    assert client.counts == PoolCounts(open=0, idle=0, waiting=0)
    await client.close()


async def test_origins_do_not_wait_for_each_other() -> None:
    client = Http1Client(limits=PoolLimits(max_connections=1))
    async with HostileUpstream(answering(HANGING)) as one, HostileUpstream(answering(fixed(b"x"))) as two:
        await _hold(client, one)
        assert await _ask(client, two) == b"x"
        assert client.counts == PoolCounts(open=2, idle=1, waiting=0)
        await client.close()


async def test_closing_the_client_ends_what_is_under_way() -> None:
    client = Http1Client(limits=PoolLimits(max_connections=2))

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer is upstream.peers[0]:
            await peer.send(HANGING)
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        streaming = await _hold(client, upstream)
        asked = asyncio.create_task(client.send(post(upstream), PATIENT))
        await upstream.peer(1)
        waiting = asyncio.create_task(client.send(post(upstream), PATIENT))
        await until(lambda: client.counts.waiting == 1)
        await client.close()
        with pytest.raises(UpstreamCut, match="closed by Penstock"):
            await streaming.finish()
        for task in (asked, waiting):
            with pytest.raises(UpstreamError):
                await task
        assert [await peer.was_closed() for peer in upstream.peers] == [True, True]
        with pytest.raises(UpstreamUnreachable, match="not in use any more"):
            await client.send(post(upstream), PATIENT)
        assert client.counts == PoolCounts(open=0, idle=0, waiting=0)


async def test_a_request_that_is_no_http(client: Http1Client) -> None:
    with pytest.raises(InternalError, match="line break"):
        await client.send(UpstreamRequest(method="POST", url="http://127.0.0.1:1/", headers={"a": "b\n"}), PATIENT)
    with pytest.raises(InternalError, match="must begin with http"):
        await client.send(UpstreamRequest(method="POST", url="unix:/x", headers={}), PATIENT)


def test_bad_tls_settings_are_found_before_any_request() -> None:
    with pytest.raises(ValueError, match="ca_file"):
        Http1Client(tls=TlsSettings(ca_file="/nowhere.pem"))


async def test_the_number_of_origins_is_bounded(client: Http1Client) -> None:
    for port in range(1, 200):
        request = UpstreamRequest(method="GET", url=f"http://127.0.0.{port}:1/", headers={})
        with pytest.raises(UpstreamUnreachable):
            await client.send(request, PATIENT)
    assert len(client._pools) <= 64
