"""Azure on the loopback: a resource that takes what Azure takes, and those that hand out tokens of Entra ID."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.hostile import HostileUpstream, Peer, chunked, fixed

JSON = "content-type: application/json\r\n"
STREAM = "content-type: text/event-stream\r\n"


class Asked(NamedTuple):
    """One request that came: its target apart, headers by lower-case name, the JSON of its body."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


def read(request: bytes) -> Asked:
    """Returns what a request says."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(
        method, parts.path, parse_qs(parts.query), headers, json.loads(body) if body[:1] in (b"{", b"[") else body
    )


class Azure:
    """A resource. Every request gets what `answer` returns for it, whole bytes of HTTP; `asked` holds the requests."""

    def __init__(self, *answers: bytes | Callable[[Asked], bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.upstream = HostileUpstream(self._script)

    async def _script(self, peer: Peer) -> None:
        while True:
            asked = read(await peer.request())
            self.asked.append(asked)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await peer.send(answer if isinstance(answer, bytes) else answer(asked))

    async def __aenter__(self) -> Self:
        await self.upstream.__aenter__()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.upstream.__aexit__()

    @property
    def origin(self) -> str:
        """Where it is."""
        return self.upstream.origin


def said(value: Any, status: int = 200, headers: str = "") -> bytes:
    """Returns a JSON answer."""
    return fixed(json.dumps(value).encode(), status=status, headers=JSON + headers)


def streamed(body: bytes) -> bytes:
    """Returns an answer that is a stream of events."""
    return chunked(body, headers=STREAM)


class Identity:
    """The machine's own server of tokens (IMDS): hands out `token-1`, `token-2` and so on, or refuses."""

    def __init__(self, *, lasts_s: int = 3600, refuses: bool = False) -> None:
        self.lasts_s = lasts_s
        self.refuses = refuses
        self.count = 0
        self.azure = Azure(self._answer)

    def _answer(self, asked: Asked) -> bytes:
        if "resource" not in asked.query or asked.headers.get("metadata") != "true":
            return said({"error": "invalid_request"}, 400)
        if self.refuses:
            return said({"error": "invalid_request", "error_description": "Identity not found"}, 400)
        self.count += 1
        expires_on = int(time.time()) + self.lasts_s
        return said(
            {
                "access_token": f"token-{self.count}",
                "expires_in": str(self.lasts_s),
                "expires_on": str(expires_on),
                "token_type": "Bearer",
                "resource": asked.query["resource"][0],
            }
        )

    async def __aenter__(self) -> Self:
        await self.azure.__aenter__()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.azure.__aexit__()
