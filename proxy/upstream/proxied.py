"""The client for upstreams behind an HTTP proxy, and for whatever is no token stream: aiohttp's, with our interface."""

from __future__ import annotations

import asyncio
import base64
import io
import socket
from collections.abc import AsyncIterator
from math import inf
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohappyeyeballs import AddrInfoType
from yarl import URL

from ..errors import TimeoutPhase, UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnreachable
from .address import Origin, parse_url
from .answer import MAX_HEAD, MAX_HEADERS
from .client import Timeouts, UpstreamRequest
from .connect import cause_of, tune
from .origin_pool import PoolLimits
from .pool import PoolCounts
from .proxied_body import ProxiedBody
from .request_head import check, target_of
from .response import Response
from .tls import TlsSettings, make_context

_SAID: dict[TimeoutPhase, str] = {
    "connect": "could not be connected within",
    "first_byte": "did not begin to answer within",
    "total": "did not answer within",
}


class _Progress:
    """How far an attempt has come; the one timeout around it moves along."""

    def __init__(self, timeouts: Timeouts, total_at: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timeouts = timeouts
        self._total_at = total_at
        self._loop = loop
        self.phase: TimeoutPhase = "connect"
        self.limit_s = 0.0
        self.reused = False
        self.broken: Exception | None = None
        self.answered = False
        self.timeout = asyncio.timeout_at(self._due("connect", timeouts.connect))

    def sent(self) -> None:
        """A part of the request went out; the wait for the answer begins anew."""
        if self.answered or self.timeout.expired():
            return  # aiohttp goes on sending behind an early answer
        self.timeout.reschedule(self._due("first_byte", self._timeouts.first_byte))

    def _due(self, phase: TimeoutPhase, limit: float | None) -> float | None:
        due = inf if limit is None else self._loop.time() + limit
        self.phase, self.limit_s = phase, limit or 0.0
        if self._total_at <= due:
            due, self.phase, self.limit_s = self._total_at, "total", self._timeouts.total or 0.0
        return None if due == inf else due


class ProxiedClient:
    """An UpstreamClient over aiohttp, through `proxy` (`http://[user:password@]host:port`) when one is given.

    https goes through the proxy by CONNECT, http by the absolute form. `max_connections` and its line hold for all
    origins together. Errors name the upstream as those of `Http1Client` do. Raises ValueError for a proxy URL or TLS
    settings that cannot be used.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        tls: TlsSettings | None = None,
        limits: PoolLimits | None = None,
        name: str | None = None,
    ) -> None:
        self._name = name
        self._proxy: URL | None = None
        self._proxy_headers: dict[str, str] = {}
        if proxy is not None:
            self._proxy, self._proxy_headers = _take_apart(proxy)
        self._tls = None if tls is None else make_context(tls)
        self._limits = limits or PoolLimits()
        self._slots: asyncio.Semaphore | None = None
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._bodies: set[ProxiedBody] = set()
        self._waiting = 0
        self._open = 0
        self._closed = False

    @property
    def counts(self) -> PoolCounts:
        """Requests under way and in line; idle connections are aiohttp's own affair and counted as 0."""
        return PoolCounts(self._open, 0, self._waiting)

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> Response:
        """Sends a request and returns the head of the answer; see `UpstreamClient.send` and `Http1Client.send`."""
        loop = asyncio.get_running_loop()
        check(request)
        origin = target_of(request).origin
        total_at = inf if timeouts.total is None else loop.time() + timeouts.total
        if self._closed:
            raise UpstreamUnreachable(f"upstream {self._peer(origin)} is not in use any more")
        if self._kept is None or self._fresh is None:
            self._kept, self._fresh = self._session(keep=True), self._session(keep=False)
        await self._enter(origin, timeouts, total_at)
        try:
            progress = _Progress(timeouts, total_at, loop)
            try:
                session = self._kept if request.upload is None else self._fresh
                reply = await self._ask(session, request, origin, progress)
            except UpstreamCut as cut:
                if not (progress.reused and cut.before_bytes):
                    raise
                reply = await self._ask(self._fresh, request, origin, _Progress(timeouts, total_at, loop))
            return self._response(reply, origin, timeouts, total_at)
        except BaseException:
            self._leave()
            raise

    async def close(self) -> None:
        """Closes all connections, also those in use."""
        self._closed = True
        for body in list(self._bodies):
            body.fail(UpstreamCut(f"the connection to upstream {body.peer} was closed by Penstock"))
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=True if self._tls is None else self._tls,
            socket_factory=_make_socket,
            **({"keepalive_timeout": self._limits.max_idle_s} if keep else {"force_close": True}),
        )
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_on_reuse)
        trace.on_request_headers_sent.append(_on_sent)
        trace.on_request_chunk_sent.append(_on_sent)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            skip_auto_headers=("user-agent", "accept", "content-type"),
            trace_configs=[trace],
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_HEADERS,
        )

    async def _enter(self, origin: Origin, timeouts: Timeouts, total_at: float) -> None:
        """Waits in line for one of `max_connections`."""
        loop = asyncio.get_running_loop()
        if self._limits.max_connections is not None:
            if self._slots is None:
                self._slots = asyncio.Semaphore(self._limits.max_connections)
            pool_at = inf if timeouts.pool is None else loop.time() + timeouts.pool
            self._waiting += 1
            try:
                async with asyncio.timeout_at(None if (due := min(pool_at, total_at)) == inf else due):
                    await self._slots.acquire()
            except TimeoutError:
                phase: TimeoutPhase = "pool" if pool_at <= total_at else "total"
                message = f"no connection to upstream {self._peer(origin)} became free in time"
                raise UpstreamTimeout(message, phase=phase) from None
            finally:
                self._waiting -= 1
        self._open += 1

    def _leave(self) -> None:
        self._open -= 1
        if self._slots is not None:
            self._slots.release()

    async def _ask(
        self, session: aiohttp.ClientSession, request: UpstreamRequest, origin: Origin, progress: _Progress
    ) -> aiohttp.ClientResponse:
        """Returns the head of the answer; whatever goes wrong becomes one of ours."""
        headers = request.headers
        if "accept-encoding" not in headers:
            headers = {**headers, "accept-encoding": "identity"}
        if request.upload is not None and request.upload.length is not None:
            headers = {**headers, "content-length": str(request.upload.length)}
        if origin.scheme == "http":
            # aiohttp gives `proxy_headers` to CONNECT only; the absolute form is read by the proxy itself.
            headers = {**headers, **self._proxy_headers}
        try:
            async with progress.timeout:
                reply = await session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    data=_body_of(request, progress),
                    headers=headers,
                    allow_redirects=False,
                    proxy=self._proxy,
                    proxy_headers=self._proxy_headers if self._proxy else None,
                    trace_request_ctx=progress,
                )
                progress.answered = True
        except TimeoutError:
            message = f"upstream {self._peer(origin)} {_SAID[progress.phase]} {progress.limit_s:g} s"
            raise UpstreamTimeout(message, phase=progress.phase) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise progress.broken or self._mapped(error, origin) from None
        if reply.status == 101 or (reply.status == 407 and self._proxy):
            reply.close()
            if reply.status == 101:
                raise UpstreamGarbled(f"upstream {self._peer(origin)} switched protocols (101), unasked")
            raise self._proxy_refused(407, origin)
        return reply

    def _response(self, reply: aiohttp.ClientResponse, origin: Origin, timeouts: Timeouts, total_at: float) -> Response:
        headers: dict[str, str] = {}
        for name, value in reply.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        body = ProxiedBody(reply, self._peer(origin), timeouts, self._body_ended)
        body.start(total_at)
        self._bodies.add(body)
        body.response = Response(reply.status, headers, body, self._peer(origin))
        return body.response

    def _body_ended(self, body: ProxiedBody) -> None:
        self._bodies.discard(body)
        self._leave()

    def _mapped(self, error: Exception, origin: Origin) -> UpstreamError:
        """Returns our error for one of aiohttp's."""
        upstream = f"upstream {self._peer(origin)}"
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return self._proxy_refused(error.status, origin)
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return UpstreamUnreachable(f"{upstream} cannot be reached: {cause_of(error.certificate_error)}")
        if isinstance(error, aiohttp.ClientConnectorError):
            who = self._proxy_called() if isinstance(error, aiohttp.ClientProxyConnectionError) else upstream
            return UpstreamUnreachable(f"{who} cannot be reached: {cause_of(error.os_error)}")
        if isinstance(error, (aiohttp.InvalidURL, UnicodeError)):
            return UpstreamUnreachable(f"{upstream} cannot be reached: name not known")
        if isinstance(error, aiohttp.ClientResponseError):
            return UpstreamGarbled(f"{upstream} sent what cannot be read: {_first_line(error.message)}")
        return UpstreamCut(f"{upstream} closed the connection without an answer", before_bytes=_unanswered(error))

    def _proxy_refused(self, status: int, origin: Origin) -> UpstreamUnreachable:
        return UpstreamUnreachable(
            f"upstream {self._peer(origin)} cannot be reached: {self._proxy_called()} answered {status}"
        )

    def _peer(self, origin: Origin) -> str:
        return origin.called(self._name)

    def _proxy_called(self) -> str:
        if self._name is not None:
            return f'the proxy of upstream "{self._name}"'
        return f"proxy {parse_url(str(self._proxy)).origin.peer}" if self._proxy else "the proxy"


def _body_of(request: UpstreamRequest, progress: _Progress) -> io.BytesIO | AsyncIterator[bytes] | None:
    if request.upload is not None:
        return _noting(request.upload.pieces, progress)
    return io.BytesIO(request.body) if request.body else None


async def _noting(pieces: AsyncIterator[bytes], progress: _Progress) -> AsyncIterator[bytes]:
    """Yields the pieces; what they end in is noted, since aiohttp makes a broken connection of it."""
    try:
        async for piece in pieces:
            yield piece
    except Exception as error:
        progress.broken = error
        raise


def _take_apart(proxy: str) -> tuple[URL, dict[str, str]]:
    """Returns the proxy's URL without credentials, and the header that carries them."""
    parts = urlsplit(proxy)
    try:
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("proxy: must be http://[user:password@]host:port")
    address = parts.netloc.rpartition("@")[2]
    headers: dict[str, str] = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return URL(f"http://{address}", encoded=True), headers


def _unanswered(error: BaseException) -> bool:
    """Returns whether no byte of an answer can have come before the error; False where aiohttp does not tell."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is the part of a head
    return any(isinstance(each, aiohttp.ClientConnectionResetError) for each in (error, error.__cause__))


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0][:120].rstrip(":") if message.strip() else "no HTTP"


def _make_socket(info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    sock = socket.socket(family=family, type=kind, proto=protocol)
    tune(sock)
    return sock


async def _on_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
    context.trace_request_ctx.reused = True


async def _on_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
    context.trace_request_ctx.sent()
