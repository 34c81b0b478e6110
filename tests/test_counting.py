import asyncio
import json

import pytest

from proxy.counting import counted
from proxy.errors import BadRequest, UpstreamUnreachable
from proxy.exchange import Client, Exchange
from proxy.providers.provider import Deployment
from tests.support.asked import request
from tests.support.scripted import ScriptedProvider


class Counts(ScriptedProvider):
    def __init__(self, found):
        super().__init__("u")
        self.found = found

    async def count_tokens(self, exchange, model):
        if isinstance(self.found, Exception):
            raise self.found
        if isinstance(self.found, asyncio.Event):
            await self.found.wait()
        return self.found


async def count(found):
    reply = await counted(Exchange("req_1", Client("", {}), request(input="x" * 400)), Deployment(Counts(found), "up"))
    assert reply.status == 200
    return json.loads(reply.body)["input_tokens"], reply.headers.get("x-penstock-estimated")


async def test_the_upstream_s_count_is_taken():
    assert await count(7) == (7, None)
    assert await count(0) == (0, None)


@pytest.mark.parametrize("found", [None, UpstreamUnreachable("gone")])
async def test_without_one_it_is_estimated_and_said_to_be(found):
    assert await count(found) == (107, "true")


async def test_an_upstream_that_takes_its_time_is_not_waited_for():
    exchange = Exchange("req_1", Client("", {}), request(input="x" * 400))
    reply = await counted(exchange, Deployment(Counts(asyncio.Event()), "up"), patience_s=0.01)
    assert reply.headers["x-penstock-estimated"] == "true"


async def test_what_the_upstream_could_not_be_asked_is_refused():
    with pytest.raises(BadRequest):
        await count(BadRequest("no"))
