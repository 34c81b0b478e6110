"""The client over aiohttp: what it says to a proxy, and what it makes of aiohttp's errors."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import trustme

from proxy.errors import UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnreachable
from proxy.upstream.address import Origin
from proxy.upstream.client import UpstreamRequest
from proxy.upstream.proxied import ProxiedClient
from proxy.upstream.tls import TlsSettings
from tests.support.forward_proxy import ForwardProxy
from tests.support.hostile import PATIENT, HostileUpstream, Peer, Sink, answering, fixed, post, until


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, TlsSettings]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return context, TlsSettings(ca_file=str(tmp_path / "ca.pem"))


def _secure(upstream: HostileUpstream) -> UpstreamRequest:
    return msgspec.structs.replace(post(upstream, authorization="Bearer k"), url=upstream.url("localhost"))


async def _ask(client: ProxiedClient, request: UpstreamRequest) -> bytes:
    return await (await client.send(request, PATIENT)).read(1000)


async def test_https_goes_through_a_tunnel(tls: tuple[ssl.SSLContext, TlsSettings]) -> None:
    context, settings = tls
    async with HostileUpstream(answering(fixed(b"1"), fixed(b"2")), tls=context) as upstream, ForwardProxy() as proxy:
        client = ProxiedClient(proxy=f"http://127.0.0.1:{proxy.port}", tls=settings)
        assert await _ask(client, _secure(upstream)) == b"1"
        assert await _ask(client, _secure(upstream)) == b"2"
        assert proxy.lines == [f"CONNECT localhost:{upstream.port} HTTP/1.1"]
        assert b"Bearer" not in proxy.heads[0]
        await client.close()
        assert await upstream.peers[0].was_closed()


async def test_http_goes_in_the_absolute_form() -> None:
    async with HostileUpstream(answering(fixed(b"hello"))) as upstream, ForwardProxy() as proxy:
        client = ProxiedClient(proxy=f"http://127.0.0.1:{proxy.port}")
        assert await _ask(client, post(upstream)) == b"hello"
        assert proxy.lines == [f"POST {upstream.url()} HTTP/1.1"]
        await client.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxy_wants_to_know_who_asks(tls: tuple[ssl.SSLContext, TlsSettings], scheme: str) -> None:
    context, settings = tls
    secured = context if scheme == "https" else None
    async with (
        HostileUpstream(answering(fixed(b"hello")), tls=secured) as upstream,
        ForwardProxy(user="us er", password="p:w") as proxy,
    ):
        client = ProxiedClient(proxy=f"http://us%20er:p%3Aw@127.0.0.1:{proxy.port}", tls=settings)
        assert await _ask(client, _secure(upstream)) == b"hello"
        await client.close()
        for credentials in ("", "other:secret@"):
            client = ProxiedClient(proxy=f"http://{credentials}127.0.0.1:{proxy.port}", tls=settings)
            with pytest.raises(UpstreamUnreachable, match=f"proxy 127.0.0.1:{proxy.port} answered 407") as caught:
                await _ask(client, _secure(upstream))
            assert "secret" not in str(caught.value)
            await client.close()


async def test_a_proxy_that_does_not_get_through(tls: tuple[ssl.SSLContext, TlsSettings]) -> None:
    async with ForwardProxy(answer=b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n") as proxy:
        client = ProxiedClient(proxy=f"http://127.0.0.1:{proxy.port}", tls=tls[1])
        request = UpstreamRequest(method="POST", url="https://localhost:1/", headers={})
        with pytest.raises(UpstreamUnreachable, match=r"upstream localhost:1 cannot be reached: proxy .* answered 503"):
            await _ask(client, request)
        await client.close()


async def test_a_proxy_that_is_not_there() -> None:
    async with ForwardProxy() as proxy:
        pass
    client = ProxiedClient(proxy=f"http://user:secret@127.0.0.1:{proxy.port}")
    request = UpstreamRequest(method="POST", url="http://localhost:1/", headers={})
    expected = f"proxy 127.0.0.1:{proxy.port} cannot be reached: connection refused"
    with pytest.raises(UpstreamUnreachable, match=expected):
        await _ask(client, request)
    await client.close()


@pytest.mark.parametrize(
    "proxy", ["", "127.0.0.1:3128", "https://secret@a:1", "socks5://a:1", "http://", "http://a:port", "http://a:0"]
)
def test_a_proxy_that_cannot_be_used(proxy: str) -> None:
    with pytest.raises(ValueError, match="proxy: must be http://") as caught:
        ProxiedClient(proxy=proxy)
    assert "secret" not in str(caught.value)


async def test_a_certificate_nobody_knows(tls: tuple[ssl.SSLContext, TlsSettings]) -> None:
    async with HostileUpstream(answering(), tls=tls[0]) as upstream, ForwardProxy() as proxy:
        for address in (None, f"http://127.0.0.1:{proxy.port}"):
            client = ProxiedClient(proxy=address)
            with pytest.raises(UpstreamUnreachable, match="certificate verify failed"):
                await _ask(client, _secure(upstream))
            await client.close()


@pytest.mark.parametrize("proxied", [True, False])
async def test_connecting_has_a_limit(tls: tuple[ssl.SSLContext, TlsSettings], proxied: bool) -> None:
    async with HostileUpstream(Peer.stall) as upstream:
        client = ProxiedClient(proxy=f"http://127.0.0.1:{upstream.port}" if proxied else None, tls=tls[1])
        request = UpstreamRequest(method="POST", url=f"https://127.0.0.1:{upstream.port}/", headers={})
        with pytest.raises(UpstreamTimeout) as caught:
            await client.send(request, msgspec.structs.replace(PATIENT, connect=0.1))
        assert caught.value.phase == "connect"
        assert await upstream.peers[0].was_closed()
        await client.close()


async def test_cancelled_while_connecting(tls: tuple[ssl.SSLContext, TlsSettings]) -> None:
    async with HostileUpstream(Peer.stall) as upstream:
        client = ProxiedClient(tls=tls[1])
        request = UpstreamRequest(method="POST", url=f"https://127.0.0.1:{upstream.port}/", headers={})
        task = asyncio.create_task(client.send(request, PATIENT))
        peer = await upstream.peer()
        await until(lambda: peer.received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await peer.was_closed()
        assert client.counts.open == 0
        await client.close()


async def test_a_kept_connection_that_dies_without_a_byte_is_replaced_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await upstream.peer(2)  # so there are three of them
        await peer.send(fixed(b"fine"))
        await peer.request()
        peer.close()  # every kept connection dies at its second request

    async with HostileUpstream(script) as upstream:
        client = ProxiedClient()
        assert await asyncio.gather(*(_ask(client, post(upstream)) for _ in range(3))) == [b"fine"] * 3
        assert await _ask(client, post(upstream)) == b"fine"
        assert len(upstream.peers) == 4
        await client.close()


async def test_a_new_connection_that_dies_is_not_replaced() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.close()

    async with HostileUpstream(script) as upstream:
        client = ProxiedClient()
        with pytest.raises(UpstreamCut) as caught:
            await _ask(client, post(upstream))
        assert caught.value.before_bytes
        assert len(upstream.peers) == 1
        await client.close()


async def test_an_early_answer_to_a_huge_upload() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.stop_reading()
        await peer.send(fixed(b"too large", status=413))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        client = ProxiedClient()
        response = await client.send(post(upstream, bytes(30_000_000)), PATIENT)
        assert (response.status, await response.read(100)) == (413, b"too large")
        upstream.peers[0].transport.resume_reading()
        assert await upstream.peers[0].was_closed()
        await client.close()


ERRORS: list[tuple[Any, type[UpstreamError], bool | None]] = [
    (aiohttp.ServerDisconnectedError(), UpstreamCut, True),
    (aiohttp.ServerDisconnectedError(message=object()), UpstreamCut, False),  # type: ignore[arg-type]
    (aiohttp.ClientConnectionResetError("Cannot write to closing transport"), UpstreamCut, True),
    (aiohttp.ClientOSError(104, "reset, of http://a/v1?key=secret"), UpstreamCut, False),
    (aiohttp.ClientResponseError(None, (), message="400, message:\n  Bad"), UpstreamGarbled, None),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("error", "kind", "before_bytes"), ERRORS)
def test_errors_are_mapped(error: Any, kind: type[UpstreamError], before_bytes: bool | None) -> None:
    mapped = ProxiedClient()._mapped(error, Origin("http", "a", 80))
    assert type(mapped) is kind
    assert "a:80" in str(mapped)
    assert "secret" not in str(mapped)
    assert getattr(mapped, "before_bytes", None) is before_bytes


async def test_the_counts() -> None:
    async with HostileUpstream(answering(b"HTTP/1.1 200 OK\r\n\r\nx")) as upstream:
        client = ProxiedClient()
        sink = Sink(await client.send(post(upstream), PATIENT)).start()
        await sink.first()
        assert (client.counts.open, client.counts.waiting) == (1, 0)
        sink.response.close()
        sink.response.close()
        assert client.counts.open == 0
        await client.close()
