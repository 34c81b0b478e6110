"""One file's services: one for each event loop in which it is asked, made when it is first asked there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from ..assembly import assemble
from ..config.file import Config
from ..config.secret_list import SecretList
from ..config.types import Secret
from ..pipeline import Pipeline
from ..sealing import new_key
from ..stores.config import SqliteConfig
from .loop_thread import running_thread
from .service import Service
from .shared_store import shared_stores

MakeService = Callable[[Pipeline, Callable[[], Iterable[Service]]], Service]


class Services:
    """The services of one configuration. Connections belong to an event loop; what is kept in memory is shared."""

    def __init__(self, config: Config, make: MakeService = Service) -> None:
        if config.secret is None and not isinstance(config.stores.responses, SqliteConfig):
            # what is sealed in one loop is to be opened in all
            config = msgspec.structs.replace(config, secret=SecretList([Secret(new_key())]))
        self.config = config
        self._make = make
        self._stores = shared_stores(config.stores.responses)
        self._by_loop: dict[asyncio.AbstractEventLoop, Service] = {}

    async def here(self) -> Service:
        """Returns the service of the running loop, started; raises what keeps the pipeline from starting."""
        loop = asyncio.get_running_loop()
        service = self._by_loop.get(loop)
        if service is None:
            for other in self._all():
                if other.loop.is_closed():
                    self._by_loop.pop(other.loop, None)
            stores = self._stores
            pipeline = assemble(self.config, store=stores.responses, conversations=stores.conversations)
            service = self._by_loop[loop] = self._make(pipeline, self._all)
        try:
            await service.started()
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._by_loop.pop(loop, None)
            raise
        return service

    async def close_here(self) -> None:
        """Closes the service of the running loop, if there is one; asked again, it is made anew."""
        service = self._by_loop.pop(asyncio.get_running_loop(), None)
        if service is not None:
            await service.close()

    def close_in_thread(self) -> None:
        """Closes the service of the process's own loop, if there is one."""
        thread = running_thread()
        if thread is not None and thread.loop in self._by_loop and not thread.loop.is_closed():
            thread.run(self.close_here())

    def close_soon(self) -> None:
        """Closes all services that are left, without waiting for that."""
        for service in self._all():
            service.close_soon()

    def _all(self) -> list[Service]:
        return list(self._by_loop.values())
