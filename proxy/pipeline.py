"""The chain of stages of one file, with the upstreams behind it. Built once a worker; exchanges share it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from .api.dialects import DIALECTS, ClientDialect
from .errors import ExchangeError
from .exchange import Exchange
from .models import ModelTable
from .providers.provider import Provider
from .pump import ClientStream
from .reply import Reply
from .request import Dialect
from .run import Run
from .stage import Stage
from .stores.keeper import Forgetful, Keeper, StoreKeeper
from .stores.store import ResponseStore

_log = logging.getLogger("penstock")
_COMMIT_AFTER_S = 0.5
_KEEP_S = 30 * 86400.0
_MAX_ANSWER_BYTES = 64 * 1024 * 1024


class Pipeline:
    """Stages in the order of the file, and the models and upstreams they lead to.

    `keepalive_s` is how long a stream may be silent before a comment is sent, and the longest wait for an upstream's
    head before the client's stream is opened without it; 0 turns both off.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        models: ModelTable,
        providers: Mapping[str, Provider],
        *,
        keepalive_s: float = 15.0,
        max_answer_bytes: int = _MAX_ANSWER_BYTES,
        store: ResponseStore | None = None,
        keep_s: float = _KEEP_S,
    ) -> None:
        self.store = store
        self.keeper: Keeper = Forgetful() if store is None else StoreKeeper(store, keep_s)
        self.stages = tuple(stages)
        self.models = models
        self.providers = dict(providers)
        self.keepalive_s = keepalive_s
        self.max_answer_bytes = max_answer_bytes
        self.dialects: Mapping[Dialect, ClientDialect] = DIALECTS
        self.observers = tuple(stage for stage in stages if stage.observer)
        acting = [stage for stage in stages if not stage.observer]
        chooser = next((at for at, stage in enumerate(acting) if "plan" in stage.sets), len(acting) - 1)
        self.above = (*self.observers, *acting[: chooser + 1])
        self.below = tuple(acting[chooser + 1 :])
        self.running: set[Run] = set()
        self._settling: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts upstreams and stages; when one cannot start, those that have are closed again."""
        started: list[Provider | Stage | ResponseStore] = []
        try:
            for part in self._parts():
                await part.start()
                started.append(part)
        except BaseException:
            await self._close(started)
            raise

    async def close(self) -> None:
        """Closes stages and upstreams, after what is still settling has settled."""
        if self._settling:
            await asyncio.wait(self._settling, timeout=5)
        await self._close(self._parts())

    async def _close(self, parts: Sequence[Provider | Stage | ResponseStore]) -> None:
        for part in reversed(parts):
            try:
                await part.close()
            except Exception as error:  # one part's bug must not keep the others from writing what they still hold
                _log.error("closing %s failed", type(part).__name__, exc_info=error)

    def _parts(self) -> list[Provider | Stage | ResponseStore]:
        kept: list[ResponseStore] = [] if self.store is None else [self.store]
        return [*kept, *self.providers.values(), *self.stages]

    async def serve(self, exchange: Exchange, client: ClientStream) -> Reply | None:
        """Runs one exchange; returns the answer, or None when it went to the client as a stream."""
        exchange.models = self.models
        run = Run(self, exchange, client)
        self.running.add(run)
        try:
            return await run.run()
        finally:
            self.running.discard(run)

    async def refuse(self, exchange: Exchange, error: ExchangeError, client: ClientStream) -> Reply:
        """Answers an exchange whose request could not even be read."""
        return await Run(self, exchange, client).refuse(error)

    async def left(self, exchange: Exchange, client: ClientStream) -> None:
        """Ends an exchange whose client left before its request had come whole."""
        await Run(self, exchange, client).left()

    def abort_all(self, error: ExchangeError) -> None:
        """Ends every running stream with an error."""
        for run in tuple(self.running):
            run.abort(error)

    @property
    def authenticates(self) -> bool:
        """Whether some stage finds out who is asking."""
        return any("key" in stage.sets for stage in self.stages)

    def commit_after_s(self, exchange: Exchange) -> float:
        """Returns how long a stream waits for its first output before it is opened without it."""
        return exchange.translate.commit_after_s if exchange.translate is not None else _COMMIT_AFTER_S

    async def shielded(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work to its end even when the caller is cancelled meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        await asyncio.shield(task)
