"""What the file says of an upstream of OpenAI's wire: how to reach it, which API it speaks, and how it differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ...config.types import Mistake
from ..chat.presets import PRESETS, Preset, key_of, place_of, profile_for_host, profile_of
from ..chat.profile import ChatProfile
from ..connection import check_base_url
from ..responses.config import Api, ResponsesConfig

_ENDPOINTS = ("/chat/completions", "/responses")
_NO_VERSION = frozenset(("api.perplexity.ai",))


class OpenAICompatibleConfig(ResponsesConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An upstream that speaks chat completions: vLLM, Ollama, llama.cpp, Groq, DeepSeek, OpenRouter and others."""

    preset: Annotated[
        Preset | None,
        msgspec.Meta(
            description="A well-known server: where it is, how it differs, and which variable holds its key need then "
            "not be said. What is said all the same counts for more."
        ),
    ] = None
    base_url: Annotated[
        str | None,
        msgspec.Meta(
            description="Where the API begins, such as http://127.0.0.1:11434/v1; a bare host gets /v1 appended. "
            "Needed where no preset says it."
        ),
    ] = None
    api: Annotated[
        Api,
        msgspec.Meta(
            description="What the server speaks: chat (completions), responses, or both (auto: each client is served "
            "over the API that it speaks itself)."
        ),
    ] = "chat"
    encrypted_reasoning: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to ask for reasoning in its encrypted form over the Responses API, so that it "
            "survives turns; not every server and model has it."
        ),
    ] = False
    profile: Annotated[
        ChatProfile | None,
        msgspec.Meta(description="How this server differs. Presets and well-known hosts have a profile of their own."),
    ] = None

    def __post_init__(self) -> None:
        """Refuses what can be no base URL."""
        if self.base_url is not None:
            check_base_url(self.base_url)
        elif self.preset is None:
            raise Mistake("base_url is missing", "add where the server is, or the preset of a well-known one")

    @classmethod
    def implied(cls, given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
        """Returns place and key of a preset. A server at another place than the well-known one may need no key."""
        preset = given.get("preset")
        if preset not in PRESETS or "base_url" in given:
            return {}
        variable = key_of(preset, environ)
        return {"base_url": place_of(preset)} | ({} if variable is None else {"api_key": f"env:{variable}"})

    @property
    def place(self) -> str:
        """The base URL as the file or the preset says it."""
        if self.base_url is not None:
            return self.base_url
        assert self.preset is not None
        return place_of(self.preset)

    @property
    def url(self) -> str:
        """The base URL without a slash at its end; with `/v1` where the file names only the host."""
        parts = urlsplit(self.place)
        path = parts.path.rstrip("/")
        for endpoint in _ENDPOINTS:
            path = path.removesuffix(endpoint)
        if not path and parts.hostname not in _NO_VERSION:
            path = "/v1"
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    def chat_profile(self) -> ChatProfile:
        """Returns the profile of the file, else that of the preset or the host."""
        if self.profile is not None:
            return self.profile
        return profile_for_host(urlsplit(self.place).hostname) if self.preset is None else profile_of(self.preset)
