"""Ways to the other workers: found by id, over a unix socket, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proxy.api.responses.ids import new_response_id
from proxy.server.connection import Server
from proxy.server.peers import Peers
from proxy.stores.memory import MemoryStore
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream


def id_of(worker: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns an id that a worker has made."""
    monkeypatch.setenv("PENSTOCK_WORKER", str(worker))
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
    monkeypatch.setenv("PENSTOCK_WORKER", "1")
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
