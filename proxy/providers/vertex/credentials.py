"""Tokens for Google Cloud, from whatever credentials there are; google-auth finds and renews them."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any

from ..access_tokens import NoCredentials, Token, first_line

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
OF = "Google Cloud"

_TIMEOUT_S = 30.0


def fetcher(account: str | None) -> Callable[[], Token]:
    """Returns what fetches tokens: for credentials as JSON, or for those that Google's libraries find."""
    known: list[tuple[Any, str | None]] = []

    def fetch() -> Token:
        try:
            import google.auth.transport.requests
            from google.auth.exceptions import GoogleAuthError
        except ImportError:
            raise NoCredentials("google-auth is not installed: pip install 'penstock[google]'") from None
        try:
            if not known:
                known.append(_found(account))
            credentials, project = known[0]
            credentials.refresh(partial(google.auth.transport.requests.Request(), timeout=_TIMEOUT_S))
        except (GoogleAuthError, OSError, ValueError) as error:
            raise NoCredentials(first_line(error)) from None
        return Token(credentials.token, _expiry(credentials), project)

    return fetch


def _found(account: str | None) -> tuple[Any, str | None]:
    """Returns credentials and the project they belong to."""
    import google.auth

    library: Any = google.auth  # its functions are typed in part only
    if account is None:
        credentials, project = library.default(scopes=[SCOPE])
        return credentials, project
    info = json.loads(account)
    if info.get("type") == "service_account":
        from google.oauth2 import service_account

        kind: Any = service_account.Credentials
        return kind.from_service_account_info(info, scopes=[SCOPE]), info.get("project_id")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it warns of files from strangers; this one is the owner's
        credentials, project = library.load_credentials_from_dict(info, scopes=[SCOPE])
    return credentials, project


def _expiry(credentials: Any) -> float:
    expiry = credentials.expiry
    if expiry is None:
        return time.time() + 3600
    return float((expiry if expiry.tzinfo is not None else expiry.replace(tzinfo=UTC)).timestamp())
