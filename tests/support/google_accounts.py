"""Accounts of Google Cloud whose tokens come from a server on the loopback."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.hostile import HostileUpstream, Peer, fixed

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@cache
def private_key() -> str:
    """Returns a key, the same for all accounts of the tests."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def service_account(port: int, project: str | None = "my-project") -> str:
    """Returns the file of a service account whose tokens come from that port."""
    account: dict[str, Any] = {
        "type": "service_account",
        "private_key_id": "k1",
        "private_key": private_key(),
        "client_email": "me@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    if project is not None:
        account["project_id"] = project
    return json.dumps(account)


class TokenServer:
    """Hands out the tokens `token-1`, `token-2` and so on, or refuses; `asked` holds the forms it was sent."""

    def __init__(self, *, expires_in: int = 3599, refuses: bool = False) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.expires_in = expires_in
        self.refuses = refuses
        self.upstream = HostileUpstream(self._script)

    async def _script(self, peer: Peer) -> None:
        while True:
            request = await peer.request()
            self.asked.append(parse_qs(request.partition(b"\r\n\r\n")[2].decode()))
            status, answer = 200, {"access_token": f"token-{len(self.asked)}", "expires_in": self.expires_in}
            if self.refuses:
                status, answer = 401, {"error": "invalid_grant", "error_description": "Account disabled."}
            headers = "content-type: application/json\r\n"
            await peer.send(fixed(json.dumps(answer).encode(), status=status, headers=headers))

    async def __aenter__(self) -> TokenServer:
        await self.upstream.__aenter__()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.upstream.__aexit__()

    def account(self, project: str | None = "my-project") -> str:
        """Returns the file of an account whose tokens come from here."""
        return service_account(self.upstream.port, project)
