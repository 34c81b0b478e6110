"""What the file says of an upstream of OpenAI's wire: how to reach it, which API it speaks, and how it differs."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ..chat.presets import profile_for_host
from ..chat.profile import ChatProfile
from ..connection import check_base_url
from ..responses.config import Api, ResponsesConfig

_ENDPOINTS = ("/chat/completions", "/responses")
_NO_VERSION = frozenset(("api.perplexity.ai",))


class OpenAICompatibleConfig(ResponsesConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An upstream that speaks chat completions: vLLM, Ollama, llama.cpp, Groq, DeepSeek, OpenRouter and others."""

    base_url: Annotated[
        str,
        msgspec.Meta(
            description="Where the API begins, such as http://127.0.0.1:11434/v1; a bare host gets /v1 appended."
        ),
    ]
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
        msgspec.Meta(description="How this server differs. Well-known hosts have a profile of their own."),
    ] = None

    def __post_init__(self) -> None:
        """Refuses what can be no base URL."""
        check_base_url(self.base_url)

    @property
    def url(self) -> str:
        """The base URL without a slash at its end; with `/v1` where the file names only the host."""
        parts = urlsplit(self.base_url)
        path = parts.path.rstrip("/")
        for endpoint in _ENDPOINTS:
            path = path.removesuffix(endpoint)
        if not path and parts.hostname not in _NO_VERSION:
            path = "/v1"
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    def chat_profile(self) -> ChatProfile:
        """Returns the profile of the file, else that of the host."""
        return self.profile or profile_for_host(urlsplit(self.base_url).hostname)
