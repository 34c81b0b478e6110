"""The provider for OpenAI's own API: the Responses API and chat completions."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec

from ..chat.profile import ChatProfile
from ..connection import check_base_url
from ..openai_compatible.provider import ChatUpstream
from ..responses.config import Api, ResponsesConfig
from ..responses.profile import ResponsesProfile

_REASONING_MODEL = re.compile(r"(?:.*/)?(?:ft:)?(?:o\d|gpt-[5-9])")
_LEAST_TOKENS = 16
_NOT_REASONING = re.compile(r"-chat(?:-latest)?\Z")
_ONLY_RESPONSES = re.compile(
    r"(?:o\d|gpt-[5-9][\w.]*)(?:-[\w.]+)*-pro\b|.*-codex\b|codex-|.*-deep-research\b|computer-use"
)

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
    tokenizer="openai",
)
"""What OpenAI's chat completions take."""

REASONING_PROFILE = msgspec.structs.replace(PROFILE, system_role="developer")
"""What those of its models take that reason: they want their instructions from a developer."""


class OpenAIConfig(ResponsesConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """OpenAI's own API. Needs only `api_key`."""

    base_url: Annotated[
        str,
        msgspec.Meta(description="Where the API begins; regions have their own, such as https://eu.api.openai.com/v1."),
    ] = "https://api.openai.com/v1"
    api: Annotated[
        Api,
        msgspec.Meta(
            description="Over which API models are asked: auto is the one that the client speaks, but the Responses "
            "API for models that have only that one."
        ),
    ] = "auto"
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


class OpenAIModels(ChatUpstream):
    """OpenAI's own models, wherever they are served: what each takes, by its name."""

    config: ResponsesConfig

    def profile(self, model: str) -> ChatProfile:
        """Returns what a model takes over chat completions."""
        return REASONING_PROFILE if _REASONING_MODEL.match(model) else PROFILE

    def responses_profile(self, model: str) -> ResponsesProfile:
        """Returns what a model takes over the Responses API. Only those that reason have reasoning to encrypt."""
        reasons = _REASONING_MODEL.match(model) is not None and _NOT_REASONING.search(model) is None
        return ResponsesProfile(
            keeps=self.config.store,
            ask_encrypted=reasons,
            plain_reasoning=False,
            pads=True,
            least_tokens=_LEAST_TOKENS,
            summary=self.config.reasoning_summary,
        )

    def only_responses(self, model: str) -> bool:
        """Tells whether a model is not served over chat completions, by its name."""
        return _ONLY_RESPONSES.match(model) is not None


class OpenAI(OpenAIModels):
    """OpenAI's own API."""

    kind: ClassVar[str] = "openai"
    Config = OpenAIConfig
    config: OpenAIConfig

    def __init__(self, name: str, config: OpenAIConfig) -> None:
        own = {"openai-organization": config.organization, "openai-project": config.project}
        headers = {key: value for key, value in own.items() if value is not None}
        super().__init__(name, config, config.url, api=config.api, headers=headers)
