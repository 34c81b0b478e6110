"""One configuration in service: its pipeline and the app over it, from before the first request to after the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from aiohttp import web

from .assembly import assemble, load_for
from .config.file import Config
from .counters.limits import OfAllHosts
from .deferred import Deferred, load
from .limiting.stage import LimitStage
from .metrics.stage import MetricsStage, metrics_listen
from .pipeline import Pipeline
from .sealing import Sealing
from .server.admin import Admin
from .server.app import App
from .server.http import is_upgrade
from .server.known_request import KnownRequest
from .server.metrics import Local, metrics_routes
from .server.peers import Peers
from .stores.config import MemoryConfig

if TYPE_CHECKING:
    from .server import admin_keys, admin_limits, admin_spend, admin_upstreams, compat
else:
    admin_keys, admin_limits, admin_spend, admin_upstreams, compat = (
        Deferred(f"proxy.server.{name}")
        for name in ("admin_keys", "admin_limits", "admin_spend", "admin_upstreams", "compat")
    )


class Serving:
    """A pipeline that was started, and the app over it. `begin` makes one; whoever has it closes it."""

    def __init__(self, config: Config, pipeline: Pipeline) -> None:
        self.config = config
        self.pipeline = pipeline
        self.app = _app(config, pipeline)
        self._handling = 0
        self._handled: asyncio.Event | None = None  # there when somebody waits for the last one
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def begin(cls, config: Config, sealing: Sealing, before: Serving | None = None) -> Serving:
        """Starts what a configuration says; raises what keeps it from starting, and then has changed nothing.

        What was in service `before` goes on, and shares what outlives it. `sealing` seals where no file has a key.
        """
        if before is None:
            pipeline = assemble(config, sealing=sealing)
        else:
            pipeline = await _after(before, config, sealing)
        await pipeline.start()
        return cls(config, pipeline)

    def succeed(self, before: Serving) -> None:
        """Takes over the connections that outlive the configuration before."""
        self.app.succeed(before.app)

    def handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Answers one request. Hot: what goes through the pipeline, the app counts itself."""
        return self.app.handle(request) if type(request) is KnownRequest else self._handle(request)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request. A WebSocket is not waited for: it outlives the configuration."""
        if is_upgrade(request):
            return await self.app.handle(request)
        self._handling += 1
        try:
            return await self.app.handle(request)
        finally:
            self._has_handled()

    async def handle_from_peer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request that another worker has passed on."""
        self._handling += 1
        try:
            return await self.app.handle_from_peer(request)
        finally:
            self._has_handled()

    def _has_handled(self) -> None:
        self._handling -= 1
        if self._handled is not None and not self._handling:
            self._handled.set()

    async def over(self) -> None:
        """Returns when the last request that came here has been answered, and nothing of it goes on."""
        self._handled = asyncio.Event()
        if self._handling:
            await self._handled.wait()
        await self.app.drained(None)

    async def close(self) -> None:
        """Closes everything, once however often it is called; what is shared stays for those who use it."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self.app.close()
        await self.pipeline.close()


def load_parts(config: Config) -> None:
    """Loads what a configuration uses and most others do not: workers that are forked later share it."""
    if config.admin is not None:
        load(admin_keys, admin_limits, admin_spend, admin_upstreams)
    if config.compat is not None:
        load(compat)
    load_for(config)


async def _after(before: Serving, config: Config, sealing: Sealing) -> Pipeline:
    """Returns the pipeline of a configuration that follows another, not yet started; made in a thread."""
    store, conversations = None, None
    if _keeps_store(before.config, config):
        store, conversations = before.pipeline.store, before.pipeline.conversations
    await asyncio.to_thread(load_parts, config)
    pipeline = await asyncio.to_thread(assemble, config, store=store, conversations=conversations, sealing=sealing)
    pipeline.succeed(before.pipeline)
    cells = next((stage.cells for stage in before.pipeline.stages if isinstance(stage, MetricsStage)), None)
    for stage in pipeline.stages:
        if isinstance(stage, MetricsStage):
            stage.earlier = cells
    _keep_counters(before.pipeline, pipeline)
    return pipeline


def _keep_counters(before: Pipeline, pipeline: Pipeline) -> None:
    """Counts on with what asks the same Redis: it knows what Redis is still to be told, and who holds what.

    Counters of this host alone are those of the process anyway.
    """
    known = [stage.counters for stage in before.stages if isinstance(stage, LimitStage)]
    for stage in pipeline.stages:
        if isinstance(stage, LimitStage) and isinstance(own := stage.counters, OfAllHosts):
            stage.counters = next((one for one in known if own.is_like(one)), own)


def _keeps_store(old: Config, new: Config) -> bool:
    """Tells whether responses stay where they are. Those in memory do, whatever is said: they are nowhere else."""
    before, after = old.stores, new.stores
    if isinstance(before.responses, MemoryConfig) and isinstance(after.responses, MemoryConfig):
        return True
    return (before.responses, before.cold, old.file) == (after.responses, after.cold, new.file)


def _app(config: Config, pipeline: Pipeline) -> App:
    limits, stages, peers = config.limits, pipeline.stages, Peers.of_process()
    app = App(
        pipeline,
        max_body=int(limits.body),
        max_head=int(limits.header),
        max_requests=limits.max_requests,
        websocket_s=float(limits.websocket),
        peers=peers,
    )
    if config.compat is not None:
        app.answer_as(compat.Compat())
    metrics = metrics_routes(stages) if metrics_listen(config) is None else {}
    if config.admin is None:
        app.mount(Local(metrics))
        return app
    tables = (
        admin_limits.limit_routes(stages, peers),
        admin_upstreams.upstream_routes(stages),
        admin_keys.key_routes(stages),
        admin_spend.spend_routes(stages),
    )
    app.mount(Admin(config.admin.key.reveal(), *tables, metrics))
    return app
