"""Upstreams that no file names: made for the models, keys and addresses that calls ask for, and kept for the next."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..config.file import UpstreamEntry
from ..config.loader import load_text
from ..config.types import Secret, Sources
from ..errors import BadRequest, ConfigError
from ..exchange import Exchange
from ..models import ModelTable
from ..pipeline import Pipeline
from ..providers import vendors
from ..providers.provider import Deployment, Provider
from ..providers.registry import kinds
from ..providers.vendors import Vendor
from ..stage import Stage
from .call import Call
from .service import Service

_MARK = "@"
"""Begins the names of upstreams that were made for calls. No file's upstream and no model of a vendor begins so."""
_MOST = 256

_Key = tuple[str, bytes, tuple[tuple[str, str], ...]]


class AdHocService(Service):
    """A service that serves any model of any vendor, with the key in the environment or that of the call."""

    def __init__(self, pipeline: Pipeline, others: Callable[[], Iterable[Service]]) -> None:
        self._upstreams = AdHocUpstreams(pipeline)
        super().__init__(pipeline, others)

    def exchange(self, call: Call, path: str, method: str = "POST") -> Exchange:
        """Returns the exchange of a call; its key is for the upstream alone."""
        return msgspec.structs.replace(call, api_key=None).exchange(path, method)

    async def prepare(self, exchange: Exchange, call: Call) -> None:
        """Gives the request the model of an upstream that is made for it, under the name that the call has for it."""
        request = exchange.request
        name = request.model
        if self.pipeline.models.resolve(name):
            return
        vendor, model = _vendor_of(name, call)
        upstream = await self._upstreams.get(vendor, name, call)
        exchange.asked_model = name
        request.set("model", f"{upstream}/{model}")


class AdHocUpstreams:
    """The upstreams made for calls, in one pipeline. Beyond a number those unused for the longest time are closed."""

    def __init__(self, pipeline: Pipeline, *, most: int = _MOST) -> None:
        self._pipeline = pipeline
        self._most = most
        self._names: OrderedDict[_Key, str] = OrderedDict()  # in the order of their last use
        self._making = asyncio.Lock()
        self._made = 0
        self._stages: dict[str, type[Stage]] = {stage.name: type(stage) for stage in pipeline.stages}
        pipeline.models = _OpenTable(pipeline.models, pipeline.providers)

    async def get(self, vendor: Vendor, asked: str, call: Call) -> str:
        """Returns the upstream of a vendor for a call; raises BadRequest where none can be made."""
        settings = vendor.settings(os.environ, base_url=call.base_url, api_key=call.api_key)
        key = (vendor.prefix, msgspec.json.encode(settings), _surroundings(vendor))
        if key not in self._names:
            async with self._making:
                if key not in self._names:
                    self._names[key] = await self._make(self._entry(vendor, settings, asked), call)
                    await self._trim()
        self._names.move_to_end(key)
        return self._names[key]

    def _entry(self, vendor: Vendor, settings: dict[str, Any], asked: str) -> UpstreamEntry:
        """Returns the upstream, read as it would be in a file."""
        known = kinds()
        if vendor.kind not in known:
            raise _refusal(asked, f"upstreams of kind {vendor.kind} are not served")
        file = {
            "upstreams": {vendor.prefix: settings},
            "models": {"*": [f"{vendor.prefix}/*"]},
            "pipeline": list(self._stages),
        }
        try:
            config = load_text(
                msgspec.json.encode(file).decode(), "call", sources=Sources(), providers=known, stages=self._stages
            )
        except ConfigError as error:
            found = ((one.what.removeprefix(f"upstreams.{vendor.prefix}: "), one.fix) for one in error.problems)
            problems = (f"{what} ({fix})" if fix else what for what, fix in found)
            raise _refusal(asked, "; ".join(problems)) from None
        for skipped in config.skipped:
            raise _refusal(asked, f"{skipped.reason}, and the call gives no api_key")
        return config.upstreams[vendor.prefix]

    async def _make(self, entry: UpstreamEntry, call: Call) -> str:
        config: Any = entry.config
        key = getattr(config, "api_key", None)
        if isinstance(key, Secret) and key.reveal() == call.api_key:
            config = msgspec.structs.replace(config, api_key=Secret(call.api_key, "as given with the call"))
        provider = entry.provider(entry.name, config)
        provider.sealing = self._pipeline.sealing
        await provider.start()
        self._made += 1
        name = f"{_MARK}{self._made}"
        self._pipeline.providers[name] = provider
        return name

    async def _trim(self) -> None:
        """Closes upstreams that are too many and that no exchange uses."""
        if len(self._names) <= self._most:
            return
        used = {_upstream_of(run.exchange) for run in self._pipeline.running}
        for key, name in list(self._names.items())[: len(self._names) - self._most]:
            if name not in used:
                del self._names[key]
                await self._pipeline.providers.pop(name).close()


class _OpenTable(ModelTable):
    """The models of a file, and beside them any model of the upstreams that were made for calls."""

    def __init__(self, models: ModelTable, providers: Mapping[str, Provider]) -> None:
        super().__init__({})
        self._models = models
        self._providers = providers

    def resolve(self, name: str) -> tuple[Deployment, ...]:
        """Returns the deployments for a name."""
        if not name.startswith(_MARK):
            return self._models.resolve(name)
        upstream, _, model = name.partition("/")
        provider = self._providers.get(upstream)
        return () if provider is None or not model else (Deployment(provider, model),)


def _vendor_of(name: str, call: Call) -> tuple[Vendor, str]:
    """Returns whose model a name is, and what it is called there; raises BadRequest where that is not known."""
    if call.provider is not None:
        vendor = vendors.of_prefix(call.provider)
        if vendor is None:
            raise BadRequest(f"There is no provider '{call.provider[:100]}'. {_known()}", param="custom_llm_provider")
        return vendor, name.removeprefix(f"{call.provider}/")
    found = vendors.of_model(name)
    if call.base_url is not None and (found is None or found[1] == name):  # a server of its own has names of its own
        return vendors.COMPATIBLE, name
    if found is None:
        raise _refusal(name, f"its name says no provider. {_known()}")
    return found


def _known() -> str:
    names = sorted(vendor.prefix for vendor in vendors.VENDORS if vendor.kind in kinds())
    return f"Write provider/model with one of {', '.join(names)}, or give base_url."


def _surroundings(vendor: Vendor) -> tuple[tuple[str, str], ...]:
    """Returns the variables that an upstream of the vendor may read: another one is made when they change."""
    if vendor.sends_key:
        return tuple((name, os.environ.get(name, "")) for name in vendor.variables)
    families = tuple({name.partition("_")[0] + "_" for name in vendor.variables})
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(families)))


def _upstream_of(exchange: Exchange) -> str:
    return (exchange.request.model if exchange.request is not None else "").partition("/")[0]


def _refusal(model: str, why: str) -> BadRequest:
    return BadRequest(f"The model '{model[:200]}' is not served: {why}", param="model", code="model_not_found")
