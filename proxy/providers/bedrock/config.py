"""What the file says of an upstream that is Amazon Bedrock."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from ...config.types import Mistake, Secret
from ..anthropic.profile import PromptCache, ThinkingBudgets
from ..connection import ConnectedConfig, check_base_url
from .address import is_region, region_in

Api = Literal["converse", "invoke"]
StructuredOutput = Literal["auto", "native", "tool"]

_FROM_REQUEST = ("thinking", "reasoning_effort", "tool_choice")
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class GuardrailSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A guardrail of Bedrock's own."""

    id: Annotated[str, _about("Its id or ARN.")]
    version: Annotated[str, _about("Its version: a number, or DRAFT.")] = "DRAFT"
    stream: Annotated[
        Literal["sync", "async"],
        _about("Whether a stream waits for the guardrail (sync), or is stopped by it when it is late (async)."),
    ] = "sync"


class RoleSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A role that is taken on, by STS, with the credentials that were found."""

    arn: Annotated[str, _about("ARN of the role.")]
    external_id: Annotated[Secret | None, _about("What the role's owner demands to be named.")] = None
    session_name: Annotated[str, _about("Name of the session, as it stands in the logs of AWS.")] = "penstock"

    def for_sts(self) -> dict[str, str]:
        """Returns the role as STS is asked for it."""
        asked = {"RoleArn": self.arn, "RoleSessionName": self.session_name}
        if self.external_id is not None:
            asked["ExternalId"] = self.external_id.reveal()
        return asked


class BedrockProfile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is sent beside what the client says."""

    thinking_budgets: Annotated[
        ThinkingBudgets, _about("Tokens to think with by effort, for models that take a number (Claude 3.7 to 4.5).")
    ] = ThinkingBudgets()
    prompt_cache: Annotated[
        PromptCache,
        _about(
            "Where the beginning of a conversation is kept in Bedrock's cache, for models that have one: where the "
            "client gives a prompt_cache_key (auto), always, or never. Breakpoints that the client sets count in any "
            "case but never."
        ),
    ] = "auto"
    structured_output: Annotated[
        StructuredOutput,
        _about(
            "How a model is held to a JSON schema: natively, by a tool that takes the answer, or natively where the "
            "model is known to be able to (auto)."
        ),
    ] = "auto"
    strict_tools: Annotated[
        bool, _about("Hold models that can be to the schemas of tools that are declared strict.")
    ] = True
    document_citations: Annotated[bool, _about("Ask Claude for citations of the documents that the client sends.")] = (
        False
    )
    request_metadata: Annotated[
        bool, _about("Send the client's metadata along, for the invocation logs of the account.")
    ] = True
    guardrail: Annotated[GuardrailSettings | None, _about("A guardrail of Bedrock's own on every request.")] = None
    latency: Annotated[
        Literal["standard", "optimized"] | None, _about("Ask for optimized latency, where a model has it.")
    ] = None
    model_fields: Annotated[
        dict[str, Any],
        _about("Fields added to additionalModelRequestFields of every request, such as anthropic_beta."),
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses extra fields that come from the request."""
        for name in _FROM_REQUEST:
            if name in self.model_fields:
                raise Mistake(f'model_fields cannot hold "{name}"', "it comes from the request")


class BedrockConfig(ConnectedConfig, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Amazon Bedrock. Needs only a region, and credentials where AWS's own tools would find them.

    Credentials are, the first that is there: `api_key`; keys, a profile or a role of this file; a Bedrock API key in
    AWS_BEARER_TOKEN_BEDROCK; what AWS's own chain finds (environment, profiles, web identity, container, instance).
    """

    region: Annotated[
        str | None, _about("Such as us-east-1. By default the one in AWS_REGION, AWS_DEFAULT_REGION or base_url.")
    ] = None
    base_url: Annotated[
        str | None, _about("Where Bedrock is asked, if not at the region's own host: a VPC endpoint, say.")
    ] = None
    fips: Annotated[bool, _about("Ask the region's FIPS host.")] = False
    api_key: Annotated[Secret | None, _about("A Bedrock API key, sent as a bearer token: env:NAME or file:PATH.")] = (
        None
    )
    access_key_id: Annotated[Secret | None, _about("Access key of AWS: env:NAME or file:PATH.")] = None
    secret_access_key: Annotated[Secret | None, _about("The secret of the access key: env:NAME or file:PATH.")] = None
    session_token: Annotated[Secret | None, _about("Token of temporary keys: env:NAME or file:PATH.")] = None
    aws_profile: Annotated[str | None, _about("A profile of AWS's shared files (~/.aws) to take credentials from.")] = (
        None
    )
    role: Annotated[RoleSettings | None, _about("A role to take on with the credentials found.")] = None
    api: Annotated[
        Api,
        _about("Over which API Claude is asked: converse, or invoke, its own API. All other models: converse."),
    ] = "converse"
    base_models: Annotated[
        dict[str, str],
        _about("The model behind an id that does not name it, such as the ARN of an application inference profile."),
    ] = msgspec.field(default_factory=dict)
    profile: Annotated[BedrockProfile, _about("What is sent beside what the client says.")] = BedrockProfile()

    def __post_init__(self) -> None:
        """Refuses what can be no region, no base URL or no set of credentials."""
        if self.base_url is not None:
            check_base_url(self.base_url)
            if urlsplit(self.base_url).path.strip("/"):
                raise Mistake("base_url has a path", "leave it out: models are asked at /model/...")
        if self.region is not None and not is_region(self.region):
            raise Mistake(f'region: "{self.region}" is no region', "write it like us-east-1")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise Mistake("access_key_id and secret_access_key go together", "give both, or neither")
        if self.session_token is not None and self.access_key_id is None:
            raise Mistake("session_token belongs to an access key", "give access_key_id and secret_access_key too")
        if self.access_key_id is not None and self.aws_profile is not None:
            raise Mistake("access_key_id and aws_profile are two sources of credentials", "give one of them")
        if self.api_key is not None and self._names_keys:
            raise Mistake("api_key and keys of AWS are two ways to ask", "give one of them")
        if not self.is_bearer and find_spec("botocore") is None:
            raise Mistake("botocore, which signs requests, is not installed", "pip install 'penstock[aws]'")
        if self.home_region is None and not (self.base_url is not None and self.is_bearer):
            raise Mistake("the region is not known", "add region: us-east-1, or set AWS_REGION")

    @property
    def _names_keys(self) -> bool:
        return any(one is not None for one in (self.access_key_id, self.aws_profile, self.role))

    @property
    def home_region(self) -> str | None:
        """The region that requests are signed for, unless a model names another; None where it is not known."""
        if self.region is not None:
            return self.region
        if self.base_url is not None and (found := region_in(self.base_url)) is not None:
            return found
        return next((name for one in REGION_VARIABLES if (name := os.environ.get(one, "").strip())), None)

    @property
    def bearer(self) -> Secret | None:
        """The API key that is sent instead of a signature, if there is one."""
        if self.api_key is not None or self._names_keys:
            return self.api_key
        key = os.environ.get(BEARER_VARIABLE, "").strip()
        return Secret(key, f"env:{BEARER_VARIABLE}") if key else None

    @property
    def is_bearer(self) -> bool:
        """Whether requests bear a key, and are not signed."""
        return self.bearer is not None
