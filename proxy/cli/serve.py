"""`penstock serve`: starts the server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import socket
import sys
import tempfile
import textwrap

import uvloop

from ..assembly import KEY_FILE
from ..config.file import Config
from ..config.listen import Listen
from ..errors import ConfigError, ConfigMissing
from ..logs.diagnostics import log_to
from ..metrics.stage import metrics_listen
from ..reload import read_again, say_what_stays
from ..rollout import Assignment
from ..server.app import App
from ..serving import load_parts
from ..shares import Shares
from ..stores.config import MemoryConfig
from ..stores.store import StoreFailed
from ..worker import Post, Worker, listener
from ..workers import Supervisor
from .report import missing_keys
from .serve_config import Asked, open_to_anybody

_COUNTERS = "PENSTOCK_COUNTERS"
_PEERS = "PENSTOCK_PEERS"
_LOOK_S = 0.01
_LOOKS = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--config", metavar="FILE", help="the file to serve (default: pipeline.yaml)")
    parser.add_argument("--host", help="the address to listen on, instead of the file's")
    parser.add_argument("--port", type=_port, help="the port to listen on, instead of the file's; 0 takes any free one")
    parser.add_argument("--workers", type=int, metavar="N", help="how many processes, instead of the file's")
    parser.add_argument(
        "--upstream", metavar="URL", help="serve every model name from this chat-completions server; needs no file"
    )
    parser.add_argument(
        "--litellm-config", metavar="FILE", help="serve what a configuration of LiteLLM's proxy says, as it stands"
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (0 to 65535)")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Serves until it is stopped; returns the exit code."""
    log_to(sys.stderr)
    asked = Asked(
        file=args.config,
        upstream=args.upstream,
        litellm=args.litellm_config,
        host=args.host,
        port=args.port,
        workers=args.workers,
    )
    try:
        config = asked.config()
    except ConfigError as error:
        return _report(error)
    if (refusal := open_to_anybody(config, config.listen)) is not None:
        print("penstock: {}   ({})".format(*refusal), file=sys.stderr)
        return 2
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    shared = config.workers > 1
    if shared and isinstance(config.stores.responses, MemoryConfig):
        advice = "serve a file with stores: {responses: {kind: sqlite}}"
        print(f"penstock: in memory each worker knows its own responses only   ({advice})", file=sys.stderr)
    try:
        sock, for_metrics = _listeners(config)
    except _Taken as error:
        print(f"penstock: cannot listen on {error}", file=sys.stderr)
        return 1
    if not shared:
        return _serve(config, sock, for_metrics, asked)
    with contextlib.closing(sock), tempfile.TemporaryDirectory(prefix="penstock-") as directory:
        os.environ.setdefault(_COUNTERS, os.path.join(directory, "counters"))
        os.environ[KEY_FILE] = os.path.join(directory, "key")
        os.environ[_PEERS] = directory  # only this user may enter it
        return _Host(config, sock, for_metrics, asked).run()


class _Taken(Exception):
    """An address cannot be listened on."""


def _listeners(config: Config) -> tuple[socket.socket, socket.socket | None]:
    """Returns the sockets for clients and, if the file says so, for metrics. Raises _Taken."""
    own = metrics_listen(config)
    return _listener(config.listen), None if own is None else _listener(own)


def _listener(listen: Listen) -> socket.socket:
    try:
        return listener(listen.host, listen.port)
    except OSError as error:
        raise _Taken(f"{listen.written}: {error.strerror or error}") from None


class _Host:
    """Several workers, and the configuration that they serve."""

    def __init__(self, config: Config, sock: socket.socket, for_metrics: socket.socket | None, asked: Asked) -> None:
        self._config = self._first = config
        self._sock = sock
        self._for_metrics = for_metrics
        self._asked = asked
        self._shares = Shares()

    def run(self) -> int:
        """Runs them until they are stopped; returns the exit code."""
        assignment = self._assignment(self._config)
        gc.collect()
        gc.freeze()  # the collectors of the workers leave it alone, and so it stays shared
        return Supervisor(assignment, self._again, self._shares.leave).run()

    def _assignment(self, config: Config) -> Assignment:
        load_parts(config)
        self._shares.expect(config.workers)
        return Assignment(
            config.workers, lambda index, line: self._work(config, index, line), config.file, config.digest
        )

    def _again(self) -> Assignment | None:
        config = read_again(lambda: self._asked.again(self._first.listen))
        if config is None:
            return None
        say_what_stays(self._first, config, supervised=True)
        return self._assignment(config)

    def _work(self, config: Config, index: int, line: socket.socket) -> int:
        os.environ["PENSTOCK_WORKER"] = str(index)
        post = Post(index, self._shares, line)
        return _serve(config, self._sock, self._for_metrics, self._asked, post)


def _serve(
    config: Config, sock: socket.socket, for_metrics: socket.socket | None, asked: Asked, post: Post | None = None
) -> int:
    """Runs one worker in this process."""
    address = sock.getsockname()
    listen = Listen(str(address[0]), int(address[1]))

    def ready(app: App) -> None:
        if post is None or not post.index:
            pid = None if asked.upstream is not None else os.getpid() if post is None else os.getppid()
            announcing.append(asyncio.ensure_future(announce(app, pid)))

    async def announce(app: App, pid: int | None) -> None:
        if post is not None:
            await _all_there(post.shares, config.workers)
        await _announce(config, app, listen.written, pid)

    announcing: list[asyncio.Task[None]] = []
    worker = Worker(config, sock, ready, for_metrics=for_metrics, load=lambda: asked.again(config.listen), post=post)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(worker.run())
    except ConfigError as error:
        return _report(error)
    except StoreFailed as error:
        print(f"penstock: responses cannot be kept: {error}   (stores.responses of {config.file})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _all_there(shares: Shares, count: int) -> None:
    """Waits until all workers take part; not for long: one may be unable to start."""
    for _ in range(_LOOKS):
        if shares.there >= count:
            return
        await asyncio.sleep(_LOOK_S)  # they are other processes: nothing tells of it


def _report(error: ConfigError) -> int:
    print(error, file=sys.stderr)
    return 2 if isinstance(error, ConfigMissing) else 1


def _first(names: list[str], most: int = 12) -> list[str]:
    return [*names[:most], *(["..."] if len(names) > most else [])]


async def _announce(config: Config, app: App, address: str, pid: int | None) -> None:
    """Prints where the server is, what it serves, how it is told to read its file again, and a request to paste."""
    names = list(await app.catalog.names())
    patterns = [name for name in config.models if "*" in name]
    model = names[0] if names else (patterns[0] if patterns else "MODEL")
    shown = ", ".join([*_first(names), *_first(patterns)])
    workers = "1 worker" if config.workers == 1 else f"{config.workers} workers"
    print(f"Penstock serves http://{address}/v1 ({config.file}, {workers})")
    print(f"models: {shown or 'none'}")
    for skipped in config.skipped:
        if skipped.kind == "upstream" and not skipped.missing:
            print(f"not served: {skipped.name} ({skipped.reason})")
    if keys := missing_keys(config):
        print(textwrap.fill(f"more is served with: {keys}", 110, subsequent_indent="  ", break_on_hyphens=False))
    if pid is not None:
        print(f"read the file again: kill -HUP {pid}")
    key = " -H 'authorization: Bearer YOUR_KEY'" if config.asks_for_keys else ""
    body = f'{{"model": "{model}", "input": "Hello, river.", "stream": true}}'
    print(
        f"try:\n  curl -N http://{address}/v1/responses -H 'content-type: application/json'{key} -d '{body}'",
        flush=True,
    )
