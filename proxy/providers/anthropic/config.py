"""What the file says of an upstream that speaks the Messages API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ...config.types import Mistake
from ..connection import ConnectedConfig, check_base_url
from .profile import MessagesProfile

_ENDPOINT = "/messages"
_VERSION_PATH = "/v1"


class AnthropicConfig(ConnectedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Anthropic's own API, or a server that speaks it. Needs only `api_key`."""

    base_url: Annotated[str, msgspec.Meta(description="Where the API begins, with or without /v1 at its end.")] = (
        "https://api.anthropic.com"
    )
    version: Annotated[
        str,
        msgspec.Meta(description="Sent as anthropic-version. Under 2026-10-21 and later no model takes temperature."),
    ] = "2023-06-01"
    betas: Annotated[
        tuple[str, ...], msgspec.Meta(description="Sent as anthropic-beta, beside those that a request needs.")
    ] = ()
    profile: Annotated[MessagesProfile, msgspec.Meta(description="What is sent beside what the client says.")] = (
        MessagesProfile()
    )

    def __post_init__(self) -> None:
        """Refuses what can be no base URL, version or beta."""
        check_base_url(self.base_url)
        for name, value in (("version", self.version), *(("betas", one) for one in self.betas)):
            if not value or not all("!" <= character <= "~" for character in value) or "," in value:
                raise Mistake(f'{name}: "{value}" cannot stand in a header', "write it as in the API's documentation")

    @property
    def url(self) -> str:
        """The base URL with `/v1` and without a slash at its end."""
        parts = urlsplit(self.base_url)
        path = parts.path.rstrip("/").removesuffix(_ENDPOINT).removesuffix(_VERSION_PATH) + _VERSION_PATH
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
