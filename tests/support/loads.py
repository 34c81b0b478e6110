"""Says which modules a server loads: `python -m tests.support.loads FILE` prints them as JSON, by when they come.

`read` are those that are there when the file was read, which workers that are forked then share; `started` those that
come before the address is served, `asked` those that come with requests.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys

import uvloop

REQUESTS = (
    ("responses", {"model": "echo", "input": "Hello.", "stream": True}),
    ("responses", {"model": "echo-tools", "input": "Hello.", "tools": [{"type": "function", "name": "look"}]}),
    ("responses", {"model": "echo-error-400", "input": "Hello."}),
    ("chat/completions", {"model": "echo", "messages": [{"role": "user", "content": "Hello."}], "stream": True}),
    ("chat/completions", {"model": "echo", "messages": [{"role": "user", "content": "Hello."}]}),
    ("responses", {"model": "nobody", "input": "Hello."}),
)


def main(file: str) -> dict[str, list[str]]:
    """Serves a file, asks it something, and returns what was loaded when."""
    importlib.import_module("proxy.cli.serve")
    worker = importlib.import_module("proxy.worker")
    config = importlib.import_module("proxy.config.loader").load(file)
    importlib.import_module("proxy.serving").load_parts(config)
    found = {"read": sorted(sys.modules)}
    sock = worker.listener("127.0.0.1", 0)

    def new() -> list[str]:
        return sorted(set(sys.modules).difference(*found.values()))

    async def serve() -> None:
        ready = asyncio.Event()
        serving = worker.Worker(config, sock, lambda _: ready.set())
        running = asyncio.create_task(serving.run())
        await ready.wait()
        found["started"] = new()
        statuses = [await ask(sock.getsockname()[1], path, body) for path, body in REQUESTS]
        found["asked"] = new()
        found["statuses"] = statuses
        serving.stop()
        await running

    uvloop.run(serve())
    return found


async def ask(port: int, path: str, body: object) -> str:
    """Sends one request; returns the status of its answer, once that is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    head = f"POST /v1/{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
    writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    answer = await reader.read()
    writer.close()
    return answer.split(b" ", 2)[1].decode()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
