"""What the file says of how an upstream is reached, and the client made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from ..config.types import Duration, Mistake, Secret
from ..deferred import Deferred
from ..upstream.address import parse_url
from ..upstream.client import Timeouts, UpstreamClient
from ..upstream.origin_pool import PoolLimits
from ..upstream.pool import Http1Client
from ..upstream.tls import TlsSettings
from .provider import UpstreamConfig

if TYPE_CHECKING:
    from ..upstream import proxied
else:
    proxied = Deferred("proxy.upstream.proxied")


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class TimeoutSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Limits of one attempt; null is no limit."""

    connect: Annotated[Duration | None, _about("Name resolution, TCP and TLS.")] = Duration(5)
    pool: Annotated[Duration | None, _about("Waiting for a free connection.")] = Duration(30)
    first_byte: Annotated[
        Duration | None, _about("From the end of the request to the head of the answer; local servers load models.")
    ] = Duration(300)
    first_token: Annotated[Duration | None, _about("From the request to the first token of a stream.")] = None
    idle: Annotated[Duration | None, _about("Silence within the answer; keep-alive comments count as life.")] = (
        Duration(120)
    )
    total: Annotated[Duration | None, _about("The whole attempt.")] = None

    def for_client(self) -> Timeouts:
        """Returns the limits as the upstream client takes them."""
        return Timeouts(**{name: getattr(self, name) for name in self.__struct_fields__})


class ConnectedConfig(UpstreamConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of the configuration of upstreams that are reached over HTTP. Its children add `base_url`."""

    api_key: Annotated[Secret | None, _about("Sent as a bearer token: env:NAME or file:PATH.")] = None
    headers: Annotated[
        dict[str, Secret], _about("Headers added to every request; values may be env:NAME or file:PATH.")
    ] = msgspec.field(default_factory=dict)
    timeouts: Annotated[TimeoutSettings, _about("Limits of one attempt.")] = TimeoutSettings()
    tls: Annotated[TlsSettings | None, _about("TLS towards the upstream; by default it is verified.")] = None
    proxy: Annotated[Secret | None, _about("HTTP proxy on the way, http://[user:password@]host:port.")] = None
    max_connections: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        _about("Connections open at a time; further requests wait. null: no limit."),
    ] = 1000

    def make_client(self, name: str) -> UpstreamClient:
        """Returns the client for this upstream, which errors call by its name and not by an address.

        Raises ValueError when TLS files or the proxy cannot be used.
        """
        limits = PoolLimits(max_connections=self.max_connections)
        if self.proxy is not None:
            return proxied.ProxiedClient(proxy=self.proxy.reveal(), tls=self.tls, limits=limits, name=name)
        return Http1Client(tls=self.tls, limits=limits, name=name)


def check_base_url(url: str) -> None:
    """Raises Mistake for what cannot be an upstream's base URL."""
    try:
        target = parse_url(url)
    except ValueError as error:
        raise Mistake(f"base_url: {error}", "write it like http://127.0.0.1:8000/v1") from None
    if "?" in target.path or "#" in url:
        raise Mistake("base_url has a query (?...)", "leave it out; give keys as api_key or headers")
