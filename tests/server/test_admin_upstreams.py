"""What `GET /admin/upstreams` shows."""

from __future__ import annotations

import msgspec

from proxy.server.admin_upstreams import upstream_routes
from stages.log import Log
from stages.route import Route
from tests.support.routes import Clock, refused


async def test_every_deployment_that_was_asked_is_shown() -> None:
    route, clock = Route(), Clock()
    board = route.board
    board.clock = clock
    for name in ("a/x", "b/x"):
        board.begin(board.of(name))
    board.failed(board.of("a/x"), refused(429, retry_after_s=30.0), alone=False)
    board.succeeded(board.of("b/x"), 0.5, streamed=True)
    reply = await upstream_routes([Log(), route])["/admin/upstreams"]["GET"](None)  # type: ignore[arg-type]
    cooling, up = msgspec.json.decode(reply.body)["data"]
    assert cooling == {
        "deployment": "a/x",
        "state": "cooling",
        "in_flight": 0,
        "attempts": 1,
        "failed": 1,
        "failures_in_a_row": 1,
        "cooling_for_seconds": 30.0,
        "because": "rate_limit",
        "first_token_seconds": None,
        "whole_answer_seconds": None,
    }
    assert (up["deployment"], up["state"], up["first_token_seconds"]) == ("b/x", "up", 0.5)
