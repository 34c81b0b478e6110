"""One process that serves: builds the pipeline, listens, drains when it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from .assembly import assemble
from .config.file import Config
from .pipeline import Pipeline
from .server.admin import Admin
from .server.admin_keys import key_routes
from .server.admin_limits import limit_routes
from .server.admin_spend import spend_routes
from .server.admin_upstreams import upstream_routes
from .server.app import App
from .server.compat import Compat
from .server.connection import Server
from .server.metrics import Local, metrics_routes
from .server.peers import Peers

_log = logging.getLogger("penstock")
_LAST_WORDS_S = 5.0
_YOUNG = 2_000
"""How many objects the collector lets come before it looks at them. Exchanges leave no circles, but a few hundred
objects each while they run: at Python's 700 it looked at them again and again, which took a tenth of all time."""
_BACKLOG = 1024
_ECHO_S = 1.0


class Worker:
    """Serves one configuration until it is stopped.

    `ready` is called with the app once the address is served. A `supervised` worker may be told to stop twice: by a
    terminal or service manager that signals every process of the group, and by its supervisor. That is one stop.
    """

    def __init__(
        self,
        config: Config,
        listener: socket.socket,
        ready: Callable[[App], object] | None = None,
        *,
        supervised: bool = False,
    ) -> None:
        self._config = config
        self._listener = listener
        self._ready = ready
        self._peers_listening: asyncio.Server | None = None  # closed when nobody refers to it
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._echo_s = _ECHO_S if supervised else 0.0
        self._told_at = 0.0

    async def run(self) -> None:
        """Serves until `stop`, then drains; raises what kept the pipeline from starting."""
        limits = self._config.limits
        pipeline = assemble(self._config)
        await pipeline.start()
        peers = Peers.of_process()
        app = App(
            pipeline,
            max_body=int(limits.body),
            max_head=int(limits.header),
            max_streams=limits.max_streams,
            websocket_s=float(limits.websocket),
            peers=peers,
        )
        if self._config.compat is not None:
            app.answer_as(Compat())
        if self._config.admin is not None:
            stages = pipeline.stages
            tables = (limit_routes(stages), upstream_routes(stages), key_routes(stages))
            app.mount(Admin(self._config.admin.key.reveal(), *tables))
        app.mount(self._watched(pipeline))
        try:
            server, for_peers = self._server(app.handle), self._server(app.handle_from_peer)
            loop = asyncio.get_running_loop()
            self._catch_signals(loop)
            listening = await loop.create_server(server, sock=self._listener, backlog=_BACKLOG)
            if peers.own_socket is not None:
                peers.own_socket.unlink(missing_ok=True)
                self._peers_listening = await loop.create_unix_server(for_peers, peers.own_socket, backlog=_BACKLOG)
            # what was made until now lives as long as the process: the collector need not look at it again
            gc.collect()
            gc.freeze()
            gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
            if self._ready is not None:
                self._ready(app)
            await self._stop.wait()
            await self._drain(app, server, listening)
            await for_peers.shutdown(1.0)
        finally:
            await app.close()
            await pipeline.close()

    def _watched(self, pipeline: Pipeline) -> Admin | Local:
        """Returns the routes that show what is counted and what was spent."""
        admin, metrics = self._config.admin, metrics_routes(pipeline.stages)
        if admin is None:
            return Local(metrics)
        return Admin(admin.key.reveal(), metrics, spend_routes(pipeline.stages))

    def _server(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> Server:
        limits = self._config.limits
        return Server(
            handler,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=75.0,
            max_line_size=int(limits.header),
            max_field_size=int(limits.header),
            lingering_time=2.0,
        )

    def stop(self) -> None:
        """Begins to drain; a second call ends it at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _signalled(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._stop.is_set() or now - self._told_at >= self._echo_s:
            self._told_at = now
            self.stop()

    def _catch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._signalled)
        except (ValueError, RuntimeError):
            pass  # not in the main thread: whoever runs the worker there calls `stop`

    async def _drain(self, app: App, server: Server, listening: asyncio.Server) -> None:
        """Lets what runs come to its end, as long as `limits.drain` allows; what is left is told why it ends."""
        app.drain()
        listening.close()
        server.pre_shutdown()
        drained = asyncio.ensure_future(app.drained(float(self._config.limits.drain)))
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((drained, hurry), return_when=asyncio.FIRST_COMPLETED)
        in_time = drained.done() and drained.result()
        drained.cancel()
        hurry.cancel()
        if not in_time:
            _log.warning("ending exchanges that are still running")
            app.cut_off()
            await app.drained(_LAST_WORDS_S)
        await server.shutdown(1.0)


def listener(host: str, port: int, *, shared: bool) -> socket.socket:
    """Returns a listening socket; `shared` lets other workers listen on the same address. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
