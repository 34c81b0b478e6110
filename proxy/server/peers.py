"""The other workers of this host: a request for what one of them is doing is passed on to it.

Each worker listens on a unix socket in a directory that only this user can enter; the supervisor makes it and names it
in `PENSTOCK_PEERS`. A request is passed on as it came, key and all, and at most once.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp
from aiohttp import web

from ..api.responses.ids import worker_of
from ..errors import Overloaded

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=1.0)
_ANSWER_S = 15.0
_ASKED_S = 2.0
_KEPT = (
    "cache-control",
    "content-type",
    "retry-after",
    "x-accel-buffering",
    "x-penstock-cost",
    "x-penstock-upstream",
    "x-request-id",
)


class Peers:
    """Ways to the other workers. Without a directory there are none."""

    def __init__(self, directory: Path | None, own: int) -> None:
        self._directory = directory
        self._own = own
        self._sessions: dict[int, aiohttp.ClientSession] = {}

    @classmethod
    def of_process(cls) -> Peers:
        """Returns the peers of this worker, as its supervisor has told it by the environment."""
        directory = os.environ.get("PENSTOCK_PEERS")
        return cls(Path(directory) if directory else None, int(os.environ.get("PENSTOCK_WORKER", "0")))

    @property
    def own_socket(self) -> Path | None:
        """Where this worker listens for the others."""
        return None if self._directory is None else self._directory / f"{self._own}.sock"

    def maker_of(self, id: str) -> int | None:
        """Returns the number of the other worker that has made a response; None when it was this one, or nobody."""
        number = worker_of(id)
        if number is None or number == self._own or self._directory is None:
            return None
        return number if (self._directory / f"{number}.sock").exists() else None

    async def forward(self, request: web.BaseRequest, number: int) -> web.StreamResponse | None:
        """Has another worker answer a request; None when it is gone, or does not know what was asked for.

        Raises Overloaded when it is there and does not answer: nobody else knows how it stands. An answer that ends
        without its end, because that worker died, ends the client's the same way.
        """
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await self._session(number).request(
                    request.method, f"http://worker{request.rel_url}", headers=headers, allow_redirects=False
                )
        except TimeoutError:
            raise Overloaded("The worker that makes this response does not answer now.", retry_after_s=1) from None
        except (aiohttp.ClientError, OSError):
            return None
        async with answer:
            if answer.status == 404:
                return None
            response = web.StreamResponse(status=answer.status)
            for name in _KEPT:
                if name in answer.headers:
                    response.headers[name] = answer.headers[name]
            response.headers["server"] = "penstock"
            await response.prepare(request)
            try:
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            except aiohttp.ClientError:
                if request.transport is not None:
                    request.transport.abort()
                raise asyncio.CancelledError from None
            await response.write_eof()
            return response

    async def ask_all(self, request: web.BaseRequest) -> list[bytes]:
        """Returns what the other workers answer to the same request; those that do not answer soon are left out."""
        others = [] if self._directory is None else self._directory.glob("*.sock")
        numbers = [int(path.stem) for path in others if path.stem.isdecimal() and int(path.stem) != self._own]
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
        answers = await asyncio.gather(*(self._ask(number, request, headers) for number in sorted(numbers)))
        return [answer for answer in answers if answer is not None]

    async def _ask(self, number: int, request: web.BaseRequest, headers: dict[str, str]) -> bytes | None:
        try:
            async with asyncio.timeout(_ASKED_S):
                url = f"http://worker{request.rel_url}"
                async with self._session(number).request(request.method, url, headers=headers) as answer:
                    return await answer.read() if answer.status == 200 else None
        except (TimeoutError, aiohttp.ClientError, OSError):
            return None

    def _session(self, number: int) -> aiohttp.ClientSession:
        session = self._sessions.get(number)
        if session is None:
            assert self._directory is not None
            connector = aiohttp.UnixConnector(str(self._directory / f"{number}.sock"), limit=0)
            session = self._sessions[number] = aiohttp.ClientSession(
                connector=connector, timeout=_TIMEOUT, auto_decompress=False, read_bufsize=2**16
            )
        return session

    async def close(self) -> None:
        """Closes the ways."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


_OWN = frozenset(("host", "content-length", "transfer-encoding", "connection", "expect", "accept-encoding", "upgrade"))
"""Headers of the hop, not of the request. No body is passed on: none of these requests has one that says anything."""
