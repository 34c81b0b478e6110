"""The address that clients connect to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from .types import ConfigValue, Mistake, Sources, shown

_FORM = re.compile(r"(?:(?P<host>[^:\[\]\s]+|\[[0-9a-fA-F:.]+\]):)?(?P<port>\d{1,5})")


class Listen(ConfigValue):
    """Host and port to serve; port 0 takes any free one. Written `host:port`, `[ipv6]:port` or a port alone."""

    schema: ClassVar[Mapping[str, Any]] = {"type": ["string", "integer"]}
    label: ClassVar[str] = "address"

    def __init__(self, host: str = "127.0.0.1", port: int = 4000) -> None:
        self.host = host
        self.port = port

    @classmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the address for its written form; a port alone is on the loopback."""
        match = None if isinstance(value, bool) else _FORM.fullmatch(str(value))
        if match is None or int(match["port"]) > 65535:
            raise Mistake(f"{shown(value)} is no address", "write 127.0.0.1:4000, [::1]:4000 or a port")
        return cls((match["host"] or "127.0.0.1").strip("[]"), int(match["port"]))

    @property
    def written(self) -> str:
        """The address as it is written in the file and in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __repr__(self) -> str:
        return f"Listen({self.written})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listen) and (self.host, self.port) == (other.host, other.port)

    def __hash__(self) -> int:
        return hash((self.host, self.port))
