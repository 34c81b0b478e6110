"""Prefers the deployment that made the previous response: its cache holds the beginning of the conversation.

Any deployment could go on, for the history is Penstock's own; so this is a preference, and a failure still leads to the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ..api.responses.request import ResponsesRequest
from ..exchange import Exchange
from ..models import ModelTable
from ..pipeline import Pipeline
from ..providers.provider import Deployment
from ..stage import Stage
from ..stores.keeper import owner_of
from ..stores.store import ResponseStore, StoreFailed
from .service import Service

_FAR_MORE = 1e9


class AffinityService(Service):
    """A service whose responses are continued where they were made."""

    def __init__(self, pipeline: Pipeline, others: Callable[[], Iterable[Service]]) -> None:
        if pipeline.store is not None:
            *before, chooser = pipeline.above
            pipeline.above = (*before, Affinity(pipeline.store), chooser)
        super().__init__(pipeline, others)


class Affinity(Stage):
    """Gives the deployment of the previous response by far the largest weight among those of the model."""

    name = "affinity"

    def __init__(self, store: ResponseStore) -> None:
        super().__init__()
        self._store = store

    async def on_request(self, exchange: Exchange) -> None:
        """Looks up what the request continues, if anything."""
        request = exchange.request
        previous = request.get("previous_response_id") if isinstance(request, ResponsesRequest) else None
        if not isinstance(previous, str):
            return
        try:
            entry = await self._store.get(previous, owner_of(exchange))
        except StoreFailed:
            return  # whoever needs the history says so
        if entry is not None and entry.deployment is not None:
            exchange.models = PreferringTable(exchange.models, entry.deployment)


class PreferringTable(ModelTable):
    """The models of a pipeline for one exchange, which prefers a deployment: `upstream/model`."""

    def __init__(self, models: ModelTable, preferred: str) -> None:
        super().__init__({})
        self._models = models
        self._preferred = preferred

    def resolve(self, name: str) -> tuple[Deployment, ...]:
        """Returns the deployments for a name."""
        return tuple(
            msgspec.structs.replace(one, weight=one.weight * _FAR_MORE) if one.name == self._preferred else one
            for one in self._models.resolve(name)
        )

    def why_unavailable(self, name: str) -> str | None:
        """Returns why a model is not served at the moment."""
        return self._models.why_unavailable(name)
