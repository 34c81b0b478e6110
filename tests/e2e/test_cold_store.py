"""`penstock serve` with two workers over a bucket of moto's: chains that have left the disk, kills, outages."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server, s3_server
from tests.support.serving import serving

FILE = """\
workers: 2
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo]}
stores:
  responses: {kind: sqlite, path: kept.db, max_bytes: 6KiB}
  cold:
    kind: s3
    bucket: BUCKET
    prefix: of/penstock
    endpoint_url: URL
    region: us-east-1
    access_key_id: env:S3_ID
    secret_access_key: env:S3_KEY
    timeout: 20s
pipeline: [route, stream-translate]
"""
ENV = {"S3_ID": ACCESS_KEY, "S3_KEY": SECRET_KEY}


@pytest.fixture
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # what other processes do to file and bucket shows there alone


def alone(path: Path) -> set[str]:
    """Returns the ids whose bodies are in the bucket alone."""
    with closing(sqlite3.connect(path)) as db:
        return {id for (id,) in db.execute("SELECT id FROM cold JOIN entries ON seq = entry WHERE state = 2")}


class Client:
    """Asks one server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=30)

    def delete(self, path: str) -> requests.Response:
        return requests.delete(self.url + path, timeout=30)

    def create(self, text: str, previous: str | None) -> requests.Response:
        asked = {"model": "echo", "input": text, "previous_response_id": previous}
        return requests.post(f"{self.url}/responses", json=asked, timeout=30)


def said(text: str, previous: str | None, client: Client) -> dict[str, Any]:
    answer = client.create(text, previous)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_chain_goes_on_over_the_bucket_through_kills_and_outages(server: S3Server, tmp_path: Path) -> None:
    bucket, s3 = server.bucket(), server.client()
    text = FILE.replace("BUCKET", bucket).replace("URL", server.url)
    made: list[dict[str, Any]] = []

    def go_on(turns: int, client: Client) -> None:
        for _ in range(turns):
            made.append(said(f"turn {len(made)}", made[-1]["id"] if made else None, client))

    def keys() -> list[str]:
        listed = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
        return [entry["Key"] for entry in listed]

    def ids() -> set[str]:
        return {key.rsplit("/", 1)[1].removesuffix(".json.zst") for key in keys()}

    with serving(config=text, directory=tmp_path, env=ENV) as served:
        client = Client(served.url)
        go_on(10, client)
        os.kill(served.process.pid, signal.SIGKILL)
    with serving(directory=tmp_path, env=ENV) as served:
        client = Client(served.url)
        go_on(10, client)
        until(lambda: ids() == {one["id"] for one in made})
        go_on(1, client)  # whose put lets the bodies of the others go
        first = made[0]["id"]
        until(lambda: first in alone(tmp_path / "kept.db"))
        assert all(key.startswith("of/penstock/") for key in keys())
        assert client.get(f"/responses/{first}").json() == made[0]
        (item,) = client.get(f"/responses/{first}/input_items").json()["data"]
        assert item["content"][0]["text"] == "turn 0"
        tokens = [one["usage"]["input_tokens"] for one in made]
        assert tokens == sorted(set(tokens))

    server.stop()
    with serving(directory=tmp_path, env=ENV) as served:  # which remembers nothing, and starts without the bucket
        client = Client(served.url)
        assert client.get(f"/responses/{made[1]['id']}").status_code == 503
        refused = client.create("more", made[-1]["id"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert client.get("/responses/resp_unknown").status_code == 404
        assert client.delete(f"/responses/{first}").json()["deleted"] is True
        assert client.get(f"/responses/{first}").status_code == 404
        server.start()
        until(lambda: first not in ids())
        assert client.get(f"/responses/{first}").status_code == 404
        gone = client.create("more", made[-1]["id"])
        assert gone.json()["error"]["code"] == "previous_response_not_found"
        assert client.get(f"/responses/{made[1]['id']}").json() == made[1]
