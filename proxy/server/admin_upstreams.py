"""`GET /admin/upstreams`: how the deployments are doing, as the worker that answers has found out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from ..reply import Reply
from ..routing.health import Board
from ..routing.stage import RoutingStage
from ..stage import Stage
from .admin import AdminRoutes


def upstream_routes(stages: Iterable[Stage]) -> AdminRoutes:
    """Returns the route that shows every deployment that was asked."""
    boards = [stage.board for stage in stages if isinstance(stage, RoutingStage)]

    async def show(request: web.BaseRequest) -> Reply:
        return Reply.json({"object": "list", "data": [row for board in boards for row in _rows(board)]})

    return {"/admin/upstreams": {"GET": show}}


def _rows(board: Board) -> Iterable[dict[str, Any]]:
    for standing in board.standings():
        row = msgspec.structs.asdict(standing)
        yield {f"{name}econds" if name.endswith("_s") else name: one for name, one in row.items()}
