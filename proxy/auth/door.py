"""All ways in, one after the other: keys of the file, of other files, of the key store, and tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ..config.types import Sources
from ..errors import ConfigError, Problem, Unauthorized
from ..exchange import Key
from ..keyring import KeyEntry, Keyring, WatchedKeys
from .issuer_keys import FileKeys, ServerKeys
from .jwt_config import JwtConfig
from .jwt_tokens import Issuers, Tokens
from .key_store import KeyStoreFailed
from .stored_keys import StoredKeys

_log = logging.getLogger("penstock")

STORE = "store"
"""What stands in a list of keys for those of the key store."""

_HEADERS = ("authorization", "x-api-key", "api-key")
_HINT = "Send it as 'Authorization: Bearer KEY', or in the header 'x-api-key' or 'api-key'."


class _Keys(Protocol):
    def find(self, secret: str, now: float) -> Key | None: ...

    def ids(self) -> set[str]: ...


class Door:
    """Lets in who has a key or a token that is good. `stored` are the keys of the store, where they are asked for."""

    def __init__(self, keys: Iterable[KeyEntry | str], issuers: Sequence[JwtConfig]) -> None:
        keys = tuple(keys)
        self._own = Keyring(one for one in keys if isinstance(one, KeyEntry))
        self._names = tuple(one for one in keys if isinstance(one, str))
        self._issuers = issuers
        self._keys: list[_Keys] = [self._own] if len(self._own) else []
        self._tokens: Issuers | None = None
        self.stored: StoredKeys | None = None

    def open(self, directory: Path, store: Path) -> None:
        """Reads the keys; raises ConfigError when some cannot be read. To be called where the event loop runs."""
        for name in self._names:
            if name == STORE:
                self.stored = _opened(store)
                self._keys.append(self.stored)
            else:
                path = directory / Path(name).expanduser()
                self._keys.append(WatchedKeys(path, Sources(directory=path.parent)))
        _warn_of_twins(self._keys)
        if self._issuers:
            self._tokens = Issuers([_tokens(one, directory) for one in self._issuers])
            self._tokens.start()

    async def close(self) -> None:
        """Closes the store, and ends what is under way."""
        if self.stored is not None:
            self.stored.close()
        if self._tokens is not None:
            await self._tokens.close()

    def at_once(self, headers: Mapping[str, str], now: float) -> Key | None:
        """Returns whose key stands in `authorization`, as nearly all do; None leaves the rest to `admit`. Hot.

        `now` is Unix time. Raises Unauthorized for a key that has ended.
        """
        value = headers.get("authorization")
        if value is None or value[:7] != "Bearer ":
            return None
        secret = value[7:].strip()
        for keys in self._keys:
            key = keys.find(secret, now)
            if key is not None:
                return key
        return None

    async def admit(self, headers: Mapping[str, str], now: float) -> Key:
        """Returns who is asking; `now` is Unix time. Raises Unauthorized, for a token also Forbidden or Overloaded."""
        found: list[str] = []
        for header in _HEADERS:
            secret = _secret(header, headers)
            if not secret:
                continue
            for keys in self._keys:
                key = keys.find(secret, now)
                if key is not None:
                    return key
            if self._tokens is not None and (key := await self._tokens.find(secret, now)) is not None:
                return key
            found.append(header)
        raise Unauthorized(_why(found, headers))


def _opened(path: Path) -> StoredKeys:
    keys = StoredKeys(path)
    try:
        keys.open()
    except KeyStoreFailed as error:
        what = f"the key store cannot be used: {error}"
        raise ConfigError([Problem(str(path), 1, 1, what, "mend it, or set stores.keys.path")]) from None
    return keys


def _warn_of_twins(sources: Iterable[_Keys]) -> None:
    """Tells the log of ids that keys of several places have."""
    seen: set[str] = set()
    for keys in sources:
        ids = keys.ids()
        if twins := sorted(ids & seen):
            _log.warning("keys of several places are called %s: they share limits and responses", ", ".join(twins[:5]))
        seen |= ids


def _tokens(config: JwtConfig, directory: Path) -> Tokens:
    if config.keys_file is not None:
        return Tokens(config, FileKeys(directory / Path(config.keys_file).expanduser()))
    return Tokens(config, ServerKeys(config))


def _secret(header: str, headers: Mapping[str, str]) -> str:
    """Returns what may be a key."""
    value = headers.get(header, "").strip()
    if header == "authorization":
        scheme, _, value = value.partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""
    return value


def _why(found: list[str], headers: Mapping[str, str]) -> str:
    """Returns what is wrong, naming headers and never what is in them."""
    if found:
        return f"Incorrect API key provided in the header {' and '.join(map(repr, found))}."
    if headers.get("authorization"):
        return f"The header 'authorization' holds no Bearer key. {_HINT}"
    return f"You didn't provide an API key. {_HINT}"
