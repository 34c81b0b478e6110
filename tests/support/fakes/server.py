"""What all fake providers do on the socket: read a request, check it, answer; refuse as their provider would."""

from __future__ import annotations

import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.support.fakes.mind import Asked, Turn, answer
from tests.support.hostile import HostileUpstream, Peer, chunked, fixed

JSON = "content-type: application/json\r\n"
SSE = "content-type: text/event-stream\r\n"
KEY = "key-of-the-fake"


class Received(NamedTuple):
    """One request: its method, its target as it was sent, its headers by lower-case name, its body."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def fields(self) -> dict[str, Any]:
        """The body, a JSON object."""
        fields: dict[str, Any] = json.loads(self.body)
        return fields


def received(raw: bytes) -> Received:
    """Returns what a request says."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Received(method, target, headers, body, raw)


class Refused(Exception):
    """The provider has nothing like what was asked, or wants to know who asks; `kind` is a key of `errors`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Told(NamedTuple):
    """An error as a provider tells it: its status, its body, more lines of its head."""

    status: int
    body: Any
    headers: str = ""


def bearer(request: Received) -> None:
    """Raises Refused for a request that does not bear the key."""
    if request.headers.get("authorization") != f"Bearer {KEY}":
        raise Refused("key", "Incorrect API key provided.")


class Cut(bytes):
    """An answer behind whose last byte the connection ends."""


class Fake(HostileUpstream, ABC):
    """A provider. `asked` holds what it was asked, `mistakes` what was wrong with requests."""

    def __init__(self) -> None:
        super().__init__(self._talk)
        self.asked: list[Asked] = []
        self.mistakes: list[str] = []
        self.states: set[str] = set()

    async def _talk(self, peer: Peer) -> None:
        while True:
            request = received(await peer.request())
            try:
                said = self.answer(request)
            except Refused as refusal:
                said = self._tell(self.error(refusal.kind, str(refusal)))
            except (AssertionError, LookupError, TypeError, ValueError) as mistake:
                found = str(mistake) or traceback.extract_tb(mistake.__traceback__)[-1].line or ""
                self.mistakes.append(f"{request.target}: {type(mistake).__name__}: {found}")
                said = self._tell(self.error("mistake", found))
            await peer.send(said)
            if isinstance(said, Cut):
                peer.close()
                return

    @abstractmethod
    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request; raises Refused, and what checks raise."""

    @abstractmethod
    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer: `key`, `rate`, `long`, or `mistake` for a request that is wrong."""

    def turn(self, asked: Asked) -> Turn:
        """Notes what was asked; returns the answer to it.

        Raises Refused where it is to be refused, AssertionError for thinking that this provider has never had.
        """
        foreign = set(asked.thoughts) - self.states
        assert not foreign, f"Invalid `signature` in `thinking` block: {sorted(foreign)}"
        self.asked.append(asked)
        turn = answer(asked)
        if turn.refused:
            raise Refused(turn.refused, f"as asked: {turn.refused}")
        self.states.update((turn.state, turn.thinking))
        return turn

    def _tell(self, told: Told) -> bytes:
        return fixed(json.dumps(told.body).encode(), status=told.status, headers=JSON + told.headers)


def whole(value: Any, headers: str = "") -> bytes:
    """Returns an answer that is not streamed."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return fixed(body, headers=JSON + headers)


def streamed(turn: Turn, pieces: list[bytes], headers: str = SSE) -> bytes:
    """Returns a streamed answer in pieces, cut behind them where the turn is."""
    if turn.broken == "cut":
        return Cut(chunked(*pieces, headers=headers, end=b""))
    return chunked(*pieces, headers=headers)


def told_error(kind: str, table: Mapping[str, Told], message: str) -> Told:
    """Returns the error of a kind from a provider's table, in which `{}` stands for the message."""
    status, body, headers = table[kind]
    text = json.dumps(message)[1:-1]
    return Told(status, json.loads(json.dumps(body).replace("{}", text)), headers)
