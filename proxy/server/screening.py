"""Takes items that are put into a conversation through the stages that look at texts, before they are kept.

No request brings them again: what a model is to read of them has to be looked at when they come.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..api.raw import Raw
from ..api.responses.request import ResponsesRequest
from ..errors import BadRequest
from ..exchange import Client, Exchange
from ..stage import Stage


class Screening:
    """The stages of a pipeline that screen texts."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = [stage for stage in stages if stage.screens]

    async def items(self, items: list[Raw]) -> list[Raw]:
        """Returns items as the stages leave them; raises BadRequest where one of them refuses."""
        if not self._stages or not items:
            return items
        request = ResponsesRequest.parse(b'{"input":[%b]}' % b",".join(items))
        exchange = Exchange("conversation", Client("", {}, "POST", "/v1/conversations"), request)
        for stage in self._stages:
            try:
                await stage.on_request(exchange)
            except BadRequest as error:
                error.param = "items"
                raise
        return request.raw_items
