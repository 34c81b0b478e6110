"""The keys that clients may use: their hashes in memory, and the file they are read from again when it changes.

A key is kept as its SHA-256 and compared as such. A slow, salted hash is for secrets that people choose; keys are long
and random, so that nobody can try them out, and they are checked on every request. The first half of the digest is what
a key is looked up by, all of it is compared in constant time: to learn anything from the time a look-up takes, one
would have to choose digests, which is as hard as finding the key.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from .auth.attributes import KeyAttributes
from .config.decode import decode
from .config.nodes import Entry, Mapping, Sequence, compose, read
from .config.problems import Place, Problems
from .config.types import Mistake, Secret, Sources
from .errors import ConfigError, Unauthorized
from .exchange import Key

_log = logging.getLogger("penstock")
_CHECK_EVERY_S = 1.0
_HALF = 16


class KeyEntry(KeyAttributes, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One key, given as it is or as its hash."""

    id: Annotated[str, Meta(min_length=1, description="What the key is called in logs and limits; safe to show.")]
    key: Annotated[Secret | None, Meta(description="The key itself: env:NAME, file:PATH, or as it is.")] = None
    hash: Annotated[
        str | None,
        Meta(description='Its hash instead: sha256: and what `printf %s "$KEY" | sha256sum` prints.'),
    ] = None

    def __post_init__(self) -> None:
        if (self.key is None) == (self.hash is None):
            raise Mistake(f'key "{self.id}" needs its key or its hash, one of the two', "give key or hash")
        if self.hash is not None and not re.fullmatch(r"sha256:[0-9a-fA-F]{64}", self.hash):
            raise Mistake(f'the hash of key "{self.id}" is no SHA-256', "write sha256: and the 64 digits of sha256sum")
        try:
            self.expires_at()
        except ValueError:
            raise Mistake(f'key "{self.id}" expires at no date', "write 2030-12-31 or 2030-12-31T18:00:00Z") from None

    def digest(self) -> bytes:
        """Returns the SHA-256 of the key."""
        if self.hash is not None:
            return bytes.fromhex(self.hash.removeprefix("sha256:"))
        assert self.key is not None
        return digest_of(self.key.reveal())


def digest_of(secret: str) -> bytes:
    """Returns what a key is known by."""
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


class _Held(msgspec.Struct, frozen=True):
    digest: bytes
    key: Key
    expires: float | None
    ended: str


class Keyring:
    """Keys by their digest. The keys themselves are not kept. Raises Mistake for two entries that are one."""

    def __init__(self, entries: Iterable[KeyEntry] = ()) -> None:
        self._keys: dict[bytes, _Held] = {}
        names: set[str] = set()
        for entry in entries:
            digest = entry.digest()
            same = self._keys.get(digest[:_HALF])
            if same is not None:
                raise Mistake(f'"{same.key.id}" and "{entry.id}" are the same key', "remove one of them")
            if entry.id in names:
                raise Mistake(f'there are two keys called "{entry.id}"', "rename one of them")
            names.add(entry.id)
            self.put(digest, entry.as_key(entry.id), entry.expires_at())

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, digest: bytes, key: Key, expires: float | None, ended: str = "has expired") -> None:
        """Adds a key, or changes what is said of it; `ended` is why it does not work from `expires` (Unix time) on."""
        self._keys[digest[:_HALF]] = _Held(digest, key, expires, ended)

    def ids(self) -> set[str]:
        """Returns what its keys are called."""
        return {held.key.id for held in self._keys.values()}

    def drop(self, digest: bytes) -> None:
        """Forgets a key."""
        self._keys.pop(digest[:_HALF], None)

    def find(self, secret: str, now: float) -> Key | None:
        """Returns whose key this is, or None; raises Unauthorized when it has ended (`now` is Unix time). Hot."""
        digest = sha256(secret.encode("utf-8", "surrogateescape")).digest()  # as digest_of, which is a call more
        held = self._keys.get(digest[:_HALF])
        if held is None or not compare_digest(held.digest, digest):
            return None
        if held.expires is not None and held.expires <= now:
            raise Unauthorized(f"The API key '{held.key.id}' {held.ended}.")
        return held.key


class _KeysFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    keys: tuple[KeyEntry, ...]


def read_keys(path: Path, sources: Sources) -> Keyring:
    """Returns the keys of a file, a list of entries or a mapping with `keys`; raises ConfigError with all mistakes."""
    name = str(path)
    problems = Problems(name)
    root = compose(read(path, name), problems)
    if isinstance(root, Sequence):
        root = Mapping(root.place, {"keys": Entry(root.place, root)})
    found = None if root is None else decode(root, _KeysFile, "keys", problems, sources)
    problems.stop()
    assert found is not None
    assert root is not None
    try:
        ring = Keyring(found.keys)
        if not ring:
            raise Mistake("there is no key in it", "add one, such as {id: mine, key: env:MY_KEY}")
    except Mistake as mistake:
        problems.error(Place(*root.place), mistake.what, mistake.fix)
        problems.stop()
        raise
    return ring


class WatchedKeys:
    """The keys of a file, read again when the file has changed; looked at once a second at most.

    A file that cannot be used any more leaves the keys as they were, and is complained about once in the log.
    """

    def __init__(self, path: Path, sources: Sources, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._sources = sources
        self._clock = clock
        self._seen = self._look()
        self._ring = read_keys(path, sources)
        self._next_look = clock() + _CHECK_EVERY_S

    def find(self, secret: str, now: float) -> Key | None:
        """Returns what the keys that hold now find."""
        return self.current().find(secret, now)

    def ids(self) -> set[str]:
        """Returns what the keys that hold now are called."""
        return self.current().ids()

    def current(self) -> Keyring:
        """Returns the keys that hold now."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + _CHECK_EVERY_S
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._read_again()
        return self._ring

    def _read_again(self) -> None:
        try:
            self._ring = read_keys(self._path, self._sources)
        except ConfigError as error:
            _log.error("the keys stay as they were: %s", error.problems[0])
        else:
            _log.info("read %d keys from %s", len(self._ring), self._path)

    def _look(self) -> tuple[int, int, int] | None:
        """Returns what tells one version of the file from another; None when it is not there."""
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
