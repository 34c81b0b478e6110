"""Who may come in under /admin: whoever has the key, and nobody else."""

from __future__ import annotations

from proxy.errors import BadRequest
from proxy.reply import Reply
from proxy.server.admin import Admin
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider

KEY = "an-admin-key"


async def get(home: House, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    url = home.url.removesuffix("/v1") + path
    async with home.session.request(method, url, headers=headers) as response:
        return response.status, await response.read()


async def show(request: object) -> Reply:
    return Reply.json({"shown": True})


async def refuse(request: object) -> Reply:
    raise BadRequest("Not like this.", param="name")


async def test_only_the_key_opens_it() -> None:
    async with house(ScriptedProvider("u")) as home:
        assert (await get(home, "/admin/things", authorization=f"Bearer {KEY}"))[0] == 404, "without a key no routes"
        home.app.mount(Admin(KEY, {"/admin/things": {"GET": show}}, {"/admin/others": {"POST": refuse}}))
        for headers in ({"authorization": f"Bearer {KEY}"}, {"authorization": f"bearer  {KEY}"}, {"x-api-key": KEY}):
            assert await get(home, "/admin/things", **headers) == (200, b'{"shown":true}')
        wrong = (
            {},
            {"authorization": "Bearer "},
            {"authorization": f"Basic {KEY}"},
            {"authorization": f"Bearer {KEY}x"},
            {"authorization": f"Bearer {KEY[:-1]}"},
            {"x-api-key": "é"},
        )
        for headers in wrong:
            status, body = await get(home, "/admin/things", **headers)
            assert (status, b"invalid_api_key" in body) == (401, True)
            assert KEY.encode() not in body
        status, body = await get(home, "/admin/others", "POST", **{"x-api-key": KEY})
        assert (status, b"Not like this." in body) == (400, True)
        assert (await get(home, "/admin/others", **{"x-api-key": KEY}))[0] == 405
        assert (await get(home, "/admin/nothing", **{"x-api-key": KEY}))[0] == 404
