"""One process that serves: listens, has its configuration changed, drains when it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

import msgspec
from aiohttp import web

from .config.file import Config
from .metrics.stage import metrics_listen
from .reload import Succession, read_again, say_what_stays
from .rollout import COMMIT, DROP, LEAVE, PREPARE, REFUSED_FILE, USED, answer_to, heard, tell
from .server.app import App
from .server.connection import Server
from .server.metrics import OwnAddress
from .server.peers import Peers
from .shares import Acceptor, Shares
from .terminal import Terminal

_log = logging.getLogger("penstock")
_LAST_WORDS_S = 5.0
GENERATIONS = (10_000, 3, 100)
"""How many objects the collector lets come before it looks at the young, and how often before it looks at older ones.

Exchanges leave next to no circles, but have a few hundred objects each while they run. At Python's 700 these are looked
at again and again, each time cold to the caches; a look at all there are takes 20 ms for a hundred streams."""
BACKLOG = 1024
_ECHO_S = 1.0
_LAST_REQUESTS_S = 2.0
"""How long the idle connections of a worker that leaves stay open, and others behind their streams: a request may be on
its way."""


class Post(msgspec.Struct, frozen=True):
    """The place of a worker among others: its number, its share of the connections, its line to the supervisor."""

    index: int
    shares: Shares
    line: socket.socket


class Worker:
    """Serves one configuration after the other until it is stopped.

    `ready` is called with the app once the address is served, metrics at an address of their own with `for_metrics`.
    `load` reads the configuration again; it raises ConfigError. A worker with a `post` may be told to stop twice: by a
    terminal or service manager that signals every process of the group, and by its supervisor. That is one stop.
    """

    def __init__(
        self,
        config: Config,
        listener: socket.socket,
        ready: Callable[[App], object] | None = None,
        *,
        for_metrics: socket.socket | None = None,
        load: Callable[[], Config] | None = None,
        post: Post | None = None,
    ) -> None:
        self._first = config
        self._listener = listener
        self._for_metrics = for_metrics
        self._ready = ready
        self._load = load
        self._post = post
        self._succession = Succession()
        self._servers: list[Server] = []
        self._closers: list[Callable[[], object]] = []  # of what listens for clients
        self._peers_listening: asyncio.Server | None = None  # closed when nobody refers to it
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._echo_s = 0.0 if post is None else _ECHO_S
        self._told_at: float | None = None
        self._leaves = False
        self._terminal = Terminal()
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serves until `stop`, then drains; raises what kept the pipeline from starting."""
        # what was made until now lives as long as the process: the collector need not look at it again. That is the
        # code; what a configuration is made of comes later, and may go
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GENERATIONS)
        served = self._succession
        await served.start(self._first)
        try:
            server, for_peers = self._server(served.handle), self._server(served.handle_from_peer)
            self._catch_signals(asyncio.get_running_loop())
            await self._listen(server)
            await self._listen_for_peers(for_peers)
            if self._ready is not None:
                self._ready(served.now.app)
            await self._stop.wait()
            await self._drain(server)
            await for_peers.shutdown(1.0)
        finally:
            for task in self._tasks:
                task.cancel()
            await served.close()

    async def _listen(self, server: Server) -> None:
        loop = asyncio.get_running_loop()
        if self._post is None:
            self._closers.append((await loop.create_server(server, sock=self._listener, backlog=BACKLOG)).close)
        else:
            acceptor = Acceptor(self._listener, server, self._post.shares, self._post.index)
            server.on_lost = acceptor.lost
            acceptor.start()
            self._closers.append(acceptor.close)
            loop.add_reader(self._post.line.fileno(), self._hear, self._post.line)
        own = metrics_listen(self._first)
        if self._for_metrics is not None and own is not None:
            served = self._succession
            shown = OwnAddress(
                lambda: served.now.pipeline.stages, lambda: served.now.app.is_ready, loopback=own.loopback
            )
            listening = await loop.create_server(self._server(shown.handle), sock=self._for_metrics)
            self._closers.append(listening.close)

    async def _listen_for_peers(self, server: Server) -> None:
        path = Peers.of_process().own_socket
        if path is not None:
            path.unlink(missing_ok=True)
            loop = asyncio.get_running_loop()
            self._peers_listening = await loop.create_unix_server(server, path, backlog=BACKLOG)

    def _server(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> Server:
        server = Server(handler, access_log=None, auto_decompress=False, keepalive_timeout=75.0, lingering_time=2.0)
        server.limit_heads(int(self._first.limits.header))
        self._servers.append(server)
        return server

    # --- signals

    def stop(self) -> None:
        """Begins to drain; a second call ends it at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _signalled(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._told_at is None:
            self._told_at = now
            self._stop.set()
        elif now - self._told_at >= self._echo_s:
            self.stop()

    def _hung_up(self) -> None:
        if self._terminal.is_gone():
            self._signalled()
        else:
            self._do(self._reload())

    def _catch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._signalled)
            if self._load is not None and self._post is None:
                loop.add_signal_handler(signal.SIGHUP, self._hung_up)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one may wait since the start
        except (ValueError, RuntimeError):
            pass  # not in the main thread: whoever runs the worker there calls `stop`

    # --- another configuration

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        """Reads the file again and serves it, when nothing is wrong with it."""
        async with self._changing:
            config = await self._read()
            used = config is not None and await self._succession.prepare(config)
            if config is not None and used:
                say_what_stays(self._first, config, supervised=False)
                self._commit()
                _log.info("%s (%s) is used", config.file, config.digest)
            elif config is not None:
                _log.error("%s (%s) is not used: nothing has changed", config.file, config.digest)
            self._succession.note(used=used)

    async def _read(self) -> Config | None:
        return None if self._load is None else await asyncio.to_thread(read_again, self._load)

    def _hear(self, line: socket.socket) -> None:
        """Takes what the supervisor says."""
        said = heard(line)
        if not said:
            asyncio.get_running_loop().remove_reader(line.fileno())
        else:
            self._do(self._obey(said, line))

    async def _obey(self, said: bytes, line: socket.socket) -> None:
        async with self._changing:
            if said.startswith(PREPARE):
                digest = said.rpartition(b" ")[2].decode()
                tell(line, answer_to(said, ready=await self._prepare(digest)))
            elif said == DROP:
                await self._succession.drop()
            elif said == COMMIT:
                self._commit()
            elif said == LEAVE:
                self._leaves = True
                self._stop.set()
            elif said in (USED, REFUSED_FILE):
                self._succession.note(used=said == USED)

    async def _prepare(self, digest: str) -> bool:
        config = await self._read()
        if config is not None and config.digest != digest:
            _log.error("%s has changed while it was read", config.file)
            return False
        return config is not None and await self._succession.prepare(config)

    def _commit(self) -> None:
        config = self._succession.commit()
        for server in self._servers:
            server.limit_heads(int(config.limits.header))

    # --- the end

    async def _drain(self, server: Server) -> None:
        """Lets what runs come to its end, as long as `limits.drain` allows; what is left is told why it ends."""
        served = self._succession
        served.drain()
        for close in self._closers:
            close()
        if self._leaves:
            server.answer_last(_LAST_REQUESTS_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), _LAST_REQUESTS_S)
        server.pre_shutdown()
        drained = asyncio.ensure_future(self._drained(server, float(served.now.config.limits.drain)))
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((drained, hurry), return_when=asyncio.FIRST_COMPLETED)
        in_time = drained.done() and drained.result()
        drained.cancel()
        hurry.cancel()
        if not in_time:
            _log.warning("ending exchanges that are still running")
            served.cut_off()
            await served.drained(_LAST_WORDS_S)
        await server.shutdown(1.0)

    async def _drained(self, server: Server, timeout_s: float) -> bool:
        """Waits until nothing runs any more, nor comes behind a stream; tells whether that came about in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._succession.drained(None)
                if self._leaves:
                    await server.emptied()
                    await self._succession.drained(None)
        except TimeoutError:
            return False
        return True


def listener(host: str, port: int) -> socket.socket:
    """Returns a listening socket: who connects from now on waits there until somebody serves. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
