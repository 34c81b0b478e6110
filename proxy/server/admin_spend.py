"""`GET /admin/spend?by=team,day&since=30d`: what was spent, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from ..config.types import Mistake
from ..errors import BadRequest, Overloaded
from ..ledger.spend import BY, question, total
from ..ledger.stage import ledger_of
from ..reply import Reply
from ..stage import Stage
from ..stores.store import StoreFailed
from .admin import AdminRoutes

_ASKED = ("by", "since", "until")


def spend_routes(stages: Iterable[Stage]) -> AdminRoutes:
    """Returns the route that shows what was spent; none where no ledger is kept."""
    ledger = ledger_of(stages)
    if ledger is None:
        return {}

    async def show(request: web.BaseRequest) -> Reply:
        query = request.query
        unknown = next((name for name in query if name not in (*_ASKED, *BY)), None)
        if unknown is not None:
            raise BadRequest(f"Unknown parameter: '{unknown}'.", param=unknown)
        try:
            asked = question(
                query.get("by", "key"),
                query.get("since", "30d"),
                query.get("until"),
                {name: query[name] for name in BY if name in query},
            )
            rows = await ledger.spend(asked)
        except Mistake as mistake:
            raise BadRequest(f"{mistake.what} ({mistake.fix}).") from None
        except StoreFailed as error:
            raise Overloaded(f"The ledger does not answer now: {error}", retry_after_s=1) from None
        return Reply.json(
            {
                "object": "list",
                "by": asked.by,
                "since": asked.since,
                "data": [row.to_dict() for row in rows],
                "total": total(rows).to_dict(),
            }
        )

    return {"/admin/spend": {"GET": show}}
