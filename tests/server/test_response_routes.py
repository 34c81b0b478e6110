"""Paths that name a response: with and without /v1, odd ones too."""

from __future__ import annotations

import pytest
from yarl import URL

from proxy.stores.memory import MemoryStore
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, stream


@pytest.mark.parametrize("base", ["/v1", ""])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/responses/resp_x", 404),
        ("DELETE", "/responses/resp_x", 404),
        ("POST", "/responses/resp_x", 405),
        ("GET", "/responses/resp_x/cancel", 405),
        ("POST", "/responses/resp_x/cancel", 404),
        ("GET", "/responses/resp_x/input_items", 404),
        ("GET", "/responses/resp_x/input_items?limit=1000", 400),
        ("GET", "/responses/resp_x/other", 404),
        ("GET", "/responses/resp_x/input_items/more", 404),
        ("GET", "/responses/resp_%F0%9F%98%80", 404),
        ("GET", "/responses/%00%ff%fe", 404),
        ("GET", "/responses/..%2f..%2fetc", 404),
        ("GET", "/responses/resp_x?include[]=nonsense", 400),
        ("GET", "/responses/resp_x?stream=true", 404),
        ("GET", "/responses/" + "x" * 5000, 404),
    ],
)
async def test_answers(base: str, method: str, path: str, status: int) -> None:
    async with house(ScriptedProvider("a", stream()), store=MemoryStore()) as home:
        url = f"http://127.0.0.1:{home.port}{base}{path}"
        async with home.session.request(method, URL(url, encoded=True)) as response:
            error = (await response.json())["error"]
    assert response.status == status, error
    assert set(error) == {"message", "type", "param", "code"}
    assert len(error["message"]) < 1000
