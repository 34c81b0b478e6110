"""Batches are posted, signed, and told apart by their names; refusals are for now or for good."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.logs.delivery import DeliveryFailed
from proxy.logs.webhook import SIGNATURE, WebhookSender


class Receiver:
    def __init__(self) -> None:
        self.status = 200
        self.posts: list[tuple[dict[str, str], bytes]] = []
        application = web.Application()
        application.router.add_post("/hook", self._take)
        self.server = TestServer(application)

    async def _take(self, request: web.Request) -> web.Response:
        self.posts.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.status, text="x" * 100_000, headers={"location": "/elsewhere"})


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.server.start_server()
    yield made
    await made.server.close()


async def test_a_batch_is_posted_signed_and_named(receiver: Receiver) -> None:
    url = str(receiver.server.make_url("/hook?token=planted"))
    sender = WebhookSender(url, "application/x-ndjson", {"authorization": "Bearer t"}, "secret")
    assert "planted" not in sender.where
    assert WebhookSender("https://me:planted@host/x", "", {}).where == "https://***@host/x"
    await sender.start()
    await sender.send("name-1", b"{}\n")
    await sender.close()
    headers, body = receiver.posts[0]
    assert body == b"{}\n"
    assert (headers["authorization"], headers["idempotency-key"]) == ("Bearer t", "name-1")
    assert headers["content-type"] == "application/x-ndjson"
    moment, _, digest = headers[SIGNATURE].partition(",v1=")
    seconds = moment.removeprefix("t=").encode()
    assert digest == hmac.new(b"secret", seconds + b"." + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("status", "refused"),
    [(500, False), (503, False), (429, False), (401, False), (302, False), (400, True), (413, True)],
)
async def test_a_refusal_is_for_now_or_for_good(receiver: Receiver, status: int, refused: bool) -> None:
    receiver.status = status
    sender = WebhookSender(str(receiver.server.make_url("/hook")), "application/x-ndjson", {})
    await sender.start()
    with pytest.raises(DeliveryFailed, match=f"it answered {status}") as failed:
        await sender.send("name", b"{}\n")
    await sender.close()
    assert failed.value.refused == refused
    assert SIGNATURE not in receiver.posts[0][0]


async def test_nobody_there_is_for_now() -> None:
    sender = WebhookSender("http://127.0.0.1:1/", "application/x-ndjson", {})
    await sender.start()
    with pytest.raises(DeliveryFailed) as failed:
        await sender.send("name", b"{}\n")
    await sender.close()
    assert not failed.value.refused
