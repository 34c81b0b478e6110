"""Tokens that clients come with: checked once, then known by their hash until they end.

What is refused: an algorithm that the file does not allow (`none`, and all that are keyed by a secret, can never be
allowed), one that is not of the key's kind, a token without an end, of another issuer, for another audience, or of
another use (a logout token, say).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import Forbidden, Unauthorized
from ..exchange import Key
from .issuer_keys import IssuerKeys
from .jwk_set import KeySet, PublicKey
from .jwt_config import JwtConfig

_MOST_KNOWN = 10_000
_LONGEST = 16 * 1024
_LONGEST_NAME = 256
_TYPES = (None, "jwt", "at+jwt", "application/at+jwt")
_END_OF_TIME = 1 << 53
_TRIED = 4  # keys, at most, with a token that does not say by which it was signed


class _Head(msgspec.Struct):
    alg: str
    kid: str | None = None
    typ: str | None = None


class _Body(msgspec.Struct):
    iss: str | None = None


class _Known(msgspec.Struct, frozen=True):
    key: Key
    until: float


class Tokens:
    """Checks the tokens of one issuer."""

    def __init__(self, config: JwtConfig, keys: IssuerKeys) -> None:
        self.config = config
        self.keys = keys
        self._set: KeySet | None = None
        self._known: dict[bytes, _Known] = {}

    def known(self, digest: bytes, now: float) -> Key | None:
        """Returns who comes with a token that was checked before, by its hash, if it still holds."""
        keys = self.keys.now()
        if keys is not self._set:
            self._known.clear()  # a key that was withdrawn opens nothing any more
            self._set = keys
        found = self._known.get(digest)
        return found.key if found is not None and now < found.until else None

    async def check(self, token: str, digest: bytes) -> Key:
        """Returns who comes with a token; raises Unauthorized, Forbidden, or Overloaded without keys to check it."""
        head = _head(token)
        if head.alg not in self.config.algorithms or (head.typ and head.typ.lower()) not in _TYPES:
            raise Unauthorized("The token is signed in a way, or made for a use, that is not accepted here.")
        keys = self.keys.now()
        found = [] if keys is None else keys.of(head.kid, head.alg)
        if not found:
            keys = await self.keys.again()
            found = keys.of(head.kid, head.alg)
        claims = self._verified(token, head.alg, found[:_TRIED])
        key = self._key(claims)
        if keys is self._set:
            if len(self._known) >= _MOST_KNOWN:
                for old in list(self._known)[: _MOST_KNOWN // 10]:
                    del self._known[old]
            ends = min(int(claims["exp"]), _END_OF_TIME)
            self._known[digest] = _Known(key, ends + self.config.leeway)
        return key

    def _verified(self, token: str, algorithm: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
        """Returns the claims of a token that one of the keys has signed; raises Unauthorized."""
        import jwt

        for one in keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    one.key,
                    algorithms=[algorithm],
                    audience=self.config.audience,
                    issuer=self.config.issuer,
                    leeway=self.config.leeway,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise Unauthorized("The token has expired.") from None
            except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
                raise Unauthorized("The token is of another issuer, or for another audience.") from None
            except jwt.MissingRequiredClaimError as error:
                raise Unauthorized(f"The token has no claim '{error.claim}'.") from None
            except jwt.ImmatureSignatureError:
                raise Unauthorized("The token is not good yet.") from None
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
                raise Unauthorized("The token is no token that is accepted here.") from None
            return claims
        raise Unauthorized("The token is signed with a key that its issuer does not have.")

    def _key(self, claims: Mapping[str, Any]) -> Key:
        """Returns who comes with these claims."""
        where = self.config.claims
        id = _name(claims, where.id)
        if id is None:
            raise Unauthorized(f"The token has no claim '{where.id}'.")
        models = self.config.models
        if where.models is not None:
            models = _words(claims, where.models)
            if not models:
                raise Forbidden(f"The token's claim '{where.models}' names no model.", code="model_not_allowed")
        return Key(
            f"{self.config.name}:{id}",
            _name(claims, where.owner),
            models,
            _name(claims, where.team),
            _name(claims, where.user),
            self.config.limits,
            _words(claims, where.tags),
        )


class Issuers:
    """The tokens of all issuers of a file."""

    def __init__(self, issuers: Sequence[Tokens]) -> None:
        self._issuers = issuers
        self._by_name = {one.config.issuer: one for one in issuers}

    def start(self) -> None:
        """Begins to look for the keys of all issuers. Raises ConfigError for a file that cannot be used."""
        for one in self._issuers:
            one.keys.start()

    async def close(self) -> None:
        """Ends what is under way."""
        for one in self._issuers:
            await one.keys.close()

    async def find(self, token: str, now: float) -> Key | None:
        """Returns who comes with a token, None when it is none; raises Unauthorized, Forbidden or Overloaded."""
        if not token.startswith("ey") or token.count(".") != 2 or len(token) > _LONGEST or not token.isascii():
            return None
        digest = hashlib.sha256(token.encode()).digest()
        for one in self._issuers:
            key = one.known(digest, now)
            if key is not None:
                return key
        said = _issuer(token)  # by whoever has made it: it only says with whose keys to check
        of = self._issuers[0] if len(self._issuers) == 1 else self._by_name.get(said or "")
        if of is None:
            raise Unauthorized("The token is of another issuer, or for another audience.")
        return await of.check(token, digest)


def _head(token: str) -> _Head:
    try:
        return _decode_head(_part(token, 0))
    except (msgspec.MsgspecError, ValueError, RecursionError, binascii.Error):
        raise Unauthorized("The token is no token that is accepted here.") from None


def _issuer(token: str) -> str | None:
    try:
        return _decode_body(_part(token, 1)).iss
    except (msgspec.MsgspecError, ValueError, RecursionError, binascii.Error):
        return None


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_body = msgspec.json.Decoder(_Body).decode


def _part(token: str, index: int) -> bytes:
    text = token.split(".")[index]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _at(claims: Mapping[str, Any], name: str) -> Any:
    """Returns a claim by its name, which may have dots in it, else by the names between the dots."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _name(claims: Mapping[str, Any], name: str | None) -> str | None:
    """Returns a claim that is a name; raises Unauthorized when it is something else."""
    value = None if name is None else _at(claims, name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise Unauthorized(f"The token's claim '{name}' is no name.")
    return value


def _words(claims: Mapping[str, Any], name: str | None) -> tuple[str, ...]:
    """Returns a claim that is a list of words, or words with spaces between them."""
    value = None if name is None else _at(claims, name)
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list):
        return ()
    return tuple(one for one in value if isinstance(one, str) and one)
