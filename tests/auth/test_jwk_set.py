"""Which public keys of a document are used, and for what."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from proxy.auth.jwk_set import BadKeySet, read_key_set
from tests.support.issuer import Issuer, rsa_key


def rsa_jwk(**fields: Any) -> dict[str, Any]:
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key())), "kid": "r", **fields}


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_a_key_is_used_for_its_own_algorithm_or_for_those_of_its_kind():
    keys = read_key_set(document(rsa_jwk(), rsa_jwk(kid="one", alg="PS256")))
    assert [len(keys.of("r", name)) for name in ("RS256", "PS512", "ES256", "HS256", "none")] == [1, 1, 0, 0, 0]
    assert [len(keys.of("one", name)) for name in ("RS256", "PS256")] == [0, 1]
    assert len(keys.of(None, "PS256")) == 2
    assert keys.of("unknown", "RS256") == []


def test_what_tokens_are_not_signed_with_is_left_out():
    ec_key = json.loads(Issuer().key_set())["keys"][0]
    weak = rsa.generate_private_key(65537, 1024).public_key()
    strange = (
        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak)),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"},
        rsa_jwk(kid="e", use="enc"),
        rsa_jwk(kid="p", d="AQAB"),
        rsa_jwk(kid="h", alg="HS256"),
        {**ec_key, "kid": "c", "crv": "P-224"},
        {**ec_key, "kid": "b", "x": "AA"},
        {"kty": ["RSA"], "kid": "l"},
        "no key",
    )
    keys = read_key_set(document(*strange, ec_key))
    for name in ("RS256", "ES256", "HS256", "EdDSA"):
        assert [one.id for one in keys.of(None, name)] == (["k1"] if name == "ES256" else [])


def test_keys_of_pem_files():
    pem = (
        rsa_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert len(read_key_set(pem).of("any", "RS256")) == 1
    other = ed25519.Ed25519PrivateKey.generate()
    public = other.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert len(read_key_set(public).of(None, "EdDSA")) == 1
    private = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(BadKeySet, match="no public key"):
        read_key_set(private)
    weak = rsa.generate_private_key(65537, 1024).public_key()
    pem = weak.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(BadKeySet, match="less than 2048 bits"):
        read_key_set(pem)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b'{"keys":[{"kty":"oct","k":"aa"}]}']
)
def test_what_is_no_key_set_is_refused(data: bytes):
    with pytest.raises(BadKeySet):
        read_key_set(data)


def test_a_document_that_is_nested_too_deep_is_no_set() -> None:
    with pytest.raises(BadKeySet, match="no JSON"):
        read_key_set(b'{"keys":' + b"[" * 5000)
