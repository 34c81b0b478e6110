"""Tokens that stand for who we are at a cloud, renewed ahead of their end.

To get one may read files, sign, and ask servers: it is done in a thread, one look-up at a time however many requests
wait. Requests go on with a token that is still good while the next one is looked up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from ..errors import PenstockError
from .lookups import looked_up

_log = logging.getLogger("penstock")

_AHEAD_S = 225.0
"""How long before its end a token is renewed: as long as google-auth itself takes to be safe."""
_LAST_S = 20.0
"""How long before its end no request is sent with it any more."""
_AGAIN_S = 30.0
"""How long after a failed attempt to renew a token the next one is made, while the old one is good."""


class NoCredentials(PenstockError):
    """There are no credentials, or they cannot be renewed; says why."""


class Token(msgspec.Struct, frozen=True):
    """A token, until when it is good (Unix seconds), and the project of the credentials, if they know of one."""

    text: str
    expires: float
    project: str | None = None


class Tokens:
    """Gives tokens. `fetch` returns a fresh one; it may block, and raises NoCredentials. `of` names who makes them."""

    def __init__(self, fetch: Callable[[], Token], of: str, now: Callable[[], float] = time.time) -> None:
        self.of = of
        self._fetch = fetch
        self._now = now
        self._token: Token | None = None
        self._work: asyncio.Task[Token] | None = None
        self._not_before = 0.0

    def prepare(self) -> None:
        """Begins to look for the first token, without waiting for it; a failure is told to the log."""
        if self._token is None and self._work is None:
            self._start().add_done_callback(self._tell_failure)

    async def token(self) -> Token:
        """Returns a token that is good now; raises NoCredentials when there is none to be had."""
        token = self._token
        left = 0.0 if token is None else token.expires - self._now()
        if token is None or left < _LAST_S:
            return await asyncio.shield(self._start())
        if left < _AHEAD_S and self._work is None and self._now() >= self._not_before:
            self._not_before = self._now() + _AGAIN_S
            self._start().add_done_callback(self._tell_failure)
        return token

    async def renew(self, refused: Token) -> Token:
        """Returns another token than one that was refused; raises NoCredentials."""
        if self._token is not None and self._token != refused:
            return self._token  # somebody else has renewed it meanwhile
        return await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[Token]:
        """Returns the look-up that is under way, after starting one if there is none."""
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._run())
            self._work.add_done_callback(self._over)
        return self._work

    def _over(self, work: asyncio.Task[Token]) -> None:
        self._work = None
        if not work.cancelled():
            work.exception()  # whoever waits for it gets it

    async def _run(self) -> Token:
        self._token = token = await looked_up(self._fetch)
        return token

    def _tell_failure(self, work: asyncio.Task[Token]) -> None:
        if not work.cancelled() and (error := work.exception()) is not None:
            _log.warning("a token of %s could not be had ahead of time: %s", self.of, error)

    async def close(self) -> None:
        """Waits for nothing: a look-up that is under way ends by itself."""
        if self._work is not None:
            self._work.cancel()


def first_line(error: Exception) -> str:
    """Returns what an error says, without the page of advice or the answer that some bring along."""
    text = str(error.args[0] if error.args else error) or type(error).__name__
    return text.strip().partition("\n")[0][:300]
