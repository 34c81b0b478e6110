"""Keys over /admin/keys: the whole life of one, what is refused, and what nobody is shown."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.auth.key_store import KeyStore
from proxy.server.admin import Admin
from proxy.server.admin_keys import key_routes
from proxy.stage import Stage
from stages.auth import Auth, AuthConfig
from stages.rate_limit import RateLimit, RateLimitConfig
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream

ADMIN = "an-admin-key-that-is-planted"


class Office:
    """A house whose door asks for keys of a store, and its admin."""

    def __init__(self, home: House, store: KeyStore) -> None:
        self.home = home
        self.store = store
        self.seen: list[bytes] = []

    async def ask(self, method: str, path: str = "", key: str = ADMIN, **fields: Any) -> tuple[int, Any]:
        url = self.home.url.removesuffix("/v1") + "/admin/keys" + path
        body = msgspec.json.encode(fields) if fields else None
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        async with self.home.session.request(method, url, headers=headers, data=body) as response:
            data = await response.read()
            self.seen.append(data)
            return response.status, msgspec.json.decode(data)

    async def knock(self, key: str) -> tuple[int, str]:
        async with self.home.session.get(self.home.url + "/models", headers={"x-api-key": key}) as response:
            data = msgspec.json.decode(await response.read())
            return response.status, data.get("error", {}).get("message", "")


@asynccontextmanager
async def office(directory: Path, *below: Stage) -> AsyncIterator[Office]:
    stage = Auth(AuthConfig(keys="store"))
    stage.key_store = directory / "keys.db"
    async with house(ScriptedProvider("u", stream(chunk(content="hi"), finish())), stages=[stage, *below]) as home:
        home.app.mount(Admin(ADMIN, key_routes([stage])))
        yield Office(home, KeyStore(stage.key_store))


async def test_the_life_of_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    async with office(tmp_path) as there:
        status, made = await there.ask("POST", id="ci", owner="research", limits={"usd": 5}, tags=["a"], expires="90d")
        assert (status, made["id"], made["status"], made["limits"]["usd"]) == (200, "ci", "active", 5)
        first = made.pop("key")
        assert first.startswith(made["prefix"])
        assert await there.knock(first) == (200, "")
        assert (await there.ask("GET"))[1] == {"object": "list", "data": [made], "last_id": "ci", "has_more": False}
        status, changed = await there.ask("PATCH", "/ci", owner=None, team="blue", limits=None)
        assert (status, changed["team"], "owner" in changed, "limits" in changed) == (200, "blue", False, False)
        assert (changed["tags"], changed["expires"]) == (["a"], made["expires"])
        status, rotated = await there.ask("POST", "/ci/rotate", grace="1h")
        second = rotated.pop("key")
        assert (status, first != second, "old_key_until" in rotated) == (200, True, True)
        assert [(await there.knock(key))[0] for key in (first, second)] == [200, 200]
        status, third = await there.ask("POST", "/ci/rotate")
        assert await there.knock(second) == (401, "The API key 'ci' has been replaced by a new one.")
        assert (await there.ask("DELETE", "/ci"))[1]["status"] == "revoked"
        assert await there.knock(third["key"]) == (401, "The API key 'ci' has been revoked.")
        assert (await there.ask("GET", "?status=active"))[1]["data"] == []
        _, shown = await there.ask("GET", "/ci")
        done = ["create", "change", "rotate", "rotate", "revoke"]
        assert [(one["who"], one["what"]) for one in shown["changes"]] == [("admin", what) for what in done]
        audit = [line for line in caplog.messages if line.startswith("audit: ")]
        assert audit == [f"audit: who=admin what=keys.{what} key=ci from=127.0.0.1" for what in done]
        for secret in (first, second, third["key"], ADMIN):
            assert secret[9:] not in caplog.text
            assert sum(secret.encode() in data for data in there.seen) == (secret != ADMIN), "once, where it was made"


@pytest.mark.parametrize(
    ("method", "path", "fields", "told"),
    [
        ("POST", "", {"ownr": "x"}, (400, "unknown field")),
        ("POST", "", {"id": 3}, (400, "Expected a string")),
        ("POST", "", {"id": "a/b"}, (409, "An id is")),
        ("POST", "", {"id": "there"}, (409, "is, or was")),
        ("POST", "", {"limits": {"usd": -1}}, (400, "usd")),
        ("POST", "", {"expires": "soon"}, (400, "no date")),
        ("GET", "/nobody", {}, (404, "no key with the id 'nobody'")),
        ("GET", "?limit=0", {}, (400, "integer from 1")),
        ("GET", "?limit=1001", {}, (400, "integer from 1")),
        ("GET", "?after=nobody", {}, (404, "no key")),
        ("PATCH", "/nobody", {"owner": "x"}, (404, "no key")),
        ("PATCH", "/there", {"id": "x"}, (400, "unknown field")),
        ("DELETE", "/nobody", {}, (404, "no key")),
        ("POST", "/there/rotate", {"grace": "soon"}, (400, "no duration")),
        ("POST", "/there/rotate", {"graze": 1}, (400, "Unknown parameter: 'graze'")),
        ("PUT", "/there", {}, (405, "Use GET, PATCH, DELETE")),
        ("GET", "/there/rotate", {}, (405, "Use POST")),
        ("GET", "/there/else", {}, (404, "Invalid URL")),
    ],
)
async def test_what_is_refused_changes_nothing(
    tmp_path: Path, method: str, path: str, fields: dict[str, Any], told: tuple[int, str]
):
    async with office(tmp_path) as there:
        await there.ask("POST", id="there")
        before = there.store.every()
        status, answer = await there.ask(method, path, **fields)
        assert (status, told[1] in answer["error"]["message"]) == (told[0], True), answer
        assert there.store.every() == before


async def test_a_body_that_is_nested_too_deep_is_refused(tmp_path: Path):
    body = f'{{"owner":{"[" * 3000}{"]" * 3000}}}'
    async with office(tmp_path) as there:
        headers = {"authorization": f"Bearer {ADMIN}", "content-type": "application/json"}
        url = there.home.url.removesuffix("/v1") + "/admin/keys"
        async with there.home.session.post(url, data=body, headers=headers) as response:
            assert (response.status, there.store.every()) == (400, [])


async def test_keys_come_in_pages(tmp_path: Path):
    async with office(tmp_path) as there:
        made = [(await there.ask("POST"))[1]["id"] for _ in range(5)]
        await there.ask("DELETE", f"/{made[1]}")
        seen, path = [], "?limit=2&status=active"
        for _ in range(3):
            _, page = await there.ask("GET", path)
            seen.append([one["id"] for one in page["data"]])
            path = f"?limit=2&status=active&after={page['last_id']}"
            assert page["has_more"] == (len(seen) < 3)
        assert seen == [made[:1], made[2:4], made[4:]]


async def test_the_limits_of_a_key_hold_as_soon_as_they_are_changed(tmp_path: Path):
    limit = RateLimit(RateLimitConfig(per="key", requests_per_minute=1000))
    async with office(tmp_path, limit) as there:
        _, made = await there.ask("POST", limits={"requests_per_minute": 2})
        url, headers = there.home.url + "/responses", {"x-api-key": made["key"]}

        async def statuses(count: int) -> list[int]:
            found = []
            for _ in range(count):
                body = {"model": "m", "input": "hi", "stream": True}
                async with there.home.session.post(url, json=body, headers=headers) as answer:
                    await answer.read()
                    found.append(answer.status)
            return found

        assert await statuses(3) == [200, 200, 429]
        await there.ask("PATCH", f"/{made['id']}", limits={"requests_per_minute": 4})
        assert await statuses(3) == [200, 200, 429]


async def test_a_key_of_the_store_is_no_admin_key(tmp_path: Path):
    async with office(tmp_path) as there:
        _, made = await there.ask("POST", id="ci")
        for key in (made["key"], "wrong"):
            for method, path in (("GET", ""), ("POST", ""), ("GET", "/ci"), ("POST", "/ci/rotate"), ("DELETE", "/ci")):
                assert (await there.ask(method, path, key=key))[0] == 401
        assert [one.what for one in there.store.changes("ci")] == ["create"]


async def test_a_store_that_is_gone_is_told_to_the_log_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with office(tmp_path) as there:
        _, made = await there.ask("POST", id="ci")
        assert (await there.knock(made["key"]))[0] == 200
        for path in list(tmp_path.glob("keys.db*")):  # noqa: ASYNC240
            path.unlink()
        (tmp_path / "keys.db").mkdir()
        status, answer = await there.ask("GET")
        assert (status, str(tmp_path) in answer["error"]["message"]) == (503, False)
        assert str(tmp_path) in caplog.text
        assert (await there.knock(made["key"]))[0] == 200


def test_without_stored_keys_there_are_no_routes():
    assert key_routes([Auth(AuthConfig(keys="./keys.yaml"))]) == {}
