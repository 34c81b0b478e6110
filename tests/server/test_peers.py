"""Ways to the other workers: found by id, over a unix socket, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.api.responses.ids import forget_worker, new_response_id
from proxy.server.connection import Server
from proxy.server.peers import Peers
from proxy.stores.memory import MemoryStore
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream

ASKED = {"model": "m", "input": "hi", "stream": True}


@pytest.fixture(autouse=True)
def _nobody_else() -> Iterator[None]:
    """Lets nobody else have the numbers of these tests."""
    yield
    forget_worker()


def be_worker(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process the worker of a number."""
    monkeypatch.setenv("PENSTOCK_WORKER", str(number))
    forget_worker()


def id_of(worker: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns an id that a worker has made."""
    be_worker(worker, monkeypatch)
    return new_response_id()


def test_only_another_worker_that_listens_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peers = Peers(tmp_path, 0)
    (tmp_path / "1.sock").touch()
    assert peers.own_socket == tmp_path / "0.sock"
    assert peers.maker_of(id_of(1, monkeypatch)) == 1
    assert peers.maker_of(id_of(0, monkeypatch)) is None
    assert peers.maker_of(id_of(2, monkeypatch)) is None
    assert peers.maker_of("resp_x") is None


def test_a_worker_that_is_alone_has_no_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_PEERS", raising=False)
    peers = Peers.of_process()
    assert peers.own_socket is None
    assert peers.maker_of(id_of(3, monkeypatch)) is None


async def test_a_request_is_passed_on_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_worker(1, monkeypatch)
    provider = ScriptedProvider("a", stream(chunk(content="x"), finish()))
    async with house(provider, store=MemoryStore(), peers=Peers(tmp_path, 1)) as maker:
        data = (await maker.ask(stream=True))[2]
        id = "resp_" + data.partition(b'"id":"resp_')[2][:48].decode()
        server = Server(maker.app.handle_from_peer, access_log=None, auto_decompress=False)
        listening = await asyncio.get_running_loop().create_unix_server(server, tmp_path / "1.sock")
        async with house(provider, store=MemoryStore(), peers=Peers(tmp_path, 0)) as other:
            async with other.session.get(f"{other.url}/responses/{id}") as response:
                assert (response.status, (await response.json())["id"]) == (200, id)
            async with other.session.get(f"{other.url}/responses/{id}?stream=true") as response:
                assert await response.read() == data
                assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            async with other.session.get(f"{other.url}/responses/{id_of(1, monkeypatch)}") as response:
                assert response.status == 404
            listening.close()
            await server.shutdown(1)
            (tmp_path / "1.sock").touch()
            async with other.session.get(f"{other.url}/responses/{id}") as response:
                assert response.status == 404  # that worker is gone, and took its memory with it


async def test_a_worker_that_does_not_answer_is_no_worker_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.server.peers._ANSWER_S", 0.05)
    be_worker(0, monkeypatch)
    gone = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    provider = ScriptedProvider("a", stream(chunk(content="x"), finish()))
    async with house(provider, store=MemoryStore(), peers=Peers(tmp_path, 0)) as home:
        listening = await asyncio.start_unix_server(hang, tmp_path / "1.sock")
        for method, what in (("GET", ""), ("POST", "/cancel"), ("DELETE", "")):
            url = f"{home.url}/responses/{id_of(1, monkeypatch)}{what}"
            async with home.session.request(method, url) as response:
                assert (response.status, response.headers["retry-after"]) == (503, "1")
            await asyncio.wait_for(gone.wait(), 5)
            gone.clear()
        listening.close()


async def test_a_drain_waits_for_those_who_read_from_another_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_worker(1, monkeypatch)
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="x"), gate, finish()))
    async with house(provider, store=MemoryStore(), peers=Peers(tmp_path, 1)) as maker:
        server = Server(maker.app.handle_from_peer, access_log=None, auto_decompress=False)
        await asyncio.get_running_loop().create_unix_server(server, tmp_path / "1.sock")
        async with house(provider, store=MemoryStore(), peers=Peers(tmp_path, 0)) as other:
            async with maker.session.post(f"{maker.url}/responses", json=ASKED) as first:
                id = "resp_" + (await first.content.readuntil(b'"x"')).partition(b'"id":"resp_')[2][:48].decode()
                async with other.session.get(f"{other.url}/responses/{id}?stream=true") as second:
                    assert not await other.app.drained(0.01)
                    gate.set()
                    assert (await second.read()).endswith(b"[DONE]\n\n")
            assert await other.app.drained(5)
        await server.shutdown(1)
