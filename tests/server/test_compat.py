"""Answers of the server for clients that come from LiteLLM's proxy, and the same without."""

from __future__ import annotations

import json

from aiohttp import web

from proxy.reply import Reply
from proxy.server.compat import Compat


def answer(body: bytes, status: int = 200, **headers: str) -> bytes:
    made = web.Response(body=body, status=status, headers={"content-type": "application/json", **headers})
    found = Compat().answer(made)
    assert found is made
    assert isinstance(made.body, bytes)
    return made.body


def test_bodies_of_json_are_looked_at() -> None:
    refusal = Reply.rate_limited("Slow down.", 3)
    assert json.loads(answer(refusal.body, 429))["error"]["code"] == 429
    assert "choices" in json.loads(answer(b'{"object":"response","status":"completed","output":[]}'))
    text = b'{"object":"response"}'
    assert answer(text, **{"content-type": "text/plain"}) == text
    assert answer(text, **{"content-encoding": "gzip"}) == text
    stream = web.StreamResponse()
    assert Compat().answer(stream) is stream


def test_probes_have_other_names() -> None:
    paths = ("/health/liveliness", "/health/readiness", "/responses")
    assert [Compat().path(path) for path in paths] == ["/healthz", "/readyz", "/responses"]
