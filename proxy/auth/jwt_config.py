"""What the file says of tokens that clients may come with instead of a key."""

from __future__ import annotations

import ipaddress
from importlib.util import find_spec
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from ..config.types import Duration, Mistake, shown
from ..limiting.own import OwnLimits

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""With public keys only: whoever can check a token must not be able to make one."""

Claim = Annotated[str, Meta(min_length=1)]


class JwtClaims(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where in a token something stands: the name of a claim, or several with dots between them."""

    id: Annotated[Claim, Meta(description="Who it is; with the name in front of it the id in logs and limits.")] = "sub"
    owner: Annotated[
        Claim | None, Meta(description="Whose responses it shares; without this, those with the same id only.")
    ] = None
    team: Annotated[Claim | None, Meta(description="The team for limits and budgets.")] = None
    user: Annotated[Claim | None, Meta(description="The user for limits and budgets.")] = "sub"
    tags: Annotated[Claim | None, Meta(description="Tags: a list, or words with spaces between them.")] = None
    models: Annotated[
        Claim | None,
        Meta(description="The models it may use, in the same form; then a token without this claim may use none."),
    ] = None


class JwtConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Tokens of one issuer (OpenID Connect, RFC 7519). Without a place of their keys, the issuer is asked for it."""

    issuer: Annotated[str, Meta(min_length=1, description="Who makes the tokens: their claim iss, exactly.")]
    audience: Annotated[
        str | tuple[str, ...],
        Meta(description="For whom they are made: the claim aud names this, or one of these."),
    ]
    name: Annotated[
        str,
        Meta(pattern=r"^[A-Za-z0-9._-]{1,32}$", description="What the ids of those who come with a token begin with."),
    ] = "jwt"
    jwks_url: Annotated[
        str | None, Meta(description="Where its public keys are, if not where the issuer's OpenID configuration says.")
    ] = None
    keys_file: Annotated[
        str | None, Meta(description="A file with its public keys instead: a JWK set, or one key in PEM form.")
    ] = None
    algorithms: Annotated[
        Annotated[tuple[Algorithm, ...], Meta(min_length=1)], Meta(description="How they may be signed.")
    ] = ("RS256", "ES256")
    leeway: Annotated[Duration, Meta(description="How far the issuer's clock may be off.")] = Duration(30)
    claims: Annotated[JwtClaims, Meta(description="Which claims say what.")] = JwtClaims()
    models: Annotated[
        tuple[str, ...], Meta(description="The models that all of them may use, where claims.models is not set.")
    ] = ()
    limits: Annotated[
        OwnLimits | None, Meta(description="Limits of each who comes with such a token, like those of a key.")
    ] = None

    def __post_init__(self) -> None:
        if find_spec("jwt") is None:
            raise Mistake("PyJWT, which checks tokens, is not installed", "pip install 'penstock[jwt]'")
        if self.jwks_url is not None and self.keys_file is not None:
            raise Mistake("jwks_url and keys_file are both set", "keep one of them")
        if not self.audience or not all(self.audience):
            raise Mistake("audience is empty", "name whom the tokens are made for")
        if self.leeway > 600:
            raise Mistake("leeway is longer than ten minutes", "set the clocks right")
        url = self.jwks_url if self.jwks_url is not None else None if self.keys_file is not None else self.issuer
        if url is not None and not is_safe(url):
            raise Mistake(
                f"{shown(url)} is no https URL: whoever is on the way could put keys of his own there",
                "write https://..., or give keys_file",
            )


def is_safe(url: str) -> bool:
    """Tells whether nobody on the way can change what a URL gives: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http":
        return parts.scheme == "https" and bool(host)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
