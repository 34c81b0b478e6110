import asyncio

import pytest

from bench.load import Job, Load
from bench.peers.nginx import command, program
from bench.processes import Process
from bench.targets import free_port
from bench.upstream import Upstream


@pytest.mark.skipif(program() is None, reason="nginx is one of the peers, which need not be on every machine")
async def test_it_passes_everything_on(tmp_path):
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    async with server:
        port = free_port()
        words = command(server.sockets[0].getsockname()[1], port, tmp_path)
        with Process(words, errors=tmp_path / "nginx.err", quiet=True) as process:
            await asyncio.to_thread(process.wait_for, port, 20)
            report = await Load(Job(port=port, dialect="chat", connections=2, each=2, pieces=20)).run()
    assert (report.errors, report.answers) == (0, 4), report.examples
