"""What `penstock serve` was asked to serve, read at the start and whenever it is to be read again."""

from __future__ import annotations

import os

import msgspec

from ..config.file import Config
from ..config.listen import Listen
from ..config.loader import load, load_text
from ..deferred import Deferred
from ..errors import ConfigError, Problem

_litellm = Deferred("proxy.litellm.loading")  # which nothing else needs
_ONE_UPSTREAM = """\
upstreams:
  upstream: {{kind: openai-compatible, base_url: {url}}}
models:
  "*": ["upstream/*"]
stores:
  responses: {{kind: memory}}
pipeline: [route, stream-translate]
"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says: where the configuration comes from, and what counts instead of its own settings."""

    file: str | None = None
    upstream: str | None = None
    litellm: str | None = None
    host: str | None = None
    port: int | None = None
    workers: int | None = None

    def config(self) -> Config:
        """Returns the configuration; raises ConfigError."""
        if self.upstream is not None:
            url = msgspec.json.encode(self.upstream).decode()
            config = load_text(_ONE_UPSTREAM.format(url=url), "--upstream")
        elif self.litellm is not None:
            loaded = _litellm.load_litellm(self.litellm)
            os.environ.update(loaded.environ)  # libraries that look for credentials by themselves look there
            config = loaded.config
        else:
            config = load(self.file or "pipeline.yaml")
        listen = Listen(
            config.listen.host if self.host is None else self.host,
            config.listen.port if self.port is None else self.port,
        )
        workers = config.workers if self.workers is None else max(1, self.workers)
        return msgspec.structs.replace(config, listen=listen, workers=workers)

    def again(self, served: Listen) -> Config:
        """Returns the configuration as it is now, for an address that stays what it is; raises ConfigError."""
        config = self.config()
        refusal = open_to_anybody(config, served)
        if refusal is not None:
            raise ConfigError([Problem(config.file, 1, 1, *refusal)])
        return config


def open_to_anybody(config: Config, listen: Listen) -> tuple[str, str] | None:
    """Returns what is wrong with serving a configuration at an address, and what to do; None when nothing is."""
    if listen.loopback or config.asks_for_keys:
        return None
    what = f"{listen.written} is open to other machines, and no stage asks them for a key"
    return what, 'add "auth" to the pipeline, or listen on 127.0.0.1'
