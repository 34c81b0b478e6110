"""`penstock serve`: starts the server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import textwrap

import msgspec
import uvloop

from ..assembly import KEY_FILE
from ..config.file import Config
from ..config.listen import Listen
from ..config.loader import load, load_text
from ..errors import ConfigError, ConfigMissing
from ..litellm.loading import load_litellm
from ..logs.diagnostics import log_to
from ..server.app import App
from ..stores.config import MemoryConfig
from ..stores.store import StoreFailed
from ..worker import Worker, listener
from ..workers import Supervisor
from .report import missing_keys

_ONE_UPSTREAM = """\
upstreams:
  upstream: {{kind: openai-compatible, base_url: {url}}}
models:
  "*": ["upstream/*"]
stores:
  responses: {{kind: memory}}
pipeline: [route, stream-translate]
"""
_COUNTERS = "PENSTOCK_COUNTERS"
_PEERS = "PENSTOCK_PEERS"


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
    try:
        config = _config(args)
    except ConfigError as error:
        return _report(error)
    if not config.listen.loopback and not config.asks_for_keys:
        print(
            f"penstock: {config.listen.written} is open to other machines, and no stage asks them for a key"
            '   (add "auth" to the pipeline, or listen on 127.0.0.1)',
            file=sys.stderr,
        )
        return 2
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    shared = config.workers > 1
    if shared and isinstance(config.stores.responses, MemoryConfig):
        advice = "serve a file with stores: {responses: {kind: sqlite}}"
        print(f"penstock: in memory each worker knows its own responses only   ({advice})", file=sys.stderr)
    try:
        if shared and config.listen.port:  # a port that is shared can be shared with another Penstock by mistake
            listener(config.listen.host, config.listen.port, shared=False).close()
        sock = listener(config.listen.host, config.listen.port, shared=shared)
    except OSError as error:
        print(f"penstock: cannot listen on {config.listen.written}: {error.strerror or error}", file=sys.stderr)
        return 1
    if not shared:
        return _serve(config, sock, announce=True, supervised=False)
    with contextlib.closing(sock), tempfile.TemporaryDirectory(prefix="penstock-") as directory:
        os.environ.setdefault(_COUNTERS, os.path.join(directory, "counters"))
        os.environ[KEY_FILE] = os.path.join(directory, "key")
        os.environ[_PEERS] = directory  # only this user may enter it
        host, port = sock.getsockname()[:2]  # bound, never listened on: keeps the port while workers come and go
        return Supervisor(config.workers, lambda index: _work(config, host, port, index)).run()


def _config(args: argparse.Namespace) -> Config:
    if args.upstream is not None:
        config = load_text(_ONE_UPSTREAM.format(url=msgspec.json.encode(args.upstream).decode()), "--upstream")
    elif args.litellm_config is not None:
        loaded = load_litellm(args.litellm_config)
        os.environ.update(loaded.environ)  # libraries that look for credentials by themselves look there
        config = loaded.config
    else:
        config = load(args.config or "pipeline.yaml")
    listen = config.listen
    host = args.host if args.host is not None else listen.host
    port = args.port if args.port is not None else listen.port
    listen = Listen(host, port)
    workers = config.workers if args.workers is None else max(1, args.workers)
    return msgspec.structs.replace(config, listen=listen, workers=workers)


def _work(config: Config, host: str, port: int, index: int) -> int:
    os.environ["PENSTOCK_WORKER"] = str(index)
    return _serve(config, listener(host, port, shared=True), announce=index == 0, supervised=True)


def _serve(config: Config, sock: socket.socket, *, announce: bool, supervised: bool) -> int:
    """Runs one worker in this process."""
    address = sock.getsockname()
    written = Listen(str(address[0]), int(address[1])).written

    def ready(app: App) -> None:
        if announce:
            announcing.append(asyncio.ensure_future(_announce(config, app, written)))

    announcing: list[asyncio.Task[None]] = []
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Worker(config, sock, ready, supervised=supervised).run())
    except ConfigError as error:
        return _report(error)
    except StoreFailed as error:
        print(f"penstock: responses cannot be kept: {error}   (stores.responses of {config.file})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _report(error: ConfigError) -> int:
    print(error, file=sys.stderr)
    return 2 if isinstance(error, ConfigMissing) else 1


def _first(names: list[str], most: int = 12) -> list[str]:
    return [*names[:most], *(["..."] if len(names) > most else [])]


async def _announce(config: Config, app: App, address: str) -> None:
    """Prints where the server is, what it serves, and a request that works when it is pasted."""
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
    key = " -H 'authorization: Bearer YOUR_KEY'" if config.asks_for_keys else ""
    body = f'{{"model": "{model}", "input": "Hello, river.", "stream": true}}'
    print(
        f"try:\n  curl -N http://{address}/v1/responses -H 'content-type: application/json'{key} -d '{body}'",
        flush=True,
    )
