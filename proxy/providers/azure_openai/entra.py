"""Tokens of Microsoft Entra ID, from the credentials that the file names; azure-identity finds and exchanges them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ...config.types import Mistake, Secret
from ...upstream.client import UpstreamClient
from ..access_tokens import NoCredentials, Token, Tokens, first_line
from ..token_client import TokenClient

OF = "Entra ID"
SCOPE = "https://cognitiveservices.azure.com/.default"

_KNOWN = ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn")
_SHORTEST_S = 60.0
"""How long a token is taken for good that does not say it."""


class Entra(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Who Penstock is to Entra ID. Alone, `entra: {}` takes what Azure's own libraries find on this machine."""

    use: Annotated[
        Literal["default", "client-secret", "managed-identity", "workload-identity", "azure-cli"],
        Meta(
            description="Which credentials: those that DefaultAzureCredential finds (environment, workload and managed "
            "identity, az login), or just one kind of them."
        ),
    ] = "default"
    tenant_id: Annotated[str | None, Meta(description="The directory, for client-secret and workload-identity.")] = None
    client_id: Annotated[
        str | None, Meta(description="The application, or the identity where a machine has several.")
    ] = None
    client_secret: Annotated[Secret | None, Meta(description="The application's secret, for client-secret.")] = None
    authority: Annotated[
        str | None,
        Meta(description="Where tokens come from, if not login.microsoftonline.com: login.microsoftonline.us, say."),
    ] = None
    scope: Annotated[str, Meta(description="What tokens are asked for.")] = SCOPE

    def __post_init__(self) -> None:
        """Refuses a secret without its application, or one that is not used."""
        parts = (self.tenant_id, self.client_id, self.client_secret)
        if self.use == "client-secret" and None in parts:
            raise Mistake("use: client-secret needs tenant_id, client_id and client_secret", "add what is missing")
        if self.use != "client-secret" and self.client_secret is not None:
            raise Mistake(f"use: {self.use} takes no client_secret", "write use: client-secret")


def check_one_of(api_key: Secret | None, entra: Entra | None) -> None:
    """Raises Mistake where there are two ways to say who we are."""
    if api_key is not None and entra is not None:
        raise Mistake("there are both api_key and entra", "keep one of them")


def advice_for(api_key: Secret | None, entra: Entra | None) -> str:
    """Returns what to do when Azure takes us for nobody, or for somebody without rights."""
    if entra is not None:
        return f"check its entra credentials ({entra.use}), and that they may use the resource"
    return "it wants an api_key, or entra" if api_key is None else f"check its api_key ({api_key.source})"


def with_tokens(name: str, client: UpstreamClient, entra: Entra | None) -> UpstreamClient:
    """Returns the client of the upstream of that name, which gives every request a token where there is `entra`."""
    return client if entra is None else TokenClient(name, client, Tokens(fetcher(entra), OF))


def fetcher(entra: Entra) -> Callable[[], Token]:
    """Returns what fetches tokens. It blocks, and raises NoCredentials."""

    def fetch() -> Token:
        try:
            from azure.core.exceptions import AzureError
        except ImportError:
            raise NoCredentials("azure-identity is not installed: pip install 'penstock[azure]'") from None
        try:
            credential = _credential(entra)  # a new one each time: the last one's cache holds the token that is to go
            try:
                found = credential.get_token(entra.scope)
            finally:
                credential.close()
        except (AzureError, OSError, ValueError) as error:
            raise NoCredentials(first_line(error)) from None
        return Token(found.token, float(found.expires_on or time.time() + _SHORTEST_S))

    return fetch


def _host(authority: str) -> str:
    return authority.partition("://")[2].partition("/")[0] or authority.partition("/")[0]


def _credential(entra: Entra) -> Any:
    from azure import identity

    where: dict[str, Any] = {}
    if entra.authority is not None:
        where["authority"] = entra.authority
        # one that Microsoft's own does not know is a private cloud's, and cannot be asked about there
        where["disable_instance_discovery"] = _host(entra.authority) not in _KNOWN
    if entra.use == "client-secret":
        assert entra.client_secret is not None
        return identity.ClientSecretCredential(
            entra.tenant_id or "", entra.client_id or "", entra.client_secret.reveal(), **where
        )
    if entra.use == "managed-identity":
        return identity.ManagedIdentityCredential(client_id=entra.client_id)
    if entra.use == "workload-identity":
        return identity.WorkloadIdentityCredential(tenant_id=entra.tenant_id, client_id=entra.client_id, **where)
    if entra.use == "azure-cli":
        return identity.AzureCliCredential(tenant_id=entra.tenant_id or "")
    own = {} if entra.client_id is None else {"managed_identity_client_id": entra.client_id}
    return identity.DefaultAzureCredential(**where, **own)
