"""What the file says of models on Azure AI Foundry."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Meta

from ...config.types import Mistake
from ..anthropic.profile import MessagesProfile
from ..azure_openai.entra import Entra, advice_for, check_one_of
from ..chat.profile import ChatProfile
from ..connection import ConnectedConfig, check_base_url

ExtraParameters = Literal["pass-through", "drop", "error"]

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?")
_ENDPOINTS = ("/chat/completions", "/v1/messages", "/anthropic")
_MODELS = "/models"
_SERVERLESS = (".models.ai.azure.com", ".inference.ml.azure.com")
"""Hosts with one model each, whose API begins at the root."""

PROFILE = ChatProfile(user=False)
"""What the inference API takes: it knows no `user`."""


class AzureAIConfig(ConnectedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Models on Azure AI Foundry: DeepSeek, Grok, Mistral, Llama and others, and Claude. OpenAI's are azure-openai."""

    base_url: Annotated[
        str,
        Meta(
            description="The resource's endpoint, such as https://NAME.services.ai.azure.com, or that of one model, "
            "such as https://NAME.REGION.models.ai.azure.com."
        ),
    ]
    api_version: Annotated[str, Meta(description="Version of the inference API.")] = "2024-05-01-preview"
    entra: Annotated[
        Entra | None,
        Meta(description="Credentials of Entra ID in place of api_key; they need pip install penstock[azure]."),
    ] = None
    extra_parameters: Annotated[
        ExtraParameters | None,
        Meta(
            description="What Azure does with fields that its API does not know: hand them to the model, drop them, or "
            "refuse them. By default they are handed on where a request has any."
        ),
    ] = None
    base_models: Annotated[
        dict[str, str],
        Meta(description="Which model a deployment is of, where its name does not say it: {mine: claude-opus-4-5}."),
    ] = msgspec.field(default_factory=dict)
    profile: Annotated[ChatProfile, Meta(description="How the models differ that are asked over chat completions.")] = (
        PROFILE
    )
    claude: Annotated[MessagesProfile, Meta(description="What is sent to Claude beside what the client says.")] = (
        MessagesProfile()
    )
    betas: Annotated[tuple[str, ...], Meta(description="Sent to Claude as anthropic-beta, beside what is needed.")] = ()

    def __post_init__(self) -> None:
        """Refuses what can be no base URL or version."""
        check_base_url(self.base_url)
        check_one_of(self.api_key, self.entra)
        if not _VERSION.fullmatch(self.api_version):
            raise Mistake(
                f'api_version: "{self.api_version[:40]}" is no version of the API', "write it like 2024-05-01-preview"
            )

    @property
    def advice(self) -> str:
        """What to do when Azure takes us for nobody."""
        return advice_for(self.api_key, self.entra)

    @property
    def root(self) -> str:
        """The resource, without what the base URL names below it."""
        parts = urlsplit(self.base_url)
        path = parts.path.rstrip("/")
        for endpoint in (*_ENDPOINTS, _MODELS):
            path = path.removesuffix(endpoint)
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    @property
    def url(self) -> str:
        """Where the inference API begins."""
        host = urlsplit(self.base_url).hostname or ""
        return self.root if host.endswith(_SERVERLESS) else self.root + _MODELS
