"""The provider for OpenAI's own API, as far as it is chat completions."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec

from ..chat.profile import ChatProfile
from ..connection import ConnectedConfig, check_base_url
from ..openai_compatible.provider import ChatUpstream

_REASONING_MODEL = re.compile(r"(?:.*/)?(?:ft:)?(?:o\d|gpt-[5-9])")

PROFILE = ChatProfile(
    token_limit="max_completion_tokens",
    merge_system="never",
    content_null_as_empty=False,
    object_arguments=False,
    tool_content_parts=True,
    refusals=True,
    files=True,
    cache_breakpoints=True,
    custom_tools=True,
    allowed_tools=True,
    replay_reasoning="never",
    verbosity=True,
    service_tier=True,
    prompt_cache_key=True,
    safety_identifier=True,
)
"""What OpenAI's chat completions take."""

REASONING_PROFILE = msgspec.structs.replace(PROFILE, system_role="developer")
"""What those of its models take that reason: they want their instructions from a developer."""


class OpenAIConfig(ConnectedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """OpenAI's own API. Needs only `api_key`."""

    base_url: Annotated[
        str,
        msgspec.Meta(description="Where the API begins; regions have their own, such as https://eu.api.openai.com/v1."),
    ] = "https://api.openai.com/v1"
    organization: Annotated[str | None, msgspec.Meta(description="Sent as OpenAI-Organization.")] = None
    project: Annotated[str | None, msgspec.Meta(description="Sent as OpenAI-Project.")] = None

    def __post_init__(self) -> None:
        """Refuses what can be no base URL."""
        check_base_url(self.base_url)

    @property
    def url(self) -> str:
        """The base URL without a slash at its end; with `/v1` where the file names only the host."""
        url = self.base_url.rstrip("/")
        return url if urlsplit(url).path else f"{url}/v1"


class OpenAI(ChatUpstream):
    """OpenAI's own API."""

    kind: ClassVar[str] = "openai"
    Config = OpenAIConfig
    config: OpenAIConfig

    def __init__(self, name: str, config: OpenAIConfig) -> None:
        own = {"openai-organization": config.organization, "openai-project": config.project}
        super().__init__(name, config, config.url, {key: value for key, value in own.items() if value is not None})

    def profile(self, model: str) -> ChatProfile:
        """Returns what a model takes."""
        return REASONING_PROFILE if _REASONING_MODEL.match(model) else PROFILE
