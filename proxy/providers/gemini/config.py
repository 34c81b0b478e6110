"""What the file says of the Gemini API: how to reach it, and how to ask."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from msgspec import Meta

from ...config.types import Secret
from ..connection import ConnectedConfig, check_base_url
from .settings import AskSettings, SafetySettings, ThinkingBudgets


class AskedConfig(ConnectedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of the configuration of upstreams that are asked over generateContent."""

    safety: Annotated[
        SafetySettings, Meta(description="From which probability on answers are blocked, for each kind of harm.")
    ] = SafetySettings()
    thinking_budgets: Annotated[
        ThinkingBudgets,
        Meta(description="Tokens of thinking for each effort, for models that take a budget (Gemini 2.5)."),
    ] = ThinkingBudgets()
    include_thoughts: Annotated[
        bool,
        Meta(
            description="Ask for summaries of the thinking even where the client does not, or cannot: chat "
            "completions have no word for it."
        ),
    ] = False

    def ask_settings(self) -> AskSettings:
        """Returns how models are to be asked."""
        return AskSettings(
            safety=self.safety, thinking_budgets=self.thinking_budgets, include_thoughts=self.include_thoughts
        )


class GeminiConfig(AskedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The Gemini API of Google AI Studio. Needs only `api_key`."""

    api_key: Annotated[Secret | None, Meta(description="Sent as x-goog-api-key: env:NAME or file:PATH.")] = None
    base_url: Annotated[
        str, Meta(description="Where the API begins, its version included; a bare host gets /v1beta appended.")
    ] = "https://generativelanguage.googleapis.com/v1beta"

    def __post_init__(self) -> None:
        """Refuses what can be no base URL."""
        check_base_url(self.base_url)

    @property
    def url(self) -> str:
        """The base URL without a slash at its end; with `/v1beta` where the file names only the host."""
        parts = urlsplit(self.base_url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") or "/v1beta", "", ""))
