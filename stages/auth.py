"""The stage that asks clients for a key."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from proxy.auth.door import Door
from proxy.auth.jwt_config import JwtConfig
from proxy.auth.stage import KeyStage
from proxy.config.types import Mistake
from proxy.errors import Forbidden, Unauthorized
from proxy.exchange import Exchange
from proxy.keyring import KeyEntry, Keyring
from proxy.keys import may_use
from proxy.reply import Reply
from proxy.stage import StageConfig


class AuthConfig(StageConfig, frozen=True, kw_only=True):
    """Which keys open the door."""

    keys: Annotated[
        str | tuple[KeyEntry | str, ...] | None,
        Meta(
            description="The keys: the path of a YAML file with a list of the same entries that may stand here; store, "
            "for those that `penstock keys` and /admin/keys make; or a list of paths, store and entries. A file is "
            "read again when it changes."
        ),
    ] = None
    jwt: Annotated[
        JwtConfig | tuple[JwtConfig, ...] | None,
        Meta(description="Tokens that are as good as a key: those of one issuer, or of several."),
    ] = None

    def __post_init__(self) -> None:
        if not self.keys and not self.jwt:
            raise Mistake("nobody could come in: there are neither keys nor tokens", "add {id: mine, key: env:MY_KEY}")
        for path in self.every_key():
            if isinstance(path, str) and ("\n" in path or not path):
                raise Mistake("keys is a text of several lines, not a path", "remove the | or > in front of it")
        Keyring(one for one in self.every_key() if isinstance(one, KeyEntry))
        for what, names in (
            ("issuer", [one.issuer for one in self.issuers()]),
            ("name", [one.name for one in self.issuers()]),
        ):
            if len(set(names)) < len(names):
                raise Mistake(f"two of jwt have the same {what}", f"give each a {what} of its own")

    def every_key(self) -> tuple[KeyEntry | str, ...]:
        """Returns entries, paths, and `store`."""
        return (self.keys,) if isinstance(self.keys, str) else self.keys or ()

    def issuers(self) -> tuple[JwtConfig, ...]:
        """Returns the issuers of tokens."""
        return (self.jwt,) if isinstance(self.jwt, JwtConfig) else self.jwt or ()


class Auth(KeyStage):
    """Lets in only those who have a key, and tells the stages below whose key it is.

    The key is taken from `Authorization: Bearer`, `x-api-key` or `api-key`. Without a good one the answer is 401; a
    good one that may not use the model gets 403. The file need not hold the key itself: write `hash: sha256:` and what
    `printf %s "$KEY" | sha256sum` prints. Keys are compared by that hash, which is safe for long random keys only.

    With `keys: store`, `penstock keys create` makes keys, shows each once, and `penstock keys revoke` takes them back:
    within a second, in all workers, without a restart. With `admin: {key: env:NAME}` in the file `/admin/keys` does the
    same. With `jwt`, tokens of an identity provider open the door too; they must be signed with a public key, have an
    end, and be made for the `audience`.

    Without this stage Penstock listens on the loopback only.

    Example:

        auth:
          keys:
            - store
            - id: alice
              owner: research
              hash: "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
            - {id: ci, key: my-long-random-key, models: ["local/*"], expires: 2030-12-31}
          jwt:
            issuer: https://login.example.com/
            audience: penstock
            claims: {team: department}
    """

    name = "auth"
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ("key",)
    advice: ClassVar[Mapping[str, str]] = {
        "route": "then every attempt asks for the key again",
        "guardrail": "then requests are searched before anybody asks whose they are",
    }
    Config = AuthConfig
    config: AuthConfig

    def __init__(self, config: AuthConfig) -> None:
        super().__init__(config)
        self._door = Door(config.every_key(), config.issuers())

    async def start(self) -> None:
        """Reads files and the key store; raises ConfigError when one cannot be used."""
        self._door.open(self.directory, self.key_store)
        self.stored = self._door.stored

    async def close(self) -> None:
        """Closes the key store."""
        await self._door.close()

    async def on_request(self, exchange: Exchange) -> Reply | None:
        """Finds out whose key it is; answers 401 or 403 when it opens nothing."""
        try:
            headers, now = exchange.client.headers, time.time()
            exchange.key = key = self._door.at_once(headers, now) or await self._door.admit(headers, now)
        except Unauthorized as error:
            reply = Reply.from_error(error)
            reply.headers["www-authenticate"] = "Bearer"
            return reply
        if key.models and (model := exchange.model) is not None and not may_use(key, model):
            raise Forbidden(
                f"The API key '{key.id}' may not use the model '{model}'.", code="model_not_allowed", param="model"
            )
        return None
