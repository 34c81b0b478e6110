"""Kept responses over HTTP: retrieve, delete, pages of input items, and whose they are."""

from __future__ import annotations

from tests.support.talking import answer, call, talking


async def test_retrieve_and_delete() -> None:
    async with talking({"content": "x", "reasoning_content": "hm"}) as (home, _):
        first = await answer(home, True)
        path = f"/responses/{first['id']}"
        assert await call(home, "GET", path) == (200, first)
        _, more = await call(home, "GET", path + "?include[]=reasoning.encrypted_content")
        assert more["output"][0]["encrypted_content"]
        async with home.session.get(home.url + path + "?stream=true") as response:
            assert b"response.completed" in await response.read()
        assert await call(home, "DELETE", path) == (200, {"id": first["id"], "object": "response", "deleted": True})
        for method in ("GET", "DELETE"):
            status, body = await call(home, method, path)
            assert (status, set(body["error"])) == (404, {"message", "type", "param", "code"})
        assert (await home.ask(previous_response_id=first["id"]))[0] == 400
        assert (await call(home, "PUT", path))[0] == 405


async def test_input_items_by_pages() -> None:
    given = [{"role": "user", "content": f"{n}"} for n in range(5)]
    async with talking({"content": "x"}) as (home, _):
        path = f"/responses/{(await answer(home, input=given))['id']}/input_items"
        _, newest = await call(home, "GET", path + "?limit=2")
        _, rest = await call(home, "GET", f"{path}?limit=20&after={newest['last_id']}")
        _, oldest = await call(home, "GET", path + "?order=asc&limit=1")
        for wrong in ("limit=0", "limit=101", "limit=x", "order=up", "after=msg_none"):
            assert (await call(home, "GET", f"{path}?{wrong}"))[0] == 400
        assert (await call(home, "GET", "/responses/resp_none/input_items"))[0] == 404
    texts = [item["content"][0]["text"] for item in newest["data"] + rest["data"]]
    assert texts == ["4", "3", "2", "1", "0"]
    assert (newest["has_more"], rest["has_more"]) == (True, False)
    assert oldest["data"][0]["content"] == [{"type": "input_text", "text": "0"}]
    assert all(item["id"].startswith("msg_") for item in newest["data"])


async def test_another_owner_finds_nothing() -> None:
    async with talking({"content": "x"}) as (home, upstream):
        async with home.session.post(
            home.url + "/responses", json={"model": "m", "input": "hi"}, headers={"x-owner": "ann"}
        ) as response:
            mine = (await response.json())["id"]
        path = f"/responses/{mine}"
        for owner in ("", "bob"):
            foreign = await call(home, "GET", path, owner)
            unknown = await call(home, "GET", "/responses/" + "0" * len(mine), owner)
            assert foreign[0] == unknown[0] == 404
            assert foreign[1]["error"]["message"].replace(mine, "") == unknown[1]["error"]["message"].replace(
                "0" * len(mine), ""
            )
            assert (await call(home, "DELETE", path, owner))[0] == 404
            assert (await call(home, "GET", path + "/input_items", owner))[0] == 404
        assert (await home.ask(previous_response_id=mine))[0] == 400
        assert (await call(home, "GET", path, "ann"))[0] == 200
    assert len(upstream.requests) == 1
