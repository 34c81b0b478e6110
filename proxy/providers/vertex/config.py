"""What the file says of Vertex AI: which project in which location, by whose credentials, and how to ask."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...config.types import Mistake, Secret
from ..anthropic.profile import MessagesProfile
from ..chat.profile import ChatProfile
from ..connection import check_base_url
from ..gemini.config import AskedConfig
from .address import LOCATION, PROJECT, UNKNOWN_PROJECT, Place, host_of

_PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")


class _Account(msgspec.Struct):
    """What is read of a file of credentials before it is used."""

    type: str
    project_id: str | None = None


_decode_account = msgspec.json.Decoder(_Account).decode


class VertexConfig(AskedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Vertex AI of Google Cloud: Gemini, Claude, and open models by `publisher/model`.

    By default with the credentials that Google's libraries find.
    """

    project: Annotated[
        str | None,
        Meta(description="The project. By default that of the credentials, or of GOOGLE_CLOUD_PROJECT."),
    ] = None
    location: Annotated[
        str,
        Meta(description="Where models run: a region such as europe-west4, the multi-regions us and eu, or global."),
    ] = "global"
    credentials: Annotated[
        Secret | None,
        Meta(
            description="A service account's key or another file of credentials: file:PATH, or env:NAME of a variable "
            "that holds the JSON. By default Application Default Credentials."
        ),
    ] = None
    api_key: Annotated[
        Secret | None, Meta(description="Express mode: a key instead of a project and credentials. Gemini only.")
    ] = None
    quota_project: Annotated[
        str | None,
        Meta(description="The project that quota and billing go to, if it is another (x-goog-user-project)."),
    ] = None
    api_version: Annotated[
        Literal["v1", "v1beta1"], Meta(description="Version of the API; v1beta1 has what is in preview.")
    ] = "v1"
    base_url: Annotated[
        str | None, Meta(description="Where the API begins, without its version; by default the host of the location.")
    ] = None
    claude: Annotated[MessagesProfile, Meta(description="What is sent to Claude beside what the client says.")] = (
        MessagesProfile()
    )
    open_models: Annotated[
        ChatProfile | None,
        Meta(description="How open models differ from what chat completions usually are; those of Mistral are known."),
    ] = None
    stream_arguments: Annotated[
        bool,
        Meta(description="Ask Gemini for the arguments of calls in pieces, so that they are told as they are written."),
    ] = False
    betas: Annotated[
        tuple[str, ...], Meta(description="Sent to Claude as anthropic-beta, beside those that a request needs.")
    ] = ()

    def __post_init__(self) -> None:
        """Refuses what can be no place, and credentials that are none."""
        if not LOCATION.fullmatch(self.location):
            raise Mistake(f'location: "{self.location}" is none', "write it like europe-west4, or global")
        for name in ("project", "quota_project"):
            value = getattr(self, name)
            if value is not None and not PROJECT.fullmatch(value):
                raise Mistake(f'{name}: "{value}" is no id of a project', "write its id, not its name")
        if self.base_url is not None:
            check_base_url(self.base_url)
        if self.api_key is not None and (self.project is not None or self.credentials is not None):
            raise Mistake("api_key stands for project and credentials", "leave out either the one or the others")
        if self.credentials is not None and self.credentials.reveal():
            self._account()

    def place(self) -> Place:
        """Returns where models are asked."""
        base = (self.base_url or host_of(self.location)).rstrip("/")
        project = None if self.api_key is not None else self._project()
        return Place(base=base, version=self.api_version, location=self.location, project=project)

    def _project(self) -> str:
        """Returns the project, as far as it is known without asking anybody."""
        account = self._account() if self.credentials is not None else None
        found = self.project or (account.project_id if account is not None else None)
        for name in _PROJECT_VARIABLES:
            found = found or os.environ.get(name)
        return found if found and PROJECT.fullmatch(found) else UNKNOWN_PROJECT

    def _account(self) -> _Account:
        assert self.credentials is not None
        try:
            return _decode_account(self.credentials.reveal())
        except (msgspec.DecodeError, UnicodeError):
            raise Mistake(
                f"credentials ({self.credentials.source}) are no JSON with a type",
                "write file:PATH of a service account's key",
            ) from None
