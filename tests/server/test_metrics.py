"""`GET /metrics`: who may see it, and the header that tells how long stages take."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from proxy.pipeline import Settings
from proxy.providers.echo.provider import Echo, EchoConfig
from proxy.providers.provider import Deployment
from proxy.server.admin import Admin
from proxy.server.metrics import Local, OwnAddress, is_local, metrics_routes
from stages.metrics import Metrics
from tests.support.books import numbers
from tests.support.house import house

ECHO = Echo("e", EchoConfig())
TABLE = {"m": [Deployment(ECHO, "echo")]}


async def test_it_is_for_this_machine_alone_where_there_is_no_admin_key() -> None:
    async with house(ECHO, models=TABLE, stages=[metrics := Metrics()]) as home:
        home.app.mount(Local(metrics_routes([metrics])))
        await home.ask()
        url = home.url.removesuffix("/v1") + "/metrics"
        async with home.session.get(url) as response:
            assert response.status == 200
            assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
            told = numbers(await response.text())
        assert told['penstock_requests_total{dialect="responses",model="m",outcome="completed",upstream="e"}'] == 1
        async with home.session.get(url, headers={"x-forwarded-for": "8.8.8.8"}) as response:
            assert response.status == 403
            assert "penstock_" not in await response.text()
        async with home.session.post(url) as response:
            assert response.status == 405


def test_an_address_of_this_machine_is_one_by_any_notation() -> None:
    def asks(remote: str | None, **headers: str) -> bool:
        request = make_mocked_request("GET", "/metrics", headers={"host": "localhost:4000", **headers})
        return is_local(request.clone(remote=remote or ""))

    assert [asks(one) for one in ("127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "")] == [True, True, True, False, False]
    assert not asks("127.0.0.1", via="1.1 proxy")


def test_a_page_that_was_led_here_by_another_name_is_told_nothing() -> None:
    def asks(host: str) -> bool:
        return is_local(make_mocked_request("GET", "/metrics", headers={"host": host}).clone(remote="127.0.0.1"))

    assert all(map(asks, ("localhost", "localhost:4000", "127.0.0.1:4000", "127.1.2.3", "[::1]:4000", "[::1]")))
    assert not any(map(asks, ("evil.example:4000", "localhost.evil.example", "10.0.0.7:4000", "")))


async def test_with_an_admin_key_it_is_for_whoever_has_that() -> None:
    async with house(ECHO, models=TABLE, stages=[metrics := Metrics()]) as home:
        home.app.mount(Admin("the-admin-key", metrics_routes([metrics])))
        url = home.url.removesuffix("/v1") + "/metrics"
        for key, status in (("the-admin-key", 200), ("another", 401)):
            async with home.session.get(url, headers={"authorization": f"Bearer {key}"}) as response:
                assert response.status == status
                assert ("penstock_" in await response.text()) == (status == 200)


async def test_without_the_stage_there_is_no_such_path() -> None:
    async with house(ECHO, models=TABLE) as home:
        home.app.mount(Local(metrics_routes([])))
        async with home.session.get(home.url.removesuffix("/v1") + "/metrics") as response:
            assert response.status == 404


async def test_server_timing_is_told_to_those_who_ask_on_streams_and_refusals_too() -> None:
    async with house(ECHO, models=TABLE) as home:
        for fields in ({}, {"stream": True}, {"model": "nope"}):
            async with home.session.post(
                home.url + "/responses",
                json={"model": "m", "input": "hi", **fields},
                headers={"x-penstock-timing": "1"},
            ) as response:
                value = response.headers["server-timing"]
                assert "route;dur=" in value
                assert ("upstream;dur=" in value, "own;dur=" in value) == (response.status == 200,) * 2
        assert "server-timing" not in (await home.ask())[1]
    async with house(ECHO, models=TABLE, settings=Settings(server_timing=True)) as home:
        assert "stream-translate;dur=" in (await home.ask())[1]["server-timing"]


async def test_an_address_of_its_own_tells_whoever_can_connect() -> None:
    async with house(ECHO, models=TABLE, stages=[metrics := Metrics()]) as home:
        await home.ask()
        ready = True

        async def asked(path: str, *, loopback: bool = False, **headers: str) -> tuple[int, bytes]:
            own = OwnAddress(lambda: [metrics], lambda: ready, loopback=loopback)
            request = make_mocked_request("GET", path, headers={"host": "penstock:9100", **headers})
            answer = await own.handle(request.clone(remote="127.0.0.1"))
            assert isinstance(answer, web.Response)
            return answer.status, bytes(answer.body or b"")  # type: ignore[arg-type]

        status, body = await asked("/metrics")
        assert (status, b"penstock_requests_total{" in body) == (200, True)
        assert (await asked("/metrics", loopback=True))[0] == 403
        assert (await asked("/metrics", loopback=True, host="localhost:9100"))[0] == 200
        assert [(await asked(path))[0] for path in ("/health", "/healthz", "/readyz")] == [200, 200, 200]
        assert [(await asked(path))[0] for path in ("/v1/responses", "/admin/limits", "/")] == [404, 404, 404]
        ready = False
        assert (await asked("/readyz"))[0] == 503
