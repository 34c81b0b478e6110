"""The stage that asks clients for a key."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from proxy.config.types import Mistake, Sources
from proxy.errors import Forbidden, Unauthorized
from proxy.exchange import Exchange
from proxy.keyring import KeyEntry, Keyring, WatchedKeys
from proxy.keys import may_use
from proxy.reply import Reply
from proxy.stage import Stage, StageConfig

_HEADERS = ("authorization", "x-api-key", "api-key")
_HINT = "Send it as 'Authorization: Bearer KEY', or in the header 'x-api-key' or 'api-key'."


class AuthConfig(StageConfig, frozen=True, kw_only=True):
    """Which keys open the door."""

    keys: Annotated[
        str | tuple[KeyEntry, ...],
        Meta(
            description="The keys: the path of a YAML file, a list of the same entries that may stand here, or that "
            "list itself. A file is read again when it changes."
        ),
    ]

    def __post_init__(self) -> None:
        if not self.keys:
            raise Mistake("keys is empty: nobody could come in", "add {id: mine, key: env:MY_KEY}")
        if isinstance(self.keys, str) and "\n" in self.keys:
            raise Mistake("keys is a text of several lines, not a path", "remove the | or > in front of it")
        if not isinstance(self.keys, str):
            Keyring(self.keys)


class Auth(Stage):
    """Lets in only those who have a key, and tells the stages below whose key it is.

    The key is taken from `Authorization: Bearer`, `x-api-key` or `api-key`. Without a good one the answer is 401; a
    good one that may not use the model gets 403. The file need not hold the key itself: write `hash: sha256:` and what
    `printf %s "$KEY" | sha256sum` prints. Keys are compared by that hash, which is safe for long random keys only.

    Without this stage Penstock listens on the loopback only.

    Example:

        auth:
          keys:
            - id: alice
              owner: research
              hash: "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
            - {id: ci, key: my-long-random-key, models: ["local/*"], expires: 2030-12-31}
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
        self._ring = Keyring(()) if isinstance(config.keys, str) else Keyring(config.keys)
        self._file: WatchedKeys | None = None

    async def start(self) -> None:
        """Reads the keys file; raises ConfigError when it cannot be used."""
        if isinstance(self.config.keys, str):
            path = self.directory / self.config.keys
            self._file = WatchedKeys(path, Sources(directory=path.parent))

    async def on_request(self, exchange: Exchange) -> Reply | None:
        """Finds out whose key it is; answers 401 or 403 when it opens nothing."""
        ring = self._ring if self._file is None else self._file.current()
        found: list[str] = []
        try:
            for header, secret in _credentials(exchange.client.headers):
                found.append(header)
                key = ring.find(secret, time.time())
                if key is not None:
                    break
            else:
                raise Unauthorized(_why(found, exchange.client.headers))
        except Unauthorized as error:
            reply = Reply.from_error(error)
            reply.headers["www-authenticate"] = "Bearer"
            return reply
        exchange.key = key
        model = exchange.model
        if model is not None and not may_use(key, model):
            raise Forbidden(
                f"The API key '{key.id}' may not use the model '{model}'.", code="model_not_allowed", param="model"
            )
        return None


def _credentials(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields what may be a key, and the header it came in."""
    for header in _HEADERS:
        value = headers.get(header, "").strip()
        if header == "authorization":
            scheme, _, value = value.partition(" ")
            value = value.strip() if scheme.lower() == "bearer" else ""
        if value:
            yield header, value


def _why(found: list[str], headers: Mapping[str, str]) -> str:
    """Returns what is wrong, naming headers and never what is in them."""
    if found:
        return f"Incorrect API key provided in the header {' and '.join(map(repr, found))}."
    if headers.get("authorization"):
        return f"The header 'authorization' holds no Bearer key. {_HINT}"
    return f"You didn't provide an API key. {_HINT}"
