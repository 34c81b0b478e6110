"""One configuration in the place of another, in a process that goes on: what runs, what is kept, what fails."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.config.file import Config
from proxy.config.loader import load, load_text
from proxy.reload import Succession, read_again, say_what_stays
from proxy.server.connection import Server
from proxy.worker import listener
from tests.support.books import numbers

FILE = """\
upstreams: {echo: {kind: echo}}
models: {MODEL: [echo/echo]}
pipeline: [rate-limit: {requests_per_minute: 100}, route, stream-translate, metrics]
stores: {responses: {kind: memory}}
"""
OLD, NEW = FILE.replace("MODEL", "old"), FILE.replace("MODEL", "new")


class Home:
    """A served succession, and a client of it."""

    def __init__(self, succession: Succession, url: str, session: aiohttp.ClientSession) -> None:
        self.succession = succession
        self.url = url
        self.session = session

    async def change(self, text: str) -> bool:
        """Has another file served; tells whether it could be."""
        if not await self.succession.prepare(load_text(text, "pipeline.yaml")):
            return False
        self.succession.commit()
        return True

    def ask(self, model: str, text: str, **fields: Any) -> Any:
        """Asks for a response."""
        return self.session.post(self.url, json={"model": model, "input": text, **fields})

    async def ended(self) -> None:
        """Returns when nothing but the last configuration is there."""
        async with asyncio.timeout(10):
            while tasks := list(self.succession._ending.values()):
                await asyncio.wait(tasks)


@asynccontextmanager
async def serving(text: str) -> AsyncIterator[Home]:
    """Serves a file's text."""
    succession = Succession()
    await succession.start(load_text(text, "pipeline.yaml"))
    server = Server(succession.handle, access_log=None, auto_decompress=False)
    sock = listener("127.0.0.1", 0)
    listening = await asyncio.get_running_loop().create_server(server, sock=sock)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Home(succession, f"http://127.0.0.1:{sock.getsockname()[1]}/v1/responses", session)
    finally:
        listening.close()
        await server.shutdown(1.0)
        await succession.close()


async def test_a_stream_goes_on_and_is_found_by_its_id() -> None:
    async with serving(OLD) as home:
        before = weakref.ref(home.succession.now.pipeline)
        async with home.ask("old", "hello") as answer:
            kept = (await answer.json())["id"]
            left = int(answer.headers["x-ratelimit-remaining-requests"])
        async with home.ask("old", "[[stall 2]] one two three", stream=True) as stream:
            begun = await stream.content.readuntil(b"output_text.delta")
            id = "resp_" + begun.partition(b'"id":"resp_')[2][:48].decode()
            assert await home.change(NEW)
            async with home.ask("old", "x") as answer:
                assert answer.status == 400
            async with home.ask("new", "x", previous_response_id=kept) as answer:  # what was in memory still is
                assert (await answer.json())["status"] == "completed"
                assert int(answer.headers["x-ratelimit-remaining-requests"]) < left
            async with home.session.get(f"{home.url}/{id}") as answer:
                assert (await answer.json())["status"] == "in_progress"
            async with home.session.get(f"{home.url}/{id}?stream=true") as again:
                await again.content.readuntil(b"output_text.delta")
                assert len(home.succession._ending) == 1
                async with home.session.post(f"{home.url}/{id}/cancel") as answer:
                    assert (await answer.json())["status"] == "cancelled"
                assert (await again.read()).endswith(b"data: [DONE]\n\n")
            assert (await stream.read()).endswith(b"data: [DONE]\n\n")
        await home.ended()
        gc.collect()
        assert before() is None  # nothing holds what is over
        async with home.session.get(f"{home.url}/{id}") as answer:
            assert (await answer.json())["status"] == "cancelled"
        async with home.session.get(home.url.replace("/v1/responses", "/metrics")) as answer:
            told = numbers(await answer.text())
    of_all = "penstock_requests_total"
    outcomes = {name.removeprefix(of_all): told[name] for name in told if name.startswith(of_all)}
    assert {name for name, count in outcomes.items() if 'model="old"' in name and count == 1} == {
        '{dialect="responses",model="old",outcome="cancelled",upstream="echo"}',
        '{dialect="responses",model="old",outcome="completed",upstream="echo"}',
    }
    assert sum(outcomes.values()) == 4
    assert told["penstock_open_requests"] == 0


async def test_a_websocket_goes_on_with_what_is_served_then() -> None:
    async with serving(OLD) as home, home.session.ws_connect(home.url) as socket:

        async def asked(model: str) -> list[Any]:
            await socket.send_json({"type": "response.create", "model": model, "input": "hello"})
            seen = [json.loads((await socket.receive()).data)]
            while seen[-1]["type"] not in ("response.completed", "error"):
                seen.append(json.loads((await socket.receive()).data))
            return seen

        assert (await asked("old"))[-1]["type"] == "response.completed"
        assert await home.change(NEW)
        await home.ended()  # although the connection is open
        assert (await asked("new"))[-1]["type"] == "response.completed"
        assert (await asked("old"))[-1]["error"]["code"] == "model_not_found"
        home.succession.drain()
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_bounds_of_what_runs_are_not_handed_out_anew() -> None:
    bounded = OLD + "limits: {max_requests: 4, background: 1, background_waiting: 1}\n"
    more = bounded.replace("max_requests: 4", "max_requests: 5").replace("waiting: 1", "waiting: 2")
    async with serving(bounded) as home:
        open: list[aiohttp.ClientResponse] = []

        async def begun(**fields: bool) -> int:
            open.append(await home.ask("old", "[[stall]]", **fields))
            return open[-1].status

        for number, expected in enumerate((200, 200, 429)):
            assert await begun(background=True) == expected
            assert await begun(stream=True) == 200
            assert await home.change(bounded + f"# {number}\n")
        assert (await begun(stream=True), await begun(stream=True)) == (200, 503)
        assert await home.change(more)
        assert (await begun(background=True), await begun(background=True)) == (200, 429)
        assert (await begun(stream=True), await begun(stream=True)) == (200, 503)
        home.succession.cut_off()
        for answer in open:
            await answer.read()
        await home.ended()
        assert await home.succession.drained(10)
        assert home.succession.now.app._running.total == 0
        assert home.succession.now.pipeline.background.inside == 0


async def test_what_cannot_be_started_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = NEW.replace("{kind: memory}", f"{{kind: sqlite, path: {tmp_path}/none/kept.db}}")
    log = NEW.replace("route,", f"route, log: {{to: {tmp_path}/none/log}},")
    async with serving(OLD) as home:
        before = home.succession.now
        assert not await home.change(broken)
        assert not await home.change(log)
        assert home.succession.now is before
        assert f"responses cannot be kept: {tmp_path}/none/kept.db" in caplog.text
        assert f"{tmp_path}/none/log:1:1: the log cannot be written there" in caplog.text
        assert await home.succession.prepare(load_text(NEW, "pipeline.yaml"))
        await home.succession.drop()
        async with home.ask("old", "hello") as answer:
            assert (await answer.json())["status"] == "completed"
        assert await home.change(broken.replace("/none", ""))  # another store: responses are kept there from now on
        async with home.ask("new", "hello") as answer:
            id = (await answer.json())["id"]
        await home.ended()
        async with home.session.get(f"{home.url}/{id}") as answer:
            assert answer.status == 200
    assert (tmp_path / "kept.db").exists()


async def test_a_stop_ends_what_earlier_configurations_still_run() -> None:
    async with serving(OLD) as home, home.ask("old", "[[stall]]", stream=True) as stream:
        await stream.content.readuntil(b"response.in_progress")
        assert await home.change(NEW)
        home.succession.drain()
        assert not await home.succession.drained(0.01)
        home.succession.cut_off()
        assert b"event: response.failed" in await stream.read()
        assert await home.succession.drained(5)


def test_a_file_that_is_wrong_is_told_line_by_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(OLD.replace("echo/echo", "ech/echo").replace("route,", "rout,"))
    assert read_again(lambda: load(file)) is None
    assert [record.getMessage().partition("yaml:")[2][:5] for record in caplog.records[1:]] == ["2:16:", "3:52:"]
    file.write_text(OLD)
    found = read_again(lambda: load(file))
    assert found is not None
    assert found.digest == load_text(OLD, "another name").digest != load_text(NEW, "x").digest


def test_what_stays_until_a_restart_is_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def loaded(**changes: str) -> Config:
        text = "listen: 4000\nworkers: 1\n" + OLD
        for old, new in changes.items():
            text = text.replace(old.replace("_", ": "), new)
        return load_text(text, "pipeline.yaml")

    say_what_stays(loaded(), loaded(), supervised=False)
    assert not caplog.records
    changed = loaded(listen_4000="listen: 4001", workers_1="workers: 2", metrics="metrics: {listen: 9100}")
    say_what_stays(loaded(), changed, supervised=False)
    say_what_stays(loaded(), loaded(memory="memory, keep: 1d", workers_1="workers: 2"), supervised=True)
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "listen, metrics.listen, workers",
        "stores.responses",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
