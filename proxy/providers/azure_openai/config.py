"""What the file says of OpenAI's models on Azure."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from ...config.types import Mistake
from ..connection import check_base_url
from ..responses.config import Api, ResponsesConfig
from .entra import Entra, advice_for, check_one_of

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?")
_UNDATED = ("v1", "preview", "latest")
_UNDER_DEPLOYMENTS = frozenset(
    (
        "/audio/speech",
        "/audio/transcriptions",
        "/audio/translations",
        "/chat/completions",
        "/completions",
        "/embeddings",
        "/images/edits",
        "/images/generations",
    )
)
"""Paths that the dated API has below a deployment; it takes the deployment's name for all others from the body."""


class AzureOpenAIConfig(ResponsesConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """OpenAI's models on Azure. What stands for a model is the name of its deployment."""

    base_url: Annotated[
        str,
        msgspec.Meta(
            description="The resource's endpoint, such as https://NAME.openai.azure.com or "
            "https://NAME.services.ai.azure.com."
        ),
    ]
    api: Annotated[
        Api,
        msgspec.Meta(
            description="Over which API models are asked: auto is the one that the client speaks, but the Responses "
            "API for models that have only that one."
        ),
    ] = "auto"
    api_version: Annotated[
        str | None,
        msgspec.Meta(
            description="A dated version, such as 2024-10-21, is asked over /openai/deployments; without one, or with "
            "v1 or preview, it is /openai/v1."
        ),
    ] = None
    entra: Annotated[
        Entra | None,
        msgspec.Meta(description="Credentials of Entra ID in place of api_key; they need pip install penstock[azure]."),
    ] = None
    base_models: Annotated[
        dict[str, str],
        msgspec.Meta(
            description="Which model a deployment is of, where its name does not say it: {my-deployment: gpt-5-mini}."
        ),
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses what can be no base URL or version."""
        check_base_url(self.base_url)
        check_one_of(self.api_key, self.entra)
        version = self.api_version
        if version is not None and version not in _UNDATED and not _DATED.fullmatch(version):
            raise Mistake(
                f'api_version: "{version[:40]}" is no version of the API', "write it like 2024-10-21, or leave it out"
            )

    @property
    def advice(self) -> str:
        """What to do when Azure takes us for nobody."""
        return advice_for(self.api_key, self.entra)

    @property
    def dated(self) -> bool:
        """Whether the API is the one with dated versions."""
        return self.api_version is not None and self.api_version not in _UNDATED

    @property
    def url(self) -> str:
        """Where the API begins: the base URL, whatever it names below the resource, and `/openai`."""
        parts = urlsplit(self.base_url)
        segments = parts.path.rstrip("/").split("/")
        if "openai" in segments:
            segments = segments[: segments.index("openai")]
        return urlunsplit((parts.scheme, parts.netloc, "/".join([*segments, "openai"]), "", ""))

    def endpoint(self, path: str, deployment: str) -> str:
        """Returns the URL of a path of OpenAI's API for a deployment ("" where none is asked)."""
        version = "" if self.api_version is None else f"?api-version={self.api_version}"
        if not self.dated:
            return f"{self.url}/v1{path}{version}"
        if deployment and path in _UNDER_DEPLOYMENTS:
            return f"{self.url}/deployments/{quote(deployment, safe='')}{path}{version}"
        return f"{self.url}{path}{version}"
