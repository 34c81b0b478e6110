"""Connections made, and why they could not be made: names, addresses, TLS, time."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from proxy.errors import UpstreamTimeout, UpstreamUnreachable
from proxy.upstream import connect as connecting
from proxy.upstream.address import Origin
from proxy.upstream.client import UpstreamRequest
from proxy.upstream.connect import cause_of, connect
from proxy.upstream.pool import Http1Client
from proxy.upstream.proxied import ProxiedClient
from proxy.upstream.tls import TlsSettings, make_context
from tests.support.hostile import PATIENT, HostileUpstream, Peer, Sink, answering, fixed, open_files, post, until


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def other_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def _server(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def _ask(upstream: HostileUpstream, tls: TlsSettings | None, host: str = "localhost") -> bytes:
    client = Http1Client(tls=tls)
    try:
        request = msgspec.structs.replace(post(upstream), url=upstream.url(host))
        return await (await client.send(request, PATIENT)).read(1000)
    finally:
        await client.close()


async def test_tls_that_is_as_it_should_be(authority: trustme.CA, ca_file: str) -> None:
    async with HostileUpstream(answering(fixed(b"hello")), tls=_server(authority, "localhost")) as upstream:
        assert await _ask(upstream, TlsSettings(ca_file=ca_file)) == b"hello"
        tls = upstream.peers[0].transport.get_extra_info("ssl_object")
        assert await upstream.peers[0].was_closed()
        assert tls.version() in ("TLSv1.2", "TLSv1.3")


async def test_exchanges_over_tls(authority: trustme.CA, ca_file: str) -> None:
    body = bytes(range(256)) * 20_000

    async def script(peer: Peer) -> None:
        while True:
            got = (await peer.request()).partition(b"\r\n\r\n")[2]
            await peer.send(fixed(got))

    async with HostileUpstream(script, tls=_server(authority, "localhost")) as upstream:
        client = Http1Client(tls=TlsSettings(ca_file=ca_file))
        for _ in range(2):
            request = msgspec.structs.replace(post(upstream, body), url=upstream.url("localhost"))
            sink = Sink(await client.send(request, PATIENT)).start()
            await sink.first()
            sink.response.pause()
            seen = len(sink.body)
            await asyncio.sleep(0.01)
            assert len(sink.body) - seen < 1_000_000  # what TLS had decrypted already
            sink.response.resume()
            assert await sink.finish() == body
        assert len(upstream.peers) == 1
        sink = Sink(await client.send(request, PATIENT)).start()
        await sink.first()
        sink.response.close()
        assert await upstream.peers[0].was_closed()
        await client.close()


async def test_http_1_1_is_agreed_on(authority: trustme.CA, ca_file: str) -> None:
    server = _server(authority, "localhost")
    server.set_alpn_protocols(["h2", "http/1.1"])
    async with HostileUpstream(answering(fixed(b"hello")), tls=server) as upstream:
        assert await _ask(upstream, TlsSettings(ca_file=ca_file)) == b"hello"
        assert upstream.peers[0].transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_an_address_in_the_certificate(authority: trustme.CA, ca_file: str) -> None:
    async with HostileUpstream(answering(fixed(b"hello")), tls=_server(authority, "127.0.0.1")) as upstream:
        assert await _ask(upstream, TlsSettings(ca_file=ca_file), "127.0.0.1") == b"hello"


async def test_a_certificate_of_an_authority_nobody_knows(other_authority: trustme.CA, ca_file: str) -> None:
    async with HostileUpstream(answering(), tls=_server(other_authority, "localhost")) as upstream:
        for tls in (TlsSettings(ca_file=ca_file), None):
            with pytest.raises(UpstreamUnreachable, match=r"certificate verify failed: .*certificate") as caught:
                await _ask(upstream, tls)
            assert f"localhost:{upstream.port}" in str(caught.value)
        assert upstream.peers == []


async def test_a_certificate_for_another_name(authority: trustme.CA, ca_file: str) -> None:
    async with HostileUpstream(answering(), tls=_server(authority, "other.example")) as upstream:
        with pytest.raises(UpstreamUnreachable, match=r"certificate verify failed: Hostname mismatch$"):
            await _ask(upstream, TlsSettings(ca_file=ca_file))
        with pytest.raises(UpstreamUnreachable, match=r"certificate verify failed: IP address mismatch$"):
            await _ask(upstream, TlsSettings(ca_file=ca_file), "127.0.0.1")


async def test_verification_can_be_left_out(other_authority: trustme.CA) -> None:
    async with HostileUpstream(answering(fixed(b"hello")), tls=_server(other_authority, "x.example")) as upstream:
        assert await _ask(upstream, TlsSettings(verify=False)) == b"hello"


async def test_a_client_certificate(authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    server = _server(authority, "localhost")
    server.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server)
    leaf = authority.issue_cert("client.example")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "good.pem")
    async with HostileUpstream(answering(fixed(b"hello")), tls=server) as upstream:
        good = TlsSettings(ca_file=ca_file, client_cert=str(tmp_path / "good.pem"))
        assert await _ask(upstream, good) == b"hello"


@pytest.mark.parametrize("shown", ["none", "of another authority"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_that_is_not_taken(
    authority: trustme.CA,
    other_authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
    version: ssl.TLSVersion,
    shown: str,
) -> None:
    server = _server(authority, "localhost")
    server.verify_mode = ssl.CERT_REQUIRED
    server.maximum_version = version
    authority.configure_trust(server)
    other_authority.issue_cert("c.example").private_key_and_cert_chain_pem.write_to_path(tmp_path / "bad.pem")
    bad = None if shown == "none" else str(tmp_path / "bad.pem")
    client = Http1Client(tls=TlsSettings(ca_file=ca_file, client_cert=bad))
    # asyncio's server sends no TLS alert; real ones do, and so does a blocking socket.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(_refuse_one, listener, server))
        request = UpstreamRequest(method="GET", url=f"https://localhost:{listener.getsockname()[1]}/", headers={})
        with pytest.raises(UpstreamUnreachable, match=r"TLS.*alert"):
            await client.send(request, PATIENT)
        await client.close()
        await refusing


def _refuse_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    listener.settimeout(5)
    sock, _ = listener.accept()
    with sock, sock.dup() as raw:
        tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with tls, pytest.raises(ssl.SSLError):
            tls.do_handshake()
        raw.settimeout(5)
        while raw.recv(65536):  # closing on unread bytes would send a RST, which may overtake the alert
            pass


async def test_tls_to_a_server_that_speaks_none(ca_file: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.close()

    async with HostileUpstream(script) as upstream:
        request = msgspec.structs.replace(post(upstream), url=upstream.url("localhost").replace("http:", "https:"))
        client = Http1Client(tls=TlsSettings(ca_file=ca_file))
        with pytest.raises(UpstreamUnreachable, match="TLS failed: wrong version number; is it a plain http:// server"):
            await client.send(request, PATIENT)
        await client.close()


@pytest.mark.parametrize("manner", ["close", "reset"])
async def test_a_handshake_that_is_cut(ca_file: str, manner: str) -> None:
    async def script(peer: Peer) -> None:
        await until(lambda: peer.received)
        getattr(peer, manner)()

    async with HostileUpstream(script) as upstream:
        request = msgspec.structs.replace(post(upstream), url=upstream.url("localhost").replace("http:", "https:"))
        client = Http1Client(tls=TlsSettings(ca_file=ca_file))
        with pytest.raises(UpstreamUnreachable, match=r"connection reset|TLS failed|ended"):
            await client.send(request, PATIENT)
        await client.close()


async def _connect(host: str, port: int, tls: ssl.SSLContext | None = None, timeout_s: float | None = 5.0) -> Any:
    return await connect(Origin("http", host, port), asyncio.Protocol, tls, timeout_s, f"{host}:{port}")


async def test_connection_refused() -> None:
    async with HostileUpstream(answering()) as upstream:
        pass
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(UpstreamUnreachable) as caught:
            await _connect(host, upstream.port)
        assert str(caught.value) == f"upstream {host}:{upstream.port} cannot be reached: connection refused"
        assert caught.value.status == 502


async def test_a_name_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_args: Any, **_kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    origin = Origin("http", "no-such-host.invalid", 80)
    monkeypatch.setattr(connecting, "_resolve", unknown)
    with pytest.raises(UpstreamUnreachable, match="upstream up cannot be reached: name not known"):
        await connect(origin, asyncio.Protocol, None, 5.0, "up")


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", ".example"])
async def test_a_name_that_cannot_be_one(host: str) -> None:
    for client in (Http1Client(), ProxiedClient()):
        with pytest.raises(UpstreamUnreachable, match="name not known"):
            await client.send(UpstreamRequest(method="GET", url=f"http://{host}/", headers={}), PATIENT)
        await client.close()


@pytest.mark.asyncio(loop_factories=["asyncio"])  # nothing can be put in the way of uvloop's own threads
async def test_names_are_resolved_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    started, go = threading.Event(), threading.Event()

    def slow(*_args: Any, **_kwargs: Any) -> Any:
        started.set()
        go.wait(5)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", upstream.port))]

    async with HostileUpstream(answering()) as upstream:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        task = asyncio.create_task(_connect("slow.example", 80))
        await until(started.is_set)
        await asyncio.sleep(0.01)  # the loop turns while the name is looked up
        assert not task.done()
        go.set()
        await task
        await upstream.peer()


async def _addresses(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    infos = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (host, port, 0, 0))
        if ":" in host
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host, port in addresses
    ]

    async def resolved(*_args: Any, **_kwargs: Any) -> Any:
        return infos

    monkeypatch.setattr(connecting, "_resolve", resolved)


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a server with a full queue: connections to it neither succeed nor fail."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    clients = [socket.socket() for _ in range(4)]
    for each in clients:
        each.setblocking(False)
        each.connect_ex(address)
    yield address[1]
    for each in (*clients, listener):
        each.close()


async def test_an_address_that_does_not_answer_is_passed_by(monkeypatch: pytest.MonkeyPatch, full: int) -> None:
    monkeypatch.setattr(connecting, "HAPPY_EYEBALLS_S", 0.05)
    async with HostileUpstream(answering(), host="::1") as upstream:
        await _addresses(monkeypatch, ("127.0.0.1", full), ("::1", upstream.port))
        await _connect("both.example", 80, timeout_s=2.0)
        await upstream.peer()


async def test_an_address_that_refuses_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HostileUpstream(answering()) as upstream:
        await _addresses(monkeypatch, ("::1", upstream.port), ("127.0.0.1", upstream.port))
        await _connect("both.example", 80)
        await upstream.peer()


async def test_ipv6_by_its_address() -> None:
    async with HostileUpstream(answering(fixed(b"six")), host="::1") as upstream:
        assert await _ask(upstream, None, "::1") == b"six"


async def test_a_name_for_both_where_only_ipv4_answers() -> None:
    async with HostileUpstream(answering(fixed(b"four"))) as upstream:
        assert await _ask(upstream, None, "localhost") == b"four"


async def test_connecting_has_a_limit(full: int) -> None:
    with pytest.raises(UpstreamTimeout, match=r"could not be connected within 0\.1 s") as caught:
        await _connect("127.0.0.1", full, timeout_s=0.1)
    assert caught.value.phase == "connect"
    assert f"127.0.0.1:{full}" in str(caught.value)


async def test_the_limit_covers_tls_too() -> None:
    async with HostileUpstream(Peer.stall) as upstream:
        with pytest.raises(UpstreamTimeout) as caught:
            await _connect("127.0.0.1", upstream.port, make_context(), timeout_s=0.1)
        assert caught.value.phase == "connect"
        assert await upstream.peers[0].was_closed()


async def test_the_total_covers_connecting(full: int) -> None:
    client = Http1Client()
    request = msgspec.structs.replace(post(HostileUpstream(answering())), url=f"http://127.0.0.1:{full}/")
    with pytest.raises(UpstreamTimeout, match=r"within 0\.1 s") as caught:
        await client.send(request, msgspec.structs.replace(PATIENT, total=0.1))
    assert caught.value.phase == "total"
    await client.close()


async def test_cancelled_while_connecting_leaves_nothing_open(full: int) -> None:
    before = open_files()
    task = asyncio.create_task(_connect("127.0.0.1", full))
    await until(lambda: open_files() > before)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: open_files() == before, 1.0)


async def test_cancelled_within_the_handshake_leaves_nothing_open() -> None:
    async with HostileUpstream(Peer.stall) as upstream:
        client = Http1Client()
        request = msgspec.structs.replace(post(upstream), url=upstream.url().replace("http:", "https:"))
        task = asyncio.create_task(client.send(request, PATIENT))
        peer = await upstream.peer()
        await until(lambda: peer.received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await peer.was_closed()
        assert client.counts.open == 0
        await client.close()


async def test_small_writes_go_out_at_once() -> None:
    async with HostileUpstream(answering()) as upstream:
        made: list[asyncio.BaseTransport] = []

        class Noting(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.append(transport)

        await connect(Origin("http", "127.0.0.1", upstream.port), Noting, None, 5.0, "up")
        sock = made[0].get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 80)"), "connection refused"),
        (OSError(113, "Multiple exceptions: [Errno 113] 10.0.0.1"), "no route to host"),
        (ConnectionResetError(), "connection reset"),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "name resolution failed: temporary",
        ),
        (OSError("something else"), "something else"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_causes_in_a_few_words(error: Exception, cause: str) -> None:
    assert cause_of(error).startswith(cause)
    assert "10.0.0.1" not in cause_of(error)
