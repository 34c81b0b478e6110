"""Another configuration in the place of the one that is served, in a process that goes on serving.

The new pipeline is built and started beside the old one; only then requests go to it. What the old one was asked, it
finishes, however long that takes; then it is closed. So no connection is refused or closed and no stream is cut, and
what the worker has, it keeps: its number, its sockets, what it counts, the responses it is making and has in memory.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from .config.file import Config
from .errors import ConfigError
from .metrics.family import RELOADS
from .metrics.stage import MetricsStage, metrics_listen
from .sealing import Sealing
from .serving import Serving
from .stores.config import MemoryConfig
from .stores.store import StoreFailed

_log = logging.getLogger("penstock")


class Succession:
    """What one worker serves now, and what it has served before for as long as that is not over."""

    def __init__(self) -> None:
        self._sealing = Sealing.fresh()
        self._now: Serving | None = None
        self._next: Serving | None = None
        self._ending: dict[Serving, asyncio.Task[None]] = {}

    @property
    def now(self) -> Serving:
        """What requests go to."""
        assert self._now is not None
        return self._now

    async def start(self, config: Config) -> None:
        """Begins with a first configuration; raises what keeps it from starting."""
        self._now = await Serving.begin(config, self._sealing)

    async def prepare(self, config: Config) -> bool:
        """Starts another configuration beside; tells whether it could be, and logs why it could not."""
        await self.drop()
        try:
            self._next = await Serving.begin(config, self._sealing, self._now)
        except ConfigError as error:
            for problem in error.problems:
                _log.error("%s", problem)
        except StoreFailed as error:
            _log.error("responses cannot be kept: %s   (stores.responses of %s)", error, config.file)
        except Exception as error:  # the top of a reload: what is served must not suffer from it
            _log.error("%s cannot be started", config.file, exc_info=error)
        return self._next is not None

    def commit(self) -> Config:
        """Has requests go to what was prepared; returns its configuration."""
        assert self._next is not None
        before, self._now, self._next = self.now, self._next, None
        self._now.succeed(before)
        self._ending[before] = asyncio.get_running_loop().create_task(self._end(before))
        return self._now.config

    async def drop(self) -> None:
        """Closes what was prepared and is not wanted."""
        unwanted, self._next = self._next, None
        if unwanted is not None:
            await unwanted.close()

    async def _end(self, serving: Serving) -> None:
        await serving.over()
        await serving.close()
        del self._ending[serving]
        _log.debug("what %s (%s) was asked is answered", serving.config.file, serving.config.digest)
        # what it had, mapped files among it, is in circles that the collector would find only much later
        asyncio.get_running_loop().call_soon(gc.collect)

    def handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Answers one request. Hot: once a request."""
        return self._now.handle(request)  # type: ignore[union-attr]  # nobody asks before the start

    def handle_from_peer(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Answers one request that another worker has passed on."""
        return self.now.handle_from_peer(request)

    def note(self, *, used: bool) -> None:
        """Counts that the file was read again, for whoever looks at the metrics."""
        for stage in self.now.pipeline.stages:
            if isinstance(stage, MetricsStage):
                stage.recorder.count(RELOADS, "used" if used else "refused")

    def drain(self) -> None:
        """Stops being ready; running exchanges go on."""
        for serving in self._all():
            serving.app.drain()

    async def drained(self, timeout_s: float | None) -> bool:
        """Waits until nothing runs any more; tells whether that came about in time."""
        return all(await asyncio.gather(*(serving.app.drained(timeout_s) for serving in self._all())))

    def cut_off(self) -> None:
        """Ends what is still running with an error that says why."""
        for serving in self._all():
            serving.app.cut_off()

    async def close(self) -> None:
        """Closes everything."""
        for task in self._ending.values():
            task.cancel()
        if self._ending:
            await asyncio.wait(self._ending.values())
        await self.drop()
        for serving in self._all():
            await serving.close()

    def _all(self) -> list[Serving]:
        return [*self._ending, *([] if self._now is None else [self._now])]


def read_again(load: Callable[[], Config]) -> Config | None:
    """Returns a file's configuration as it is now; None when it cannot be used, which is logged line by line."""
    try:
        config = load()
    except ConfigError as error:
        _log.error("the configuration stays as it was, for what was read now cannot be used:")
        for problem in error.problems:
            _log.error("%s", problem)
        return None
    for warning in config.warnings:
        _log.warning("%s", warning)
    return config


def say_what_stays(first: Config, now: Config, *, supervised: bool) -> None:
    """Logs in one line which settings of the file stay what they were `first`, when the server was started."""
    memory = _in_memory(first) and _in_memory(now)
    changed = {
        "listen": first.listen != now.listen,
        "metrics.listen": metrics_listen(first) != metrics_listen(now),
        "workers": not supervised and first.workers != now.workers,
        "stores.responses": memory and first.stores.responses != now.stores.responses,
    }
    names = ", ".join(name for name, differs in changed.items() if differs)
    if names:
        _log.warning("%s: stays as it was until the server is started anew: %s", now.file, names)


def _in_memory(config: Config) -> bool:
    return isinstance(config.stores.responses, MemoryConfig)
