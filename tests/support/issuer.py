"""An identity provider: signs tokens, and serves its public keys on the loopback."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "penstock"


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Issuer:
    """Signs with elliptic curves. `keys` are its private keys by id, the last one signs; `asked` are its requests."""

    def __init__(self, name: str = "https://login.example.com/") -> None:
        self.name = name
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.asked: list[str] = []
        self.broken = False
        self.rotate("k1")

    def rotate(self, id: str) -> None:
        self.keys[id] = ec.generate_private_key(ec.SECP256R1())

    def key_set(self) -> bytes:
        keys = [
            {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": id, "use": "sig"}
            for id, key in self.keys.items()
        ]
        return json.dumps({"keys": keys}).encode()

    def token(self, *, kid: str | None = None, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """Returns a token for an hour; a claim that is None is left out."""
        id = kid or list(self.keys)[-1]
        said = {"iss": self.name, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 3600, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, self.keys[id], "ES256", headers={"kid": id, **(head or {})})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serves until the block ends; gives the URL of the key set, and takes the server's address as its name."""
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.name = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield f"{self.name}/keys"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request.path)
        if self.broken:
            return web.Response(status=500, text="planted-secret")
        if request.path == "/.well-known/openid-configuration":
            return web.json_response({"issuer": self.name, "jwks_uri": f"{self.name}/keys"})
        return web.Response(body=self.key_set(), content_type="application/json")
