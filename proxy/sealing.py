"""Seals what a client carries for Penstock: nobody without the key can read it, or change it unnoticed.

What is sealed is one string, `pst2.` and base64url (without `=`) of

    4 bytes   which key sealed it
    16 bytes  salt
    the rest  AES-256-GCM of the data, with its tag

Every string has an AES key of its own, HMAC-SHA256 of the sealing key over purpose and salt, so that the number of
strings under one sealing key has no practical limit (a random nonce of GCM alone would end at 2^32; NIST SP 800-38D,
section 8.3). The purpose is authenticated too: what was sealed for one purpose opens for no other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .deferred import Deferred
from .errors import PenstockError

_aead = Deferred("cryptography.hazmat.primitives.ciphers.aead")  # 7 MB that only what thinks or compacts has a use for
_exceptions = Deferred("cryptography.exceptions")

_PREFIX = "pst2."
_ID_BYTES = 4
_SALT_BYTES = 16
_TAG_BYTES = 16
_NONCE = bytes(12)  # one message a key, so that one nonce is enough
_KEY_BYTES = 32


class SealBroken(PenstockError):
    """A string of ours cannot be opened: it was changed, cut, sealed for another purpose, or with an unknown key."""


class Sealing:
    """Seals with the first of its keys, and opens what any of them has sealed."""

    __slots__ = ("_id", "_key", "_keys")

    def __init__(self, keys: Sequence[str]) -> None:
        """Takes the keys, texts of any length; at least one."""
        derived = [hmac.digest(b"penstock sealing", key.encode(), hashlib.sha256) for key in keys]
        self._keys = {hmac.digest(key, b"id", hashlib.sha256)[:_ID_BYTES]: key for key in reversed(derived)}
        self._key = derived[0]
        self._id = hmac.digest(self._key, b"id", hashlib.sha256)[:_ID_BYTES]

    @classmethod
    def fresh(cls) -> Sealing:
        """Returns one with a random key, for as long as the process lives."""
        return cls([new_key()])

    def seal(self, data: bytes, purpose: str) -> str:
        """Returns the data sealed for a purpose."""
        salt = secrets.token_bytes(_SALT_BYTES)
        sealed: bytes = _aead.AESGCM(_message_key(self._key, purpose, salt)).encrypt(_NONCE, data, None)
        return _PREFIX + base64.urlsafe_b64encode(self._id + salt + sealed).rstrip(b"=").decode()

    def open(self, text: str, purpose: str) -> bytes | None:
        """Returns what was sealed for a purpose; None for a string that is not of this kind.

        Raises SealBroken for one that is, and yet cannot be opened.
        """
        if not text.startswith(_PREFIX):
            return None
        body = _decoded(text)
        key = self._keys.get(body[:_ID_BYTES])
        if key is None:
            raise SealBroken("it was sealed with a key that is not known here")
        salt, sealed = body[_ID_BYTES : _ID_BYTES + _SALT_BYTES], body[_ID_BYTES + _SALT_BYTES :]
        try:
            data: bytes = _aead.AESGCM(_message_key(key, purpose, salt)).decrypt(_NONCE, sealed, None)
        except _exceptions.InvalidTag:
            raise SealBroken("it has been changed") from None
        return data


def _message_key(key: bytes, purpose: str, salt: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + salt, hashlib.sha256)


def _decoded(text: str) -> bytes:
    """Returns the bytes of a sealed string; every string has one spelling only."""
    encoded = text[len(_PREFIX) :].encode("utf-8", "replace")
    try:
        body = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise SealBroken("it is not whole") from None
    if len(body) < _ID_BYTES + _SALT_BYTES + _TAG_BYTES or base64.urlsafe_b64encode(body).rstrip(b"=") != encoded:
        raise SealBroken("it is not whole")
    return body


def new_key() -> str:
    """Returns a random key, as text."""
    return secrets.token_hex(_KEY_BYTES)


def key_in(path: Path) -> str:
    """Returns the key that a file holds; makes the file, for its owner alone, when it is not there.

    Of several processes that make it at the same moment one does, and all get its key. Raises OSError when the file
    can be neither read nor made, ValueError when what it holds is no key.
    """
    try:
        key = path.read_text("ascii").strip()
    except FileNotFoundError:
        key = _made(path)
    if len(key) < _KEY_BYTES:
        raise ValueError(f"it holds no key of at least {_KEY_BYTES} characters")
    return key


def _made(path: Path) -> str:
    """Writes a fresh key to a file of its own, then gives it the name unless somebody was faster."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # only its owner may read it
    try:
        with os.fdopen(handle, "w") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
    return path.read_text("ascii").strip()
