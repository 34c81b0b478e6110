"""The chain of stages of one file, with the upstreams behind it. Built once a worker; exchanges share it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from .api.dialects import DIALECTS, ClientDialect
from .errors import ExchangeError
from .exchange import Exchange
from .following import Nobody
from .in_flight import Background, InFlight
from .lasting import Lasting
from .mirroring import Mirrors
from .models import ModelTable
from .pricing.book import PriceBook
from .providers.provider import Provider
from .pump import ClientStream
from .reply import Reply
from .request import Dialect
from .run import Run
from .sealing import Sealing
from .stage import Stage
from .stage_times import received
from .stores.conversations import ConversationStore
from .stores.keeper import Forgetful, Keeper, StoreKeeper
from .stores.store import ResponseStore

_log = logging.getLogger("penstock")
_COMMIT_AFTER_S = 0.5
_REAP_EVERY_S = 10.0
_SETTLED_WITHIN_S = 2.0

_Part = Provider | Stage | Lasting


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says about its pipeline beside stages, models and upstreams.

    `keepalive_s` is how long a stream may be silent before a comment is sent, and the longest wait for an upstream's
    head before the client's stream is opened without it; 0 turns both off. Responses are kept for `keep_s`, the events
    of their streams for `resume_s`. So many `background` responses run at a time, and `background_waiting` more wait.
    Without `prices` those of the table count. Of what is only passed on, `default_upstream` gets what names no model,
    and `max_upload_bytes` bound a body. With `server_timing` every client is told how long stages take.
    """

    keepalive_s: float = 15.0
    max_answer_bytes: int = 64 * 1024 * 1024
    keep_s: float = 30 * 86400.0
    resume_s: float = 600.0
    background: int = 64
    background_waiting: int = 1000
    prices: PriceBook | None = None
    default_upstream: str | None = None
    max_upload_bytes: int = 512 * 1024 * 1024
    server_timing: bool = False


class Pipeline:
    """Stages in the order of the file, and the models and upstreams they lead to."""

    def __init__(
        self,
        stages: Sequence[Stage],
        models: ModelTable,
        providers: Mapping[str, Provider],
        *,
        store: ResponseStore | None = None,
        conversations: ConversationStore | None = None,
        settings: Settings | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        settings = settings or Settings()
        self.store = store
        self.conversations = conversations
        self._stores = [Lasting(one) for one in (store, conversations) if one is not None]
        self.keeper: Keeper = Forgetful()
        if store is not None:
            self.keeper = StoreKeeper(store, settings.keep_s, settings.resume_s, conversations)
        self.in_flight = InFlight()
        self.mirrors = Mirrors(self._serve_copy)
        self.background = Background(settings.background, settings.background_waiting)
        self.stages = tuple(stages)
        for stage in stages:
            stage.upstreams, stage.table = providers, models
        self.models = models
        self.providers = dict(providers)
        self.sealing = sealing or Sealing.fresh()
        self.prices = settings.prices or PriceBook()
        for stage in stages:
            stage.prices = stage.prices or self.prices
        for provider in self.providers.values():
            provider.sealing = self.sealing
        self.keepalive_s = settings.keepalive_s
        self.max_answer_bytes = settings.max_answer_bytes
        self.default_upstream = settings.default_upstream
        self.max_upload_bytes = settings.max_upload_bytes
        self.shows_times = settings.server_timing
        self.dialects: Mapping[Dialect, ClientDialect] = DIALECTS
        self.observers = tuple(stage for stage in stages if stage.observer)
        acting = [stage for stage in stages if not stage.observer]
        chooser = next((at for at, stage in enumerate(acting) if "plan" in stage.sets), len(acting) - 1)
        self.above = (*self.observers, *acting[: chooser + 1])
        self.below = tuple(acting[chooser + 1 :])
        self.translate = next((stage.translate for stage in stages if stage.translate is not None), None)
        self.running: set[Run] = set()
        self.alone: set[Run] = set()  # whose clients have left
        self._most_alone = settings.background + settings.background_waiting
        self._settling: set[asyncio.Task[None]] = set()
        self._going_on: set[asyncio.Task[Any]] = set()
        self._reaper: asyncio.Task[None] | None = None

    def succeed(self, before: Pipeline) -> None:
        """Takes over what outlives the pipeline before it: what that has in flight, and the store where both have one.

        Only before it is started, and before anybody else has looked at what is in flight.
        """
        self.in_flight = before.in_flight
        self.background = self.background.following(before.background)
        if self.store is not None and self.store is before.store and self.conversations is before.conversations:
            self._stores = before._stores
            if isinstance(self.keeper, StoreKeeper) and isinstance(before.keeper, StoreKeeper):
                self.keeper.share_late(before.keeper)

    async def start(self) -> None:
        """Starts upstreams and stages; when one cannot start, those that have are closed again."""
        started: list[_Part] = []
        try:
            for part in self._parts():
                await part.start()
                started.append(part)
        except BaseException:
            await self._close(started)
            raise
        if self.store is not None:
            self._reaper = asyncio.get_running_loop().create_task(self._reap())

    async def _reap(self) -> None:
        """Looks again and again for responses whose worker has died."""
        while True:
            try:
                await self.keeper.reap()
            except Exception as error:  # nobody else would look again
                _log.error("looking for abandoned responses failed", exc_info=error)
            await asyncio.sleep(_REAP_EVERY_S)

    async def close(self) -> None:
        """Closes stages and upstreams, after what is still settling has settled."""
        if self._reaper is not None:
            self._reaper.cancel()
            await asyncio.wait((self._reaper,))
        await self.mirrors.close()
        for going_on in (self._going_on, self._settling):
            if going_on:
                await asyncio.wait(going_on, timeout=5)
        await self._close(self._parts())

    async def _close(self, parts: Sequence[_Part]) -> None:
        for part in reversed(parts):
            try:
                await part.close()
            except Exception as error:  # one part's bug must not keep the others from writing what they still hold
                what = part.part if isinstance(part, Lasting) else part
                _log.error("closing %s failed", type(what).__name__, exc_info=error)

    def _parts(self) -> list[_Part]:
        return [*self._stores, *self.providers.values(), *self.stages]

    def serve(self, exchange: Exchange, client: ClientStream) -> Coroutine[Any, Any, Reply | None]:
        """Runs one exchange; returns the answer, or None when it went to the client as a stream.

        A background response may go on afterwards.
        """
        exchange.models = self.models
        exchange.translate = self.translate
        received(exchange, always=self.shows_times)
        run = Run(self, exchange, client)
        self.running.add(run)
        return run.run()

    async def _serve_copy(self, exchange: Exchange) -> None:
        run = Run(self, exchange, Nobody())
        self.running.add(run)
        await run.copied()

    def leave_alone(self, run: Run) -> bool:
        """Lets a stream go on without its client; False when too many do already, as many as may in the background."""
        if run.is_settled or len(self.alone) >= self._most_alone:
            return False
        self.alone.add(run)
        return True

    def ended(self, run: Run) -> None:
        """Forgets an exchange that was settled."""
        self.in_flight.discard(run)
        if self.alone:
            self.alone.discard(run)
        self.running.discard(run)

    def spawn(self, work: Coroutine[Any, Any, Reply | None]) -> asyncio.Task[Reply | None]:
        """Lets work go on by itself; it is waited for when the pipeline is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._gone_on)
        return task

    def _gone_on(self, task: asyncio.Task[Any]) -> None:
        self._going_on.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("an exchange failed", exc_info=error)

    async def idle(self) -> None:
        """Returns when nothing goes on by itself any more."""
        while self._going_on:
            await asyncio.wait(self._going_on)

    async def refuse(self, exchange: Exchange, error: ExchangeError, client: ClientStream) -> Reply:
        """Answers an exchange whose request could not even be read."""
        return await Run(self, exchange, client).refuse(error)

    async def left(self, exchange: Exchange, client: ClientStream) -> None:
        """Ends an exchange whose client left before its request had come whole."""
        await Run(self, exchange, client).left()

    async def note(self, exchange: Exchange, client: ClientStream) -> None:
        """Lets observers see an exchange that is answered elsewhere, and was not refused."""
        await Run(self, exchange, client).noted()

    def abort_all(self, error: ExchangeError) -> None:
        """Ends every running stream with an error."""
        for run in tuple(self.running):
            run.abort(error)

    @property
    def authenticates(self) -> bool:
        """Whether some stage finds out who is asking."""
        return any("key" in stage.sets for stage in self.stages)

    @property
    def commit_after_s(self) -> float:
        """How long a stream waits for its first output before it is opened without it."""
        return self.translate.commit_after_s if self.translate is not None else _COMMIT_AFTER_S

    async def shielded(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work to its end even when the caller is cancelled meanwhile; the caller waits for a moment at most.

        So whoever has his answer finds his slots free again, and a stage that hangs at the end keeps no answer.
        """
        await asyncio.wait((self.settling(work),), timeout=_SETTLED_WITHIN_S)

    def settling(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Does the same for work that nobody is to wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._has_settled)
        return task

    def _has_settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("an exchange was not settled as it should", exc_info=error)
