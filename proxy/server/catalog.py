"""The list of models: the names of the file, and for its wildcards what their upstreams say they have."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from ..errors import ExchangeError
from ..exchange import Key
from ..keys import may_use
from ..models import ModelTable
from ..providers.provider import Provider

_log = logging.getLogger("penstock")
_FRESH_S = 60.0
_WAIT_S = 3.0


class Catalog:
    """Lists models in the form of `GET /v1/models`. What an upstream says is asked for at most once a minute."""

    def __init__(self, table: ModelTable, created: int) -> None:
        self._table = table
        self._created = created
        self._said: dict[str, tuple[float, list[str]]] = {}
        self._asking: dict[str, asyncio.Task[list[str]]] = {}

    async def page(self, key: Key | None) -> dict[str, Any]:
        """Returns the list object of all models that the key may use; all of them without a key."""
        names = await self.names()
        data = [self._object(name, owner) for name, owner in names.items() if key is None or may_use(key, name)]
        return {"object": "list", "data": data}

    async def get(self, name: str, key: Key | None) -> dict[str, Any] | None:
        """Returns the object of one model, or None when nothing serves that name to the key."""
        found = self._table.resolve(name) if key is None or may_use(key, name) else ()
        return self._object(name, found[0].provider.name) if found else None

    async def names(self) -> dict[str, str]:
        """Returns every name that can be asked for now, with the upstream that serves it first."""
        names = {name: self._table.resolve(name)[0].provider.name for name in self._table.names()}
        wildcards = list(self._table.wildcards())
        providers = {one.provider.name: one.provider for _, _, found in wildcards for one in found}
        said = dict(zip(providers, await asyncio.gather(*map(self._ask, providers.values())), strict=True))
        for prefix, suffix, deployments in wildcards:
            for one in deployments:
                before, _, behind = one.model.partition("*")
                for model in said[one.provider.name]:
                    if len(model) > len(before) + len(behind) and model.startswith(before) and model.endswith(behind):
                        middle = model[len(before) : len(model) - len(behind)]
                        names.setdefault(f"{prefix}{middle}{suffix}", one.provider.name)
        return names

    async def _ask(self, provider: Provider) -> list[str]:
        """Returns what an upstream lists; all who want to know at the same time wait for one answer."""
        known = self._said.get(provider.name)
        if known is not None and time.monotonic() - known[0] < _FRESH_S:
            return known[1]
        asking = self._asking.get(provider.name)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(self._listed(provider))
            self._asking[provider.name] = asking
            asking.add_done_callback(lambda _: self._asking.pop(provider.name))
        return await asyncio.shield(asking)

    async def _listed(self, provider: Provider) -> list[str]:
        try:
            models = await asyncio.wait_for(provider.models(), _WAIT_S)
        except (ExchangeError, TimeoutError) as error:
            _log.warning("upstream %s does not list its models: %s", provider.name, error or "no answer in time")
            models = self._said.get(provider.name, (0.0, []))[1]
        self._said[provider.name] = (time.monotonic(), models)
        return models

    def _object(self, name: str, owner: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": owner}
