"""`penstock serve` over responses in Redis: what one host has made, the next one continues, shows and deletes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.support.redis_server import RedisServer, redis_server
from tests.support.serving import Served, serving

FILE = """\
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo]}
stores: {responses: {kind: redis, url: env:KEPT_URL, timeout: 20s}}
pipeline: [route, stream-translate]
"""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


def create(served: Served, **asked: object) -> requests.Response:
    return requests.post(f"{served.url}/responses", json={"model": "echo", **asked}, timeout=30)


def test_two_hosts_have_the_same_responses(server: RedisServer) -> None:
    env = {"KEPT_URL": server.url}
    with serving(config=FILE, env=env) as one, serving(config=FILE, env=env) as two:
        first = create(one, input="my name is Ann").json()
        second = create(two, input="and yours?", previous_response_id=first["id"])
        assert second.status_code == 200
        assert second.json()["usage"]["input_tokens"] > first["usage"]["input_tokens"]
        shown = requests.get(f"{one.url}/responses/{second.json()['id']}", timeout=30)
        assert shown.json() == second.json()
        assert requests.delete(f"{two.url}/responses/{first['id']}", timeout=30).json()["deleted"] is True
        assert requests.get(f"{one.url}/responses/{first['id']}", timeout=30).status_code == 404
        gone = create(one, input="?", previous_response_id=second.json()["id"])
        assert gone.json()["error"]["code"] == "previous_response_not_found"
        refused = requests.post(f"{one.url}/conversations", json={}, timeout=30)
        assert refused.status_code in (404, 405, 501)
        running = create(one, input="[[stall 1]] one two", background=True).json()["id"]
        elsewhere = requests.post(f"{two.url}/responses/{running}/cancel", timeout=30)
        assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (503, "overloaded")
        cancelled = requests.post(f"{one.url}/responses/{running}/cancel", timeout=30)
        assert cancelled.json()["status"] == "cancelled"
        assert requests.get(f"{two.url}/responses/{running}", timeout=30).json() == cancelled.json()
        assert requests.post(f"{two.url}/responses/{running}/cancel", timeout=30).json() == cancelled.json()
        server.kill()
        assert requests.get(f"{one.url}/responses/{second.json()['id']}", timeout=30).status_code == 503
        assert create(one, input="still answered", store=False).status_code == 200
