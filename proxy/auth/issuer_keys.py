"""Where the public keys of an issuer come from: a file that is read again when it changes, or the issuer's server.

Of a server they are fetched ahead of need and beside the requests; only the first request of all, and one whose token
names a key that is not known, wait for an answer. While the server does not answer, the keys that it gave last hold.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import aiohttp
import msgspec

from ..errors import ConfigError, Overloaded, PenstockError, Problem
from .jwk_set import BadKeySet, KeySet, read_key_set
from .jwt_config import JwtConfig, is_safe

_log = logging.getLogger("penstock")

_FRESH_S = 600.0
_AGAIN_S = 10.0
"""How long after one look-up the next may begin, however many tokens name a key that is not known."""
_LOOK_EVERY_S = 1.0
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_MOST_BYTES = 1024 * 1024


class IssuerKeys(Protocol):
    """The keys of one issuer."""

    def start(self) -> None:
        """Begins to look for them. Raises ConfigError for a file that cannot be used."""

    def now(self) -> KeySet | None:
        """Returns the keys that are known now, without waiting."""

    async def again(self) -> KeySet:
        """Returns the keys after having looked again, unless that was done a moment ago.

        Raises Overloaded when none are known.
        """

    async def close(self) -> None:
        """Ends what is under way."""


class FileKeys:
    """The keys of a file. One that cannot be used any more leaves the keys as they were."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._keys: KeySet | None = None
        self._seen: tuple[int, int, int] | None = None
        self._next_look = 0.0

    def start(self) -> None:
        """Reads the file; raises ConfigError when it cannot be used."""
        try:
            self._read()
        except (OSError, BadKeySet) as error:
            what = f"the public keys cannot be used: {getattr(error, 'strerror', None) or error}"
            raise ConfigError([Problem(str(self._path), 1, 1, what, "check keys_file")]) from None

    def now(self) -> KeySet | None:
        """Returns the keys, read again when the file has changed."""
        if self._clock() >= self._next_look:
            try:
                self._read()
            except (OSError, BadKeySet) as error:
                _log.error("%s: the public keys stay as they were: %s", self._path, error)
        return self._keys

    async def again(self) -> KeySet:
        """Returns the same as `now`."""
        keys = self.now()
        assert keys is not None
        return keys

    async def close(self) -> None:
        """Nothing is under way."""

    def _read(self) -> None:
        self._next_look = self._clock() + _LOOK_EVERY_S
        status = os.stat(self._path)
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen != self._seen:
            self._seen = seen
            self._keys = read_key_set(self._path.read_bytes())


class ServerKeys:
    """The keys that an issuer's server gives."""

    def __init__(self, config: JwtConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._keys: KeySet | None = None
        self._bytes = b""
        self._fetched = self._tried = -_FRESH_S
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to fetch them, without waiting."""
        self._begin()

    def now(self) -> KeySet | None:
        """Returns the keys that are known, and begins to fetch them again when they are not fresh any more."""
        now = self._clock()
        if now - self._fetched > _FRESH_S and now - self._tried > _AGAIN_S:
            self._begin()
        return self._keys

    async def again(self) -> KeySet:
        """Returns the keys after having fetched them, unless that was tried a moment ago; raises Overloaded."""
        if self._work is None and self._clock() - self._tried > _AGAIN_S:
            self._begin()
        if self._work is not None:
            await asyncio.shield(self._work)
        if self._keys is None:
            raise Overloaded("The keys that tokens are checked with cannot be had now.", retry_after_s=_AGAIN_S)
        return self._keys

    async def close(self) -> None:
        """Ends what is under way."""
        work = self._work
        if work is not None:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _begin(self) -> None:
        if self._work is None:
            self._tried = self._clock()
            self._work = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            data = await self._get()
            if data != self._bytes:  # the same keys stay the same object: what was checked with them stays checked
                self._keys, self._bytes = read_key_set(data), data
            self._fetched = self._clock()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError, PenstockError) as error:
            held = "those known so far hold" if self._keys is not None else "no token can be checked"
            why = str(error) or type(error).__name__
            _log.warning("the public keys of %s cannot be fetched, %s: %s", self._config.issuer, held, why)
        finally:
            self._work = None

    async def _get(self) -> bytes:
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session:
            url = self._config.jwks_url
            if url is None:
                url = await self._discovered(session)
            return await _body(session, url)

    async def _discovered(self, session: aiohttp.ClientSession) -> str:
        """Returns where the keys are, as OpenID Connect Discovery 1.0, section 4, has it told; raises BadKeySet."""
        issuer = self._config.issuer
        said = msgspec.json.decode(await _body(session, issuer.rstrip("/") + "/.well-known/openid-configuration"))
        url = said.get("jwks_uri") if isinstance(said, dict) else None
        if not isinstance(url, str) or not is_safe(url):
            raise BadKeySet("its OpenID configuration names no https URL of keys")
        if said.get("issuer") != issuer:
            raise BadKeySet("its OpenID configuration is that of another issuer")
        return url


async def _body(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise BadKeySet(f"it answered {response.status}")
        body = await response.content.read(_MOST_BYTES + 1)
        while len(body) <= _MOST_BYTES and (more := await response.content.read(_MOST_BYTES)):
            body += more
        if len(body) > _MOST_BYTES:
            raise BadKeySet(f"its answer is larger than {_MOST_BYTES} bytes")
        return body
