"""`penstock serve` as its user meets it: what it prints, what it refuses, how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from proxy.cli import main
from tests.support.programs import needs_curl
from tests.support.serving import PENSTOCK, ROOT, Served, serving

ECHO = """\
upstreams: {echo: {kind: echo}}
models: {"echo*": ["echo/echo*"], echo: [echo/echo]}
pipeline: [route, stream-translate]
"""


def post(url: str, body: dict[str, object], path: str = "/responses") -> bytes:
    """Sends a JSON request; returns the body of the answer."""
    request = urllib.request.Request(
        url + path, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        data: bytes = response.read()
        return data


def refused(*arguments: str, config: str | None = None, directory: Path) -> tuple[int, str]:
    """Runs a server that must not start; returns its exit code and what it said."""
    if config is not None:
        (directory / "pipeline.yaml").write_text(config)
    done = subprocess.run(
        [*PENSTOCK, "serve", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def shipped() -> Iterator[Served]:
    """A server of the shipped file, without a key: what asks it leaves it as it is."""
    with serving() as served:
        yield served


@pytest.fixture
def tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Returns what starts a server that must not start, in this process."""

    def start(*arguments: str, config: str | None) -> tuple[int, str]:
        if config is not None:
            (tmp_path / "pipeline.yaml").write_text(config)
        monkeypatch.chdir(tmp_path)
        return main(["serve", *arguments]), capsys.readouterr().err

    return start


@pytest.mark.parametrize("port", ["70000", "-1", "http", "²"])
def test_a_port_that_is_none_is_refused(port: str, tried: Callable[..., tuple[int, str]]) -> None:
    code, said = tried("--port", port, config=ECHO)
    assert code == 2
    assert "is no port" in said


@needs_curl
def test_the_printed_curl_line_works_when_it_is_pasted(shipped: Served) -> None:
    line = next(line for line in shipped.said if "curl" in line)
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20, check=True)
    assert shlex.split(line)[0] == "curl"
    assert any("echo" in said for said in shipped.said if said.startswith("models:"))
    assert "event: response.completed" in done.stdout
    assert done.stdout.endswith("data: [DONE]\n\n")


def test_the_shipped_file_serves_whoever_has_a_key(shipped: Served) -> None:
    with serving(env={"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": shipped.url}) as served:
        answer = json.loads(post(served.url, {"model": "openai/echo", "input": "by its prefix"}))
        assert answer["output"][0]["content"][0]["text"] == "by its prefix"
        [models] = [line for line in served.said if line.startswith("models:")]
        assert models.endswith("openai/*, gpt-*, chatgpt-*, o1*, o3*, o4*, codex-*, computer-use-*, ft:gpt-*")
        more = " ".join(served.said).partition("more is served with: ")[2].partition(" try:")[0]
        assert "OPENAI_API_KEY" not in more
        assert "ANTHROPIC_API_KEY, " in more
        assert len(served.said) <= 12
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(served.url, {"model": "groq/x", "input": "by its prefix"})
    assert "GROQ_API_KEY is not set" in refused.value.read().decode()


def test_one_upstream_needs_no_file(shipped: Served, tmp_path: Path) -> None:
    with serving("--upstream", shipped.url, directory=tmp_path) as served:
        answer = json.loads(post(served.url, {"model": "echo", "input": "over two hops"}))
    assert answer["output"][0]["content"][0]["text"] == "over two hops"


@pytest.mark.parametrize(
    ("arguments", "config", "code", "says"),
    [
        ((), None, 2, "pipeline.yaml"),
        (("--config", "other.yaml"), ECHO, 2, "other.yaml"),
        ((), "pipeline: [rout]\n", 1, 'unknown stage "rout"'),
        (("--host", "0.0.0.0"), ECHO, 2, "no stage asks them for a key"),
        ((), "listen: 0.0.0.0:4000\n" + ECHO, 1, "no stage asks them for a key"),
        (("--host", "192.0.2.1", "--port", "0"), ECHO, 2, "open to other machines"),
    ],
)
def test_what_cannot_be_served_is_said(
    tried: Callable[..., tuple[int, str]], arguments: tuple[str, ...], config: str | None, code: int, says: str
) -> None:
    found, said = tried(*arguments, config=config)
    assert (found, says in said) == (code, True), said
    assert "Traceback" not in said


@pytest.mark.parametrize("path", ["none/kept.db", "taken", "pipeline.yaml"])
def test_a_store_that_cannot_be_opened_is_one_line(
    tmp_path: Path, tried: Callable[..., tuple[int, str]], path: str
) -> None:
    (tmp_path / "taken").mkdir()
    stores = f"stores: {{responses: {{kind: sqlite, path: {path}}}}}\n"
    code, said = tried("--port", "0", config=stores + ECHO)
    assert code == 1
    (line,) = [line for line in said.splitlines() if line]
    assert line.startswith(f"penstock: responses cannot be kept: {path}: "), said


def test_a_port_that_is_taken_is_said(shipped: Served, tmp_path: Path) -> None:
    port = shipped.url.rsplit(":", 1)[1].removesuffix("/v1")
    code, said = refused("--port", port, config=ECHO, directory=tmp_path)
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said


def test_a_key_in_the_environment_serves_openai(shipped: Served) -> None:
    with serving(env={"OPENAI_API_KEY": "sk-test"}) as served:
        assert not [line for line in served.said if line.startswith("not served")]
        assert "sk-test" not in "\n".join(served.said)
    assert any("OPENAI_API_KEY" in line for line in shipped.said)
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(shipped.url, {"model": "gpt-5", "input": "x"})
    error = json.loads(caught.value.read())["error"]
    assert error["code"] == "model_not_found"
    assert "OPENAI_API_KEY" in error["message"]


class Reader(threading.Thread):
    """Reads a slow stream to its end."""

    def __init__(self, served: Served, text: str) -> None:
        super().__init__()
        self.served, self.text = served, text
        self.data = b""
        self.begun = threading.Event()

    def run(self) -> None:
        body = json.dumps({"model": "echo", "input": self.text, "stream": True}).encode()
        request = urllib.request.Request(
            self.served.url + "/responses", body, {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            while line := response.readline():
                self.data += line
                if b"output_text.delta" in line:
                    self.begun.set()


def test_a_stopped_server_lets_streams_end(tmp_path: Path) -> None:
    with serving(config=ECHO, directory=tmp_path) as served:
        reader = Reader(served, "[[tokens_per_s=40]] [[repeat=10]] [[say one two three ]]")
        reader.start()
        assert reader.begun.wait(10)
        served.process.send_signal(signal.SIGTERM)
        reader.join(15)
        assert b"event: response.completed" in reader.data
        assert served.process.wait(10) == 0


def test_a_stream_that_outlives_the_drain_is_told(tmp_path: Path) -> None:
    with serving(config="limits: {drain: 200ms}\n" + ECHO, directory=tmp_path) as served:
        reader = Reader(served, "[[stall 3]] one two three four five")
        reader.start()
        assert reader.begun.wait(10)
        served.process.send_signal(signal.SIGTERM)
        reader.join(15)
        assert b"event: response.failed" in reader.data
        assert b"shutting down" in reader.data
        assert served.process.wait(10) == 0


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with serving(config=ECHO, directory=tmp_path) as served:
        reader = Reader(served, "[[stall 3]] one two three four five")
        reader.start()
        assert reader.begun.wait(10)
        served.process.send_signal(signal.SIGINT)
        ready = served.url.removesuffix("/v1")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(ready + "/readyz", timeout=1).close()
            except OSError:
                break  # the listener is closed: the first signal has been taken
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(15) == 0
        reader.join(15)
    assert b"event: response.failed" in reader.data


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_that_comes_too_early_waits(workers: int, tmp_path: Path) -> None:
    """The file is a pipe at first: who reads it waits until there is something in it."""
    text = f"workers: {workers}\n{ECHO}"
    file = tmp_path / "pipeline.yaml"
    os.mkfifo(file)
    process = subprocess.Popen(
        [*PENSTOCK, "serve", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        with opened(file) as pipe:
            process.send_signal(signal.SIGHUP)
            file.unlink()
            file.write_text(text)  # for those who read it again
            pipe.write(text)
        assert "is used" in process.stderr.readline()
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stderr.close()


def opened(pipe: Path) -> IO[str]:
    """Waits until somebody reads a pipe; returns its other end."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "w")
        time.sleep(0.005)  # another process opens it: nothing tells of it
    raise AssertionError("nobody reads the file")


def test_workers_share_a_port_and_come_back(tmp_path: Path) -> None:
    config = "workers: 2\n" + ECHO

    def children(pid: int) -> set[int]:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    with serving(config=config, directory=tmp_path) as served:
        first = children(served.process.pid)
        assert len(first) == 2
        port = served.url.rsplit(":", 1)[1].removesuffix("/v1")
        code, said = refused("--port", port, config=config, directory=tmp_path)
        assert code == 1, "two servers share one port"
        assert "in use" in said
        for _ in range(10):
            post(served.url, {"model": "echo", "input": "x"})
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not (len(now := children(served.process.pid)) == 2 and victim not in now):
            time.sleep(0.005)  # a grandchild: nothing tells this process of it
        assert len(children(served.process.pid) - {victim}) == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_memory_stays_flat_over_many_streams_and_dropped_clients(tmp_path: Path) -> None:
    """A client that does not read, many that leave, many that stay: the process does not grow with them."""

    def resident(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with serving(config=ECHO + "stores: {responses: {kind: none}}\n", directory=tmp_path) as served:
        port = int(served.url.rsplit(":", 1)[1].removesuffix("/v1"))

        async def one(number: int) -> None:
            text = "[[repeat=40]] [[say word after word ]]"
            body = json.dumps({"model": "echo", "input": text, "stream": True}).encode()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
            if number % 3:
                assert (await reader.read()).endswith(b"0\r\n\r\n")
            else:
                await reader.readuntil(b"response.in_progress")
            writer.close()

        async def many(count: int) -> None:
            for start in range(0, count, 25):
                await asyncio.gather(*map(one, range(start, start + 25)))

        await many(150)
        before = resident(served.process.pid)
        await many(600)
        grown = resident(served.process.pid) - before
    assert grown < 8 * 1024 * 1024
