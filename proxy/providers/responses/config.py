"""What the file says of an upstream that may speak the Responses API."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ..connection import ConnectedConfig
from .profile import Summary

Api = Literal["auto", "chat", "responses"]


class ResponsesConfig(ConnectedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of the configuration of upstreams that may speak the Responses API, chat completions, or both."""

    store: Annotated[
        bool,
        Meta(
            description="Whether an upstream that speaks the Responses API keeps responses too. By default only "
            "Penstock keeps them, and the upstream is told store: false."
        ),
    ] = False
    reasoning_summary: Annotated[
        Summary | None,
        Meta(
            description="The summary of reasoning to ask for on behalf of chat clients, who cannot, where the upstream "
            "is asked over the Responses API."
        ),
    ] = None
