"""Takes items that are put into a conversation through the stages that look at texts, before they are kept.

No request brings them again: what a model is to read of them has to be looked at when they come. What is refused is an
exchange like any other that was: observers see it, under the name of whoever was asking. So is what a rule has noted
something of, be it what a judge has cost; of all else, which is nearly all, there is nothing to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..api.raw import Raw
from ..api.responses.request import ResponsesRequest
from ..errors import BadRequest, ExchangeError
from ..exchange import Client, Exchange
from ..following import Nobody
from ..marks import GUARDRAIL
from ..pump import ClientStream
from ..reply import Reply
from ..stage import Stage


class Teller(Protocol):
    """Who lets observers see an exchange: a pipeline."""

    async def refuse(self, exchange: Exchange, error: ExchangeError, client: ClientStream) -> Reply:
        """Shows them one that is refused."""

    async def note(self, exchange: Exchange, client: ClientStream) -> None:
        """Shows them one that is not."""


class _Elsewhere(Nobody):
    """The client of a request that is answered elsewhere: nothing was sent to it yet."""

    opened = False


class Screening:
    """The stages of a pipeline that screen texts. `teller` is told what they refuse, and what they have noted."""

    def __init__(self, stages: Sequence[Stage], teller: Teller | None = None) -> None:
        self._stages = [stage for stage in stages if stage.screens]
        self._teller = teller

    async def items(self, items: list[Raw], asker: Exchange | None = None) -> list[Raw]:
        """Returns items as the stages leave them; raises BadRequest where one of them refuses.

        `asker` is the exchange in which they came: it knows its client, and its key.
        """
        if not self._stages or not items:
            return items
        request = ResponsesRequest.parse(b'{"input":[%b]}' % b",".join(items))
        client = Client("", {}, "POST", "/v1/conversations") if asker is None else asker.client
        exchange = Exchange("conversation" if asker is None else asker.id, client, request)
        exchange.key = None if asker is None else asker.key
        for stage in self._stages:
            try:
                await stage.on_request(exchange)
            except BadRequest as error:
                error.param = "items"
                if self._teller is not None:
                    await self._teller.refuse(exchange, error, _Elsewhere())
                raise
        if self._teller is not None and GUARDRAIL in exchange.marks:
            await self._teller.note(exchange, _Elsewhere())
        return request.raw_items
