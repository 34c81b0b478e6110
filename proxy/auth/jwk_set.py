"""The public keys of an issuer: which of them can have signed a token, and by which algorithms."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from ..deferred import Deferred
from ..errors import PenstockError

_ec = Deferred("cryptography.hazmat.primitives.asymmetric.ec")
_ed25519 = Deferred("cryptography.hazmat.primitives.asymmetric.ed25519")
_rsa = Deferred("cryptography.hazmat.primitives.asymmetric.rsa")
_serialization = Deferred("cryptography.hazmat.primitives.serialization")
_log = logging.getLogger("penstock")

_FAMILIES = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "OKP": ("EdDSA",),
}
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_MOST = 100
_RSA_BITS = 2048


class BadKeySet(PenstockError):
    """What should be a set of public keys is none."""


class PublicKey(msgspec.Struct, frozen=True):
    """One key, and the algorithms that it may be used with: its own if it names one, else those of its kind."""

    id: str | None
    key: Any
    algorithms: frozenset[str]


class KeySet:
    """The keys of one document."""

    def __init__(self, keys: list[PublicKey]) -> None:
        self._keys = keys

    def of(self, id: str | None, algorithm: str) -> list[PublicKey]:
        """Returns the keys that may have signed a token whose head says this; one without an id is tried with all."""
        return [one for one in self._keys if algorithm in one.algorithms and (id is None or one.id in (id, None))]


def read_key_set(data: bytes) -> KeySet:
    """Returns the keys of a JWK set (RFC 7517) or of a PEM file; raises BadKeySet when there is none.

    Keys for encryption, symmetric ones and those of unknown kinds are left out.
    """
    if data.lstrip().startswith(b"-----BEGIN"):
        return KeySet([_from_pem(data)])
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadKeySet(f"it is no JSON: {error}") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadKeySet("it has no list of keys")
    keys = [key for entry in entries[:_MOST] if (key := _from_jwk(entry)) is not None]
    if not keys:
        raise BadKeySet("there is no public key in it that tokens are signed with")
    return KeySet(keys)


def _from_jwk(entry: Any) -> PublicKey | None:
    import jwt

    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    usable = _usable(entry)
    if not usable:
        return None
    public = {name: value for name, value in entry.items() if name != "alg"}
    try:
        key = jwt.PyJWK(public).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        _log.warning("a public key of an issuer is left out: %s", type(error).__name__)
        return None
    if _is_weak(key):
        _log.warning("a public key of an issuer is left out: it has less than %d bits", _RSA_BITS)
        return None
    id = entry.get("kid")
    return PublicKey(id if isinstance(id, str) else None, key, frozenset(usable))


def _usable(entry: dict[str, Any]) -> tuple[str, ...]:
    """Returns the algorithms that a key may be used with; none for a symmetric one."""
    kind, curve = entry.get("kty"), entry.get("crv")
    if kind == "EC":
        family: tuple[str, ...] = (_CURVES[curve],) if curve in _CURVES else ()
    elif kind == "OKP" and curve != "Ed25519":
        family = ()
    else:
        family = _FAMILIES.get(kind if isinstance(kind, str) else "", ())
    own = entry.get("alg")
    return family if own is None else tuple(one for one in family if one == own)


def _is_weak(key: Any) -> bool:
    """Tells whether others could find out the private half (RFC 7518, section 3.3)."""
    return isinstance(key, _rsa.RSAPublicKey) and key.key_size < _RSA_BITS


def _from_pem(data: bytes) -> PublicKey:
    """Returns the key of a PEM file; raises BadKeySet, also for a private one."""
    try:
        key = _serialization.load_pem_public_key(data)
    except (ValueError, TypeError) as error:
        raise BadKeySet("it is no public key in PEM form") from error
    if _is_weak(key):
        raise BadKeySet(f"its key has less than {_RSA_BITS} bits")
    if isinstance(key, _rsa.RSAPublicKey):
        return PublicKey(None, key, frozenset(_FAMILIES["RSA"]))
    if isinstance(key, _ed25519.Ed25519PublicKey):
        return PublicKey(None, key, frozenset(_FAMILIES["OKP"]))
    curves = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
    if isinstance(key, _ec.EllipticCurvePublicKey) and key.curve.name in curves:
        return PublicKey(None, key, frozenset({curves[key.curve.name]}))
    raise BadKeySet("tokens are not signed with keys of its kind")
