"""An S3 of a test's own over real HTTP: moto's server on a port of the loopback, which can go away and come back."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

ACCESS_KEY, SECRET_KEY, REGION = "AKIAPLANTED012345678", "planted-secret-key-of-s3", "us-east-1"


class S3Server:
    """A running server. What it holds stays while it is away, and is shared by all servers of one process."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._place = _bound(0)  # so that the port is nobody else's while the server is away
        self._port: int = self._place.getsockname()[1]
        self._buckets = 0
        self.start()

    @property
    def url(self) -> str:
        """Where it is: the `endpoint_url` of clients."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, on the port it had before."""
        with _bound(self._port) as listening:
            listening.listen(128)
            self._server = make_server("127.0.0.1", self._port, self._app, threaded=True, fd=listening.fileno())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Takes it away: connections are refused from here on."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(20)
            self._server = None

    def client(self) -> boto3.client:
        """Returns a blocking client, for a look at what is there."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def bucket(self) -> str:
        """Makes an empty bucket and returns its name: one for each test."""
        self._buckets += 1
        name = f"bucket-{self._buckets}"
        self.client().create_bucket(Bucket=name)
        return name

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Returns every object of a bucket by its key; what is compressed is opened."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        found = {}
        for key in [entry["Key"] for page in pages for entry in page.get("Contents", ())]:
            data = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            found[key] = gzip.decompress(data) if key.endswith(".gz") else data
        return found


def _bound(port: int) -> socket.socket:
    """Returns a socket that has a port, which only others of this kind may have too; nobody listens at it."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made


_shared: list[S3Server] = []


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Lends the process's one server, running; it is started once, since that takes a second."""
    if not _shared:
        _shared.append(S3Server())
    server = _shared[0]
    if server._server is None:
        server.start()
    try:
        yield server
    finally:
        if server._server is None:
            server.start()
